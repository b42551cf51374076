"""History: what is missing of it and why, and how its numbers came to be what they are."""
