"""The fleet as a whole: its page for Prometheus, rendered when data changed and served as bytes, and its status."""
