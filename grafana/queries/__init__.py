"""Runs the dashboards' queries without a Grafana: for tests, the benchmark and previews."""
