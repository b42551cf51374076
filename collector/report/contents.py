"""What a report holds, computed from the sums of profiles and days. Pure: no clock, no I/O, no words.

Changes compare the mean of a day, since months have different lengths, and only of profiles that have numbers on at
least half of the days of both months: a profile that was added, or was not read for weeks, is no growth and no fall.
Days of a Pinterest account that was linked before another one are not compared with days of that one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from collector.models.gap import Gap
from collector.report.month import Month, month_of
from collector.store.overview import COUNTS
from collector.store.report import BestPin, ClientDay, Followers, MonthSums, ReportedDrop, ReportedProfile

YEAR: Final = 12
_DAY = timedelta(days=1)


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's sum, its changes against the month before and the same month of the year before, and its days.

    Changes are None where there is nothing to compare with; the last value of ``days`` is that of the newest day.
    """

    metric: str
    sum: int | None
    change: float | None
    year_change: float | None
    days: list[int | None]
    days_before: list[int | None]


class ProfileLine(msgspec.Struct, frozen=True):
    """A profile's sums, a value for each of `COUNTS`, and the change of its engagement against the month before."""

    name: str
    sums: list[int | None]
    change: float | None


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How whole the numbers are: days of profiles that are here, still provisional, imported, and missing.

    ``compared`` is how many profiles the changes against the month before rest on, None without any.
    """

    profiles: int
    days: int
    provisional: int
    imported: int
    gaps: list[Gap]
    compared: int | None

    @property
    def missing(self) -> int:
        return sum(gap.days for gap in self.gaps)


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A client's month up to ``last``, which is before its end while it is not over.

    ``months`` are the engagements of up to thirteen months, this one last; None of those with a few days only.
    ``rates`` are engagements for each impression of this month and of the one before. ``followers`` are those at the
    end, and how many more than before the month.
    """

    client: str
    month: Month
    last: date
    totals: list[Total]
    rates: tuple[float | None, float | None]
    profiles: list[ProfileLine]
    months: list[tuple[Month, int | None]]
    provisional_days: frozenset[date]
    drops: list[ReportedDrop]
    fleet_drops: list[tuple[date, date]]
    pins: Mapping[date, int]
    best_pins: list[BestPin]
    followers: tuple[int, int | None] | None
    quality: Quality

    @property
    def empty(self) -> bool:
        return all(total.sum is None for total in self.totals)

    @property
    def total(self) -> dict[str, Total]:
        return {each.metric: each for each in self.totals}

    @property
    def days(self) -> list[date]:
        return _days(self.month.first, self.last)


class Months:
    """The months of a client's profiles, of which the newest is reported up to ``last``."""

    def __init__(
        self, month: Month, last: date, profiles: Sequence[ReportedProfile], rows: Sequence[MonthSums]
    ) -> None:
        self._month = month
        self._last = last
        self._profiles = profiles
        self._rows: dict[tuple[int, Month], list[MonthSums]] = defaultdict(list)
        for row in rows:
            self._rows[row.profile_id, month_of(row.month)].append(row)

    def sums(self, month: Month, profile_id: int | None = None) -> list[int | None]:
        """Return the sums of a month, of all profiles or of one."""
        rows = [row for each in self._ids(profile_id) for row in self._rows.get((each, month), ())]
        return [added([row.sums[place] for row in rows]) for place in range(len(COUNTS))]

    def counted(self, month: Month) -> tuple[int, int, int]:
        """Return how many days of profiles a month has, and how many of them are provisional, and imported."""
        rows = [row for each in self._ids(None) for row in self._rows.get((each, month), ())]
        return sum(row.days for row in rows), sum(row.provisional for row in rows), sum(row.imported for row in rows)

    def whole(self, month: Month) -> bool:
        """Tell whether some profile has at least half of the days of the month."""
        return any(2 * row.days >= month.days for each in self._ids(None) for row in self._rows.get((each, month), ()))

    def change(self, metric: str, before: int, profile_id: int | None = None) -> float | None:
        """Return by which share the mean of a day rose against so many months before."""
        means = self._means(COUNTS.index(metric), before, profile_id)
        now, then = sum(mean for mean, _ in means), sum(mean for _, mean in means)
        return now / then - 1 if then else None

    def compared(self) -> int | None:
        """Return how many profiles are compared with the month before."""
        return len(self._means(COUNTS.index("engagement"), 1, None)) or None

    def _ids(self, profile_id: int | None) -> list[int]:
        return [each.id for each in self._profiles] if profile_id is None else [profile_id]

    def _means(self, place: int, before: int, profile_id: int | None) -> list[tuple[float, float]]:
        then, means = self._month.before(before), []
        for profile in self._profiles:
            if profile_id in {None, profile.id}:
                now_mean = self._mean(profile, self._month, place, self._last.day)
                then_mean = self._mean(profile, then, place, then.days)
                if now_mean is not None and then_mean is not None:
                    means.append((now_mean, then_mean))
        return means

    def _mean(self, profile: ReportedProfile, month: Month, place: int, length: int) -> float | None:
        former = profile.seam_day is not None and self._last < profile.seam_day
        row = next((row for row in self._rows.get((profile.id, month), ()) if row.former == former), None)
        if row is None or 2 * row.counts[place] < length:
            return None
        return (row.sums[place] or 0) / row.counts[place]


def totals(months: Months, month: Month, last: date, days: Sequence[ClientDay]) -> list[Total]:
    """Return a total for each of `COUNTS`."""
    by_day = {each.day: each.sums for each in days}
    sums, before = months.sums(month), month.before()
    return [
        Total(
            metric=metric,
            sum=sums[place],
            change=months.change(metric, 1),
            year_change=months.change(metric, YEAR),
            days=[_of(by_day, day, place) for day in _days(month.first, last)],
            days_before=[_of(by_day, day, place) for day in _days(before.first, before.last)],
        )
        for place, metric in enumerate(COUNTS)
    ]


def rate(sums: Sequence[int | None]) -> float | None:
    """Return engagements for each impression."""
    impressions, engagements = (sums[COUNTS.index(each)] for each in ("impression", "engagement"))
    return engagements / impressions if impressions and engagements is not None else None


def gaps_within(gaps: Sequence[Gap], first: date, last: date) -> list[Gap]:
    """Return the gaps cut to the days, the longest first; those outside of them are left out."""
    found = []
    for gap in gaps:
        begins, ends = max(gap.first_day, first), min(gap.last_day, last)
        if begins <= ends:
            cut = {"first_day": begins, "last_day": ends, "days": (ends - begins).days + 1}
            found.append(msgspec.structs.replace(gap, **cut))
    return sorted(found, key=lambda gap: (-gap.days, gap.profile, gap.first_day))


def followers_of(rows: Sequence[Followers]) -> tuple[int, int | None] | None:
    """Return how many there are, and how many more than before; the latter only of profiles of which both are known."""
    if all(row.now is None for row in rows):
        return None
    both = [row.now - row.then for row in rows if row.now is not None and row.then is not None]
    return sum(row.now or 0 for row in rows), sum(both) if both else None


def added(numbers: Sequence[int | None]) -> int | None:
    """Return the sum of what is known, None where nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _of(by_day: Mapping[date, list[int | None]], day: date, place: int) -> int | None:
    return by_day[day][place] if day in by_day else None


def _days(first: date, last: date) -> list[date]:
    return [first + number * _DAY for number in range((last - first).days + 1)]
