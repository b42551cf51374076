"""The fleet page: every profile's gauges as Prometheus text, rendered when data changed and served as bytes."""
