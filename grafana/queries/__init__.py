"""The dashboards' queries for what runs them without a Grafana: tests, benchmark and previews."""
