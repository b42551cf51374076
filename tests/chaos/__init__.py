"""Real processes of the program, among everything that can go wrong: ``python -m tests.chaos``, ``make chaos``."""
