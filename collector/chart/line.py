"""Draws a metric by day: its line, what was expected, the period before, and what happened. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date
from enum import StrEnum
from html import escape
from itertools import groupby

import msgspec

from collector.chart.scale import ENGLISH, Wording, area_path, coordinate, line_path, ticks

_HEIGHT = 260
_TOP = 18
_BOTTOM = 26
_PLOT = _HEIGHT - _TOP - _BOTTOM
_FLOOR = _TOP + _PLOT
# What the paths are drawn in, which is stretched to the width.
_UNITS = 1000.0
_MOST_LABELS = 6
_LONGEST_BY_WEEK = 60
_WEEK = 7
_NEAR_EDGE = 5.0


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a chart. ``value`` None is a day without a number; ``missing`` tells that there should be one.

    ``expected`` and ``low`` are the band; ``before`` is the same day of the period before. ``text`` is the read-out.
    """

    day: date
    value: float | None
    settled: bool = True
    missing: bool = False
    before: float | None = None
    expected: float | None = None
    low: float | None = None
    text: str = ""


class MarkKind(StrEnum):
    """What a chart marks: spans of days, or days."""

    DROP = "drop"
    FLEET_DROP = "fleet-drop"
    HOLIDAY = "holiday"
    PIN = "pin"


class Mark(msgspec.Struct, frozen=True):
    """Something that happened from ``first`` to ``last``; what lies outside of the chart is not drawn."""

    kind: MarkKind
    first: date
    last: date


def line_chart(
    days: Sequence[Day], marks: Sequence[Mark] = (), *, name: str, label: str, wording: Wording = ENGLISH
) -> str:
    """Return an SVG of consecutive days, as wide as what it is put into; the numbers of its axis are left of it.

    ``name`` tells it from other charts of the page, and is a word; ``label`` says what it shows to those who do not
    see it. Each day has a title, which browsers show, and scripts read.
    """
    if not days:
        return ""
    chart = _Chart(days, marks, name, wording)
    head = f'<svg class="plot" width="100%" height="{_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return "".join([head, *chart.pieces(), "</svg>"])


class _Chart:
    """The pieces of one chart, those that lie below others first."""

    def __init__(self, days: Sequence[Day], marks: Sequence[Mark], name: str, wording: Wording) -> None:
        self._wording = wording
        self._days = days
        self._marks = marks
        self._name = name
        known = [value for each in days for value in (each.value, each.before, each.expected) if value is not None]
        self._ticks = ticks(max(known, default=0.0))
        self._share = 100.0 / len(days)

    def pieces(self) -> Iterator[str]:
        yield from self._spans()
        yield from self._provisional()
        yield from self._lines()
        yield self._paths()
        yield from self._points()
        yield from self._dates()
        yield from self._hits()

    def _left(self, place: int) -> str:
        return f"{coordinate(place * self._share)}%"

    def _middle(self, place: int) -> str:
        return f"{coordinate((place + 0.5) * self._share)}%"

    def _wide(self, places: int) -> str:
        return f"{coordinate(places * self._share)}%"

    def _spans(self) -> Iterator[str]:
        for mark in self._marks:
            if mark.kind in {MarkKind.DROP, MarkKind.FLEET_DROP} and (found := self._places(mark)):
                at = f'x="{self._left(found[0])}" width="{self._wide(len(found))}"'
                yield f'<rect class="{mark.kind}" {at} y="{_TOP}" height="{_PLOT}" fill="currentColor" opacity=".1"/>'
                yield f'<rect class="{mark.kind}-edge" {at} y="{_TOP - 4}" height="4"/>'

    def _places(self, mark: Mark) -> list[int]:
        return [place for place, each in enumerate(self._days) if mark.first <= each.day <= mark.last]

    def _provisional(self) -> Iterator[str]:
        hatch = f"hatch-{self._name}"
        if not all(each.settled for each in self._days):
            yield (
                f'<defs><pattern id="{hatch}" width="6" height="6" patternUnits="userSpaceOnUse" '
                'patternTransform="rotate(45)"><line class="hatch-line" x1="0" y1="0" x2="0" y2="6" '
                'stroke="currentColor" stroke-opacity=".4"/></pattern></defs>'
            )
        for settled, run in groupby(enumerate(self._days), key=lambda placed: placed[1].settled):
            places = [place for place, _ in run]
            if not settled:
                at = f'x="{self._left(places[0])}" width="{self._wide(len(places))}" y="{_TOP}" height="{_PLOT}"'
                yield f'<rect class="hatch" {at} fill="url(#{hatch})"/>'

    def _lines(self) -> Iterator[str]:
        for value in self._ticks:
            y = coordinate(_FLOOR - value / self._ticks[-1] * _PLOT)
            kind = "grid-line" if value else "base-line"
            at = f'x1="0" x2="100%" y1="{y}" y2="{y}"'
            yield f'<line class="{kind}" {at} stroke="currentColor" stroke-opacity=".25"/>'

    def _paths(self) -> str:
        expected, low = self._series("expected"), self._series("low")
        top = [(x, y if self._days[place].low is not None else None) for place, (x, y) in enumerate(expected)]
        return (
            f'<svg x="0" y="{_TOP}" width="100%" height="{_PLOT}" viewBox="0 0 {_UNITS:g} {_UNITS:g}" '
            'preserveAspectRatio="none" overflow="visible">'
            f'<path class="band" fill="currentColor" fill-opacity=".15" d="{area_path(top, low)}"/>'
            f'<path class="expected" fill="none" d="{line_path(expected)}"/>'
            f'<path class="before" fill="none" stroke="currentColor" stroke-opacity=".5" '
            f'd="{line_path(self._series("before"))}"/>'
            f'<path class="line" fill="none" stroke="currentColor" d="{line_path(self._series("value"))}"/></svg>'
        )

    def _series(self, field: str) -> list[tuple[float, float | None]]:
        width = _UNITS / len(self._days)
        values = [getattr(each, field) for each in self._days]
        return [
            ((place + 0.5) * width, None if value is None else _UNITS * (1 - value / self._ticks[-1]))
            for place, value in enumerate(values)
        ]

    def _points(self) -> Iterator[str]:
        for place, each in enumerate(self._days):
            if each.missing:
                at = f'x="{self._left(place)}" width="{self._wide(1)}"'
                yield f'<rect class="gap" {at} y="{_FLOOR - 3}" height="6" fill="currentColor"/>'
        for mark in self._marks:
            if mark.kind is MarkKind.HOLIDAY:
                for place in self._places(mark):
                    yield f'<circle class="holiday" cx="{self._middle(place)}" cy="{_FLOOR}" r="4" fill="none"/>'
            elif mark.kind is MarkKind.PIN:
                for place in self._places(mark):
                    yield f'<circle class="pin" cx="{self._middle(place)}" cy="{_FLOOR}" r="2.5"/>'

    def _dates(self) -> Iterator[str]:
        yield '<g class="x" aria-hidden="true">'
        for place in self._labelled():
            middle = (place + 0.5) * self._share
            anchor = "start" if middle < _NEAR_EDGE else "end" if middle > 100 - _NEAR_EDGE else "middle"
            text = self._label(self._days[place].day)
            yield f'<text x="{coordinate(middle)}%" y="{_HEIGHT - 6}" text-anchor="{anchor}">{text}</text>'
        yield '</g><g class="y" aria-hidden="true">'
        for value in self._ticks:
            y = coordinate(_FLOOR - value / self._ticks[-1] * _PLOT + 4)
            yield f'<text x="-8" y="{y}" text-anchor="end">{self._wording.value(value)}</text>'
        yield "</g>"

    @property
    def _by_week(self) -> bool:
        return len(self._days) <= _LONGEST_BY_WEEK

    def _labelled(self) -> list[int]:
        if self._by_week:
            found = list(range(len(self._days) - 1, -1, -_WEEK))[::-1]
        else:
            found = [place for place, each in enumerate(self._days) if each.day.day == 1]
        step = -(-len(found) // _MOST_LABELS)
        return found[::-1][:: max(1, step)][::-1]

    def _label(self, day: date) -> str:
        return self._wording.day(day) if self._by_week else self._wording.month(day)

    def _hits(self) -> Iterator[str]:
        """Yield what is pointed at: a column a day, with its read-out and where its value is."""
        yield '<g class="hits">'
        size = f'width="{self._wide(1)}" y="0" height="{_HEIGHT}"'
        for place, each in enumerate(self._days):
            y = "" if each.value is None else f' data-y="{coordinate(_FLOOR - each.value / self._ticks[-1] * _PLOT)}"'
            title = f"<title>{escape(each.text)}</title>"
            yield f'<rect class="hit" x="{self._left(place)}" {size} fill="transparent"{y}>{title}</rect>'
        yield "</g>"
