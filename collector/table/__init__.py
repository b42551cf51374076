"""Reads the tables that people make, with whatever program: every bad line with its reason, to be mended at once."""
