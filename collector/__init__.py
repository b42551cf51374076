"""Collects the Pinterest metrics of many Ayrshare profiles into TimescaleDB and Prometheus."""

__version__ = "0.1.0"
