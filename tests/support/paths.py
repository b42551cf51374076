"""Paths of the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "payloads" / "recorded"
NASTY = ROOT / "tests" / "payloads" / "nasty"
