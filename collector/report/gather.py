"""Reads the contents of reports, of many clients with a few statements."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import dropwhile
from typing import TypeVar

import msgspec

from collector.errors import ConfigurationError
from collector.models.gap import Gap
from collector.report.contents import (
    YEAR,
    Contents,
    Months,
    ProfileLine,
    Quality,
    followers_of,
    gaps_within,
    rate,
    totals,
)
from collector.report.month import Month
from collector.store.overview import COUNTS
from collector.store.report import (
    BestPin,
    ClientDay,
    Followers,
    MonthSums,
    PublishedDay,
    ReportedDrop,
    ReportedProfile,
    ReportStore,
)

# So many are shown of a client.
_BEST_PINS = 5

_Key = TypeVar("_Key", bound=Hashable)
_Row = TypeVar("_Row")


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, by client or by profile."""

    month: Month
    last: date
    profiles: dict[str, list[ReportedProfile]]
    months: dict[int, list[MonthSums]]
    days: dict[str, list[ClientDay]]
    drops: dict[str, list[ReportedDrop]]
    fleet_drops: list[tuple[date, date]]
    pins: dict[str, list[PublishedDay]]
    best_pins: dict[str, list[BestPin]]
    followers: dict[int, list[Followers]]
    gaps: dict[str, list[Gap]]


async def gather(
    store: ReportStore, clients: Sequence[str], month: Month, gaps: Iterable[Gap], today: date
) -> list[Contents]:
    """Return the month of each client that has profiles; ``gaps`` may be those of more clients.

    Raises:
        ConfigurationError: the month has not begun.
    """
    if month.first >= today:
        raise ConfigurationError([f"month: {month} has no day that is over"])
    last = min(month.last, today - timedelta(days=1))
    profiles = await store.profiles(clients)
    ids = [each.id for each in profiles]
    days = (ids, month.first, last)
    found = _Found(
        month=month,
        last=last,
        profiles=_by(profiles, lambda each: each.client),
        months=_by(await store.months(ids, month.before(YEAR).first, last), lambda each: each.profile_id),
        days=_by(await store.days(ids, month.before().first, last), lambda each: each.client),
        drops=_by(await store.drops(*days), lambda each: each.client),
        fleet_drops=await store.fleet_drops(month.first, last),
        pins=_by(await store.pins(*days), lambda each: each.client),
        best_pins=_by(await store.best_pins(*days, _BEST_PINS), lambda each: each.client),
        followers=_by(await store.followers(*days), lambda each: each.profile_id),
        gaps=_by(gaps, lambda each: each.client),
    )
    return [_contents(found, client) for client in clients if client in found.profiles]


def _contents(found: _Found, client: str) -> Contents:
    month, last, profiles = found.month, found.last, found.profiles[client]
    months = Months(month, last, profiles, [row for each in profiles for row in found.months.get(each.id, ())])
    counted, provisional, imported = months.counted(month)
    days = found.days.get(client, [])
    return Contents(
        client=client,
        month=month,
        last=last,
        totals=totals(months, month, last, days),
        rates=(rate(months.sums(month)), rate(months.sums(month.before()))),
        profiles=_lines(months, month, profiles),
        months=list(dropwhile(lambda each: each[1] is None, _engagements(months, month))),
        provisional_days=frozenset(each.day for each in days if each.provisional),
        drops=found.drops.get(client, []),
        fleet_drops=found.fleet_drops,
        pins={each.day: each.pins for each in found.pins.get(client, ())},
        best_pins=found.best_pins.get(client, []),
        followers=followers_of([row for each in profiles for row in found.followers.get(each.id, ())]),
        quality=Quality(
            profiles=len(profiles),
            days=counted,
            provisional=provisional,
            imported=imported,
            gaps=gaps_within(found.gaps.get(client, ()), month.first, last),
            compared=months.compared(),
        ),
    )


def _engagements(months: Months, month: Month) -> Iterator[tuple[Month, int | None]]:
    for each in map(month.before, range(YEAR, -1, -1)):
        known = each == month or months.whole(each)
        yield each, months.sums(each)[COUNTS.index("engagement")] if known else None


def _lines(months: Months, month: Month, profiles: Sequence[ReportedProfile]) -> list[ProfileLine]:
    """Return a line a profile, those with the most engagements first."""
    lines = [
        ProfileLine(each.name, months.sums(month, each.id), months.change("engagement", 1, each.id))
        for each in profiles
    ]
    engagement = COUNTS.index("engagement")
    return sorted(lines, key=lambda line: (-(line.sums[engagement] or 0), line.name))


def _by(rows: Iterable[_Row], key: Callable[[_Row], _Key]) -> dict[_Key, list[_Row]]:
    found: dict[_Key, list[_Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)
