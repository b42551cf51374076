"""The composition root: the only place that makes pools, sessions, servers and tasks."""
