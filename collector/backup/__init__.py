"""Backups of the whole database, restoring them, and moving to another server, each proved by counts and digests."""
