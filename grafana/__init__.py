"""Grafana: the dashboards, what builds them, and what provisions them."""
