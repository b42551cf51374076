"""Chooses where an axis ends and where its lines are, and draws a series as a path. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import Final

import msgspec

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MOST_LINES = 4


def ticks(highest: float) -> list[float]:
    """Return round values from 0 up to one that is not below ``highest``, at most five of them."""
    if highest <= 1.0:
        return [0.0, 1.0]
    rough = highest / _MOST_LINES
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(each * magnitude for each in _STEPS if each * magnitude >= rough * (1 - 1e-9))
    # Counts are whole.
    step = max(step, 1.0)
    return [step * place for place in range(math.ceil(highest / step - 1e-9) + 1)]


def tick_text(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


class Wording(msgspec.Struct, frozen=True):
    """How an axis writes values, a day among days, and the month that begins with a day."""

    value: Callable[[float], str]
    day: Callable[[date], str]
    month: Callable[[date], str]


ENGLISH: Final = Wording(
    value=tick_text,
    day=lambda day: f"{day.day} {day:%b}",
    month=lambda day: f"{day:%b %Y}" if day.month == 1 else f"{day:%b}",
)


def coordinate(value: float) -> str:
    """Return a number as SVG has it, with two digits at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def line_path(points: Sequence[tuple[float, float | None]]) -> str:
    """Return a path through the points, broken where there is none; one that stands alone is a dot."""
    pieces: list[str] = []
    connected = False
    for (x, y), following in pairwise([*points, (0.0, None)]):
        if y is None:
            connected = False
            continue
        at = f"{coordinate(x)} {coordinate(y)}"
        pieces.append(f"L{at}" if connected else f"M{at}")
        if not connected and following[1] is None:
            pieces.append("h.01")  # a line of no length has no round caps everywhere
        connected = True
    return "".join(pieces)


def area_path(upper: Sequence[tuple[float, float | None]], lower: Sequence[tuple[float, float | None]]) -> str:
    """Return the areas between two lines of the same length, wherever both have points."""
    pieces: list[str] = []
    run: list[tuple[float, float, float]] = []
    for (x, top), (_, bottom) in [*zip(upper, lower, strict=True), ((0.0, None), (0.0, None))]:
        if top is not None and bottom is not None:
            run.append((x, top, bottom))
            continue
        if len(run) > 1:
            outline = [(x, y) for x, y, _ in run] + [(x, y) for x, _, y in reversed(run)]
            pieces.append("M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in outline) + "Z")
        run = []
    return "".join(pieces)
