"""The console at ``/``: pages that the server makes, for people. It reads by ``store`` and is served by ``web``."""
