"""The days that a page of a client or a profile shows, and what is drawn and summed of them. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from statistics import fmean
from typing import Final

import msgspec
from aiohttp import web
from markupsafe import Markup

from collector.chart import Bar, Day, Mark, MarkKind, bar_chart, line_chart
from collector.console import words
from collector.console.overview import change
from collector.console.read_out import read_out
from collector.holiday import name_of
from collector.store.drop_list import DropRow
from collector.store.timeline import MissingDay, PinDay, TimelineDay

LENGTHS: Final = (("90", "90 days"), ("30", "30 days"), ("365", "A year"))
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# As many weeks make a weekday's mean, if they are there.
_MOST_WEEKS: Final = 12
# Days that Pinterest does not have yet are no gap.
_LATEST_DAYS: Final = 4
_BAND_METRIC: Final = "engagement"


class Wish(msgspec.Struct, frozen=True):
    """What a page was asked for: how many days, of which metric, beside the period before or not, as a table too."""

    length: int
    metric: str
    compare: bool
    table: bool = False

    def days(self, today: date) -> tuple[date, date]:
        """Return the first and the last day to read: twice the length, so that there is something to compare with."""
        last = today - timedelta(days=1)
        return last - timedelta(days=2 * self.length + _LATEST_DAYS), last


class Tile(msgspec.Struct, frozen=True):
    """A metric's sum over the period, how it changed, and its days."""

    metric: str
    total: int | None
    change: float | None
    days: list[float | None]


class TableDay(msgspec.Struct, frozen=True):
    """A line of the table: the day, whether it is missing, and what the day before this period had."""

    day: TimelineDay
    missing: bool
    notes: list[str]


class Happenings(msgspec.Struct, frozen=True):
    """What is marked in a chart; the holidays are those of ``country``, or of many where it is None."""

    drops: Sequence[DropRow]
    fleet_drops: Sequence[tuple[date, date]]
    pins: Sequence[PinDay]
    missing: Sequence[MissingDay]
    country: str | None = None


def wish_of(request: web.Request) -> Wish:
    asked = request.query.get("days", "")
    metric = request.query.get("metric", "")
    return Wish(
        length=int(asked) if asked in dict(LENGTHS) else int(LENGTHS[0][0]),
        metric=metric if metric in words.METRICS else next(iter(words.METRICS)),
        compare=request.query.get("compare") == "1",
        table=request.query.get("table") == "1",
    )


class Period:
    """The newest days of a timeline, and the days before them."""

    def __init__(self, wish: Wish, days: Sequence[TimelineDay], happenings: Happenings) -> None:
        self._wish = wish
        self._happenings = happenings
        known = list(days)
        for _ in range(_LATEST_DAYS):
            if known and _is_empty(known[-1]):
                known.pop()
        self.days = known[-wish.length :]
        self.before = known[-2 * wish.length : -wish.length]
        self._all = known
        self._missing = {each.day for each in happenings.missing}
        named = ((each.day, name_of(happenings.country, each.day)) for each in self.days)
        self._holidays = {day: name for day, name in named if name is not None}
        self._notes = self._noted()

    @property
    def empty(self) -> bool:
        return all(_is_empty(each) for each in self._all)

    def tiles(self) -> list[Tile]:
        return [self._tile(metric) for metric in words.METRICS]

    def _tile(self, metric: str) -> Tile:
        counts = [getattr(each, metric) for each in self.days]
        known = [count for count in counts if count is not None]
        return Tile(metric, sum(known) if known else None, self._change(metric), counts)

    def _change(self, metric: str) -> float | None:
        """Compare the settled days that have a number in both periods."""
        pairs = [
            (getattr(now, metric), getattr(then, metric))
            for now, then in zip(reversed(self.days), reversed(self.before), strict=False)
            if now.settled and getattr(now, metric) is not None and getattr(then, metric) is not None
        ]
        # Fewer would say more of the gaps than of the profile.
        if 2 * len(pairs) < len(self.days):
            return None
        return change(sum(now for now, _ in pairs), sum(then for _, then in pairs))

    def chart(self, name: str, whose: str) -> Markup:
        """Draw the wished metric."""
        metric = self._wish.metric
        svg = line_chart(
            [self._drawn(place, each) for place, each in enumerate(self.days)],
            self._marks(),
            name=name,
            label=f"{words.METRICS[metric]} of {whose} by day",
        )
        return Markup(svg)  # noqa: S704 -- escaped where it was drawn

    def _drawn(self, place: int, each: TimelineDay) -> Day:
        metric, banded = self._wish.metric, self._wish.metric == _BAND_METRIC
        then = place - len(self.days) + len(self.before)
        before = getattr(self.before[then], metric) if self._wish.compare and then >= 0 else None
        value, expected = getattr(each, metric), each.expected if banded else None
        low = max(0.0, each.expected_low) if banded and each.expected_low is not None else None
        missing = each.day in self._missing
        text = read_out(
            each.day, words.METRICS[metric], value, settled=each.settled, missing=missing and value is None,
            before=before, expected=expected, low=low, notes=self._notes[each.day],
        )  # fmt: skip
        return Day(
            day=each.day, value=value, settled=each.settled, missing=missing, before=before, expected=expected, low=low,
            text=text,
        )  # fmt: skip

    def _noted(self) -> dict[date, list[str]]:
        """Return what happened, by day."""
        happened = self._happenings
        noted: dict[date, list[str]] = {each.day: [] for each in self.days}
        drops = {
            (f"Drop of {words.METRICS[each.metric].lower()}: {each.profile}", each.first_day, each.last_day)
            for each in happened.drops
            if not each.inhibited
        }
        spans = [*sorted(drops), *(("The whole fleet dropped", first, last) for first, last in happened.fleet_drops)]
        spans += [(f"{words.counted(each.pins, 'pin')} published", each.day, each.day) for each in happened.pins]
        spans += [(name, day, day) for day, name in self._holidays.items()]
        spans += [(words.IMPORTED, each.day, each.day) for each in self.days if each.imported]
        for text, first, last in spans:
            for each in self._within(first, last):
                noted[each.day].append(text)
        return noted

    def _within(self, first: date, last: date) -> Sequence[TimelineDay]:
        if not self.days:
            return ()
        start = self.days[0].day
        return self.days[max(0, (first - start).days) : max(0, (last - start).days + 1)]

    def _marks(self) -> list[Mark]:
        happened = self._happenings
        return [
            *(Mark(MarkKind.FLEET_DROP, first, last) for first, last in happened.fleet_drops),
            *(Mark(MarkKind.DROP, each.first_day, each.last_day) for each in happened.drops if not each.inhibited),
            *(Mark(MarkKind.HOLIDAY, day, day) for day in self._holidays),
            *(Mark(MarkKind.PIN, each.day, each.day) for each in happened.pins),
        ]

    def legend(self) -> list[tuple[str, str]]:
        """Return what the chart shows, for the list beneath it."""
        first = self.days[0].day
        happened = self._happenings
        shown = [
            (True, "line", words.METRICS[self._wish.metric]),
            (self._wish.compare and bool(self.before), "before", "the period before"),
            (self._has_band, "expected", self._band_in_words()),
            (any(not each.settled for each in self.days), "hatch", "provisional: Pinterest may still change it"),
            (any(not each.inhibited and each.last_day >= first for each in happened.drops), "drop", "drop"),
            (any(last >= first for _, last in happened.fleet_drops), "fleet-drop", "the whole fleet dropped"),
            (any(each.day >= first for each in happened.missing), "gap", "missing day"),
            (any(each.day >= first for each in happened.pins), "pin", "pins published"),
            (bool(self._holidays), "holiday", "holiday"),
        ]
        return [(kind, text) for is_shown, kind, text in shown if is_shown]

    @property
    def _has_band(self) -> bool:
        return self._wish.metric == _BAND_METRIC and any(each.expected is not None for each in self.days)

    def _band_in_words(self) -> str:
        # Of a client, it is known where it is of every profile.
        whole = all(each.expected is not None for each in self.days if each.settled)
        return f"expected, and the least that is normal{'' if whole else ', where that can be told'}"

    def table(self) -> list[TableDay]:
        """Return the days, the newest first."""
        return [TableDay(each, each.day in self._missing, self._notes[each.day]) for each in reversed(self.days)]

    def weekdays(self) -> Markup:
        """Draw what is usual on each day of the week; empty without a settled week."""
        metric = self._wish.metric
        settled = [each for each in self._all if each.settled and getattr(each, metric) is not None]
        newest = settled[-7 * _MOST_WEEKS :]
        if len(newest) < len(_WEEKDAYS):
            return Markup()
        bars = [self._bar(name, [getattr(each, metric) for each in newest if each.day.weekday() == place])
                for place, name in enumerate(_WEEKDAYS)]  # fmt: skip
        label = f"Mean {words.METRICS[metric].lower()} by day of the week"
        return Markup(bar_chart(bars, label=label))  # noqa: S704 -- escaped where it was drawn

    def _bar(self, name: str, counts: Sequence[int]) -> Bar:
        if not counts:
            return Bar(name, None, f"{name}: no settled day")
        mean = fmean(counts)
        return Bar(name, mean, f"{name}: {mean:,.0f}, the mean of {words.counted(len(counts), 'day')}")


def _is_empty(day: TimelineDay) -> bool:
    return all(getattr(day, metric) is None for metric in words.METRICS)
