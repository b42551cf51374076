"""Registering profiles: what a name, a client and a key may look like, and the CSV that brings many of them."""
