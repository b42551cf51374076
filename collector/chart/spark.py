"""Draws a series as a line without axes, as high as a line of text. Pure."""

from collections.abc import Sequence
from functools import cache

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
    scale = (_HEIGHT - 2 * _MARGIN) / ((max(known) - bottom) or 1.0)
    floor = _HEIGHT - _MARGIN + bottom * scale
    runs: list[list[str]] = [[]]
    for x, value in zip(_places(len(values)), values, strict=True):
        if value is not None:
            runs[-1].append(f"{x} {floor - value * scale:.1f}")
        elif runs[-1]:
            runs.append([])
    runs = [run for run in runs if run]
    # A line of no length has no round caps everywhere.
    stroke = "".join("M" + "L".join(run) + ("h.01" if len(run) == 1 else "") for run in runs)
    area = "".join(_area(run) for run in runs if len(run) > 1)
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false"><path class="area" d="{area}"/>'
        f'<path class="stroke" fill="none" stroke="currentColor" d="{stroke}"/></svg>'
    )


@cache
def _places(count: int) -> list[str]:
    step = _WIDTH / max(1, count - 1)
    return [f"{place * step:.4g}" for place in range(count)]


def _area(run: list[str]) -> str:
    first, last = run[0].partition(" ")[0], run[-1].partition(" ")[0]
    return f"M{first} {_HEIGHT:g}L" + "L".join(run) + f"L{last} {_HEIGHT:g}Z"
