"""Builds ``grafana/dashboards/*.json``; imports nothing of the collector."""
