"""The HTTP side: health, the two Prometheus pages, and a front page that names them."""
