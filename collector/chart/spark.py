"""Draws a series as a line without axes, as high as a line of text. Pure."""

from collections.abc import Sequence

# A column a value, so that every place is a whole number; heights are of a hundred.
_TOP = 5.0
_FLOOR = 95.0


def sparkline(values: Sequence[float | None], *, from_zero: bool = True) -> str:
    """Return an SVG of the values, the oldest first; None breaks the line.

    ``from_zero`` shows sizes; without it the line fills the height, which shows how a large number moves. Screen
    readers pass it over: the numbers that it stands beside say more.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    bottom = 0.0 if from_zero else min(known)
    scale = (_FLOOR - _TOP) / ((max(known) - bottom) or 1.0)
    floor = _FLOOR + bottom * scale
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            runs[-1].append(f"{place} {floor - value * scale:.0f}")
        elif runs[-1]:
            runs.append([])
    runs = [run for run in runs if run]
    # A line of no length has no round caps everywhere.
    stroke = "".join("M" + " ".join(run) + ("h.01" if len(run) == 1 else "") for run in runs)
    area = "".join(_area(run) for run in runs if len(run) > 1)
    return (
        f'<svg class="spark" viewBox="0 0 {max(1, len(values) - 1)} 100" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false"><path class="area" d="{area}"/>'
        f'<path class="stroke" fill="none" stroke="currentColor" d="{stroke}"/></svg>'
    )


def _area(run: list[str]) -> str:
    first, last = run[0].partition(" ")[0], run[-1].partition(" ")[0]
    return f"M{first} 100 {' '.join(run)} {last} 100Z"
