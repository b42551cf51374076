"""Draws the dashboards with Grafana's own library from a made-up agency's data. For development only."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
