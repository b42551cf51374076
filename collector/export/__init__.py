"""Data out: tables of days, pins, drops and gaps, of any length, as files that other programs read."""
