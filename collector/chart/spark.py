"""Draws a series as a line without axes, as high as a line of text. Pure."""

from collections.abc import Sequence

from collector.chart.scale import area_path, line_path

_WIDTH = 100.0
_HEIGHT = 28.0
# Half of the stroke, which would be cut off otherwise.
_MARGIN = 1.5


def sparkline(values: Sequence[float | None], *, from_zero: bool = True) -> str:
    """Return an SVG of the values, the oldest first; None breaks the line.

    ``from_zero`` shows sizes; without it the line fills the height, which shows how a large number moves. Screen
    readers pass it over: the numbers that it stands beside say more.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    bottom = 0.0 if from_zero else min(known)
    span = (max(known) - bottom) or 1.0
    step = _WIDTH / max(1, len(values) - 1)
    points = [
        (place * step, None if value is None else _HEIGHT - _MARGIN - (value - bottom) / span * (_HEIGHT - 2 * _MARGIN))
        for place, value in enumerate(values)
    ]
    floor = [(x, _HEIGHT) for x, _ in points]
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false"><path class="area" d="{area_path(points, floor)}"/>'
        f'<path class="stroke" fill="none" stroke="currentColor" d="{line_path(points)}"/></svg>'
    )
