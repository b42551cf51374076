"""Paths of the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAYLOADS = Path(__file__).parent / "payloads"
