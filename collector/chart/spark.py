"""Draws a series as a line without axes, as high as a line of text. Pure."""

from collections.abc import Sequence

from collector.chart.scale import area_path, line_path

_WIDTH = 100.0
_HEIGHT = 28.0
# Half of the stroke, which would be cut off otherwise.
_MARGIN = 1.5


def sparkline(values: Sequence[float | None]) -> str:
    """Return an SVG of the values, the oldest first, from zero up; None breaks the line.

    It is hidden from those who cannot see it: the numbers that it stands beside say more.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    top = max(known) or 1.0
    step = _WIDTH / max(1, len(values) - 1)
    points = [
        (place * step, None if value is None else _HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN))
        for place, value in enumerate(values)
    ]
    floor = [(x, _HEIGHT) for x, _ in points]
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false"><path class="area" d="{area_path(points, floor)}"/>'
        f'<path class="stroke" fill="none" stroke="currentColor" d="{line_path(points)}"/></svg>'
    )
