"""Charts are SVG that says what it shows, whatever the numbers are."""

import re
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.chart import Bar, Day, Mark, MarkKind, bar_chart, line_chart, sparkline
from collector.chart.scale import area_path, line_path, tick_text, ticks

FIRST = date(2026, 1, 1)


def days(*values: float | None) -> list[Day]:
    return [Day(day=FIRST + timedelta(days=place), value=value) for place, value in enumerate(values)]


def parsed(svg: str) -> None:
    ET.fromstring(svg)  # noqa: S314 -- our own


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(0.0, [0, 1]), (1.0, [0, 1]), (3.0, [0, 1, 2, 3]), (9.0, [0, 2.5, 5, 7.5, 10]), (1e3, [0, 250, 500, 750, 1e3])],
)
def test_an_axis_has_few_round_values(highest: float, expected: list[float]) -> None:
    assert ticks(highest) == expected


@given(st.floats(0, 1e15))
def test_an_axis_reaches_the_highest_value(highest: float) -> None:
    found = ticks(highest)
    assert found[-1] >= highest * (1 - 1e-9)
    assert len(found) <= 5
    assert all(tick_text(value) for value in found)


def test_a_line_is_broken_where_there_is_no_number() -> None:
    points: list[tuple[float, float | None]] = [(0, 1), (1, 2), (2, None), (3, 4), (4, None), (5, 1), (6, 2)]
    assert line_path(points) == "M0 1L1 2M3 4h.01M5 1L6 2"
    assert area_path(points, [(x, 0) for x, _ in points]) == "M0 1L1 2L1 0L0 0ZM5 1L6 2L6 0L5 0Z"


def test_a_chart_marks_what_happened() -> None:
    shown = [*days(1, 2, None, 4), Day(day=FIRST + timedelta(days=4), value=5, settled=False, text="<five> & more")]
    shown[2] = Day(day=shown[2].day, value=None, missing=True)
    marks = [
        Mark(MarkKind.DROP, FIRST - timedelta(days=9), FIRST + timedelta(days=1)),
        Mark(MarkKind.PIN, FIRST, FIRST),
        Mark(MarkKind.HOLIDAY, FIRST + timedelta(days=3), FIRST + timedelta(days=3)),
        Mark(MarkKind.FLEET_DROP, FIRST + timedelta(days=90), FIRST + timedelta(days=91)),
    ]
    svg = line_chart(shown, marks, name="n", label='"A" & <b>')
    parsed(svg)
    drawn = re.findall(r'class="(drop|fleet-drop|pin|holiday|gap|hatch)"', svg)
    assert drawn == ["drop", "hatch", "gap", "pin", "holiday"]
    assert 'class="drop" x="0%" width="40%"' in svg
    assert "<title>&lt;five&gt; &amp; more</title>" in svg


@given(st.lists(st.none() | st.integers(0, 10**12), min_size=1, max_size=400))
def test_any_series_is_drawn_inside_of_its_chart(values: list[int | None]) -> None:
    svg = line_chart(days(*values), name="n", label="x")
    parsed(svg)
    assert svg.count('class="hit"') == len(values)
    assert all(18 <= float(y) <= 234.01 for y in re.findall(r'data-y="([^"]+)"', svg))
    assert bool(sparkline(values)) is any(value is not None for value in values)


def test_nothing_is_drawn_of_nothing() -> None:
    assert line_chart([], name="n", label="x") == ""
    assert sparkline([]) == sparkline([None]) == ""


def test_bars_say_their_names_and_numbers() -> None:
    svg = bar_chart([Bar("Mon", 1234.5, "a & b"), Bar("Tue", None), Bar("Wed", 0)], label="week")
    parsed(svg)
    assert re.findall(r">([^<>]+)</text>", svg) == ["1.23k", "Mon", "Tue", "0", "Wed"]
