"""``python -m collector`` is ``collector``."""

from collector.cli import main

main()
