"""Polling: claim who is due, read Ayrshare, store what came, decide when to look again."""
