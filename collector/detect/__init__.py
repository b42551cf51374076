"""Finds drops in daily counts, and says what they are. Pure: no clock, no I/O; rows in, verdicts and episodes out."""
