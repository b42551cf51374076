"""Draws a few values beside each other, such as the days of a week. Pure."""

from collections.abc import Sequence
from html import escape

import msgspec

from collector.chart.scale import ENGLISH, Wording, coordinate

_HEIGHT = 230
_TOP = 20
_BOTTOM = 22
_PLOT = _HEIGHT - _TOP - _BOTTOM
_WIDTH_SHARE = 0.62


class Bar(msgspec.Struct, frozen=True):
    """A bar with its name; ``value`` None is one that is not known."""

    name: str
    value: float | None
    text: str = ""


def bar_chart(bars: Sequence[Bar], *, label: str, wording: Wording = ENGLISH) -> str:
    """Return an SVG of the bars from zero up, each with its number above it."""
    top = max((bar.value for bar in bars if bar.value is not None), default=0.0) or 1.0
    share = 100.0 / max(1, len(bars))
    pieces = [f'<svg class="bars" width="100%" height="{_HEIGHT}" role="img" aria-label="{escape(label)}">']
    for place, bar in enumerate(bars):
        middle = f"{coordinate((place + 0.5) * share)}%"
        pieces.append(f"<g><title>{escape(bar.text)}</title>")
        if bar.value is not None:
            height = max(1.0, bar.value / top * _PLOT)
            left = coordinate((place + (1 - _WIDTH_SHARE) / 2) * share)
            y = _TOP + _PLOT - height
            number = wording.value(_three_digits(bar.value))
            pieces.append(
                f'<rect class="bar" rx="3" x="{left}%" width="{coordinate(_WIDTH_SHARE * share)}%" '
                f'y="{coordinate(y)}" height="{coordinate(height)}" fill="currentColor"/>'
                f'<text x="{middle}" y="{coordinate(y - 5)}" text-anchor="middle">{number}</text>'
            )
        pieces.append(f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(bar.name)}</text></g>')
    return "".join([*pieces, "</svg>"])


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")
