"""The HTTP side: health, the two Prometheus pages, and who may see which page."""
