"""Ayrshare's API: the client that calls it and the parser that reads its answers."""
