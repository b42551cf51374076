"""Follows published pins: asks how they do, every day at first, and keeps their numbers over time."""
