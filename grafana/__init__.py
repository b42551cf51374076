"""The dashboards of Grafana, the code that builds them, and their provisioning."""
