"""Compares pins by when they went out: which weekdays and hours did better than what is usual for their profile. Pure.

A pin is measured by what it had after a week, so old and young ones compare, and by the mean of its own profile, so a
large profile does not decide for a small one. The logarithm is compared: one pin that the whole world saved weighs no
more than a few. A difference is called one where it is larger than 3.29 standard errors, the spread being that of all
pins: chance alone makes one in a thousand lines so, and a client has some thirty.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from statistics import fmean, stdev
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from collector.store.top_pin import WeekOld

FEWEST: Final = 8
"""Pins of a weekday or an hour, below which nothing is said of it."""

DAYS: Final = 365
"""How far back pins are compared."""

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_STANDARD_ERRORS: Final = 3.29


class Finding(StrEnum):
    """What the pins of a weekday or an hour show."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"
    TOO_FEW = "too_few"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A weekday by name, or an hour as ``09``, with the number of pins behind it.

    ``relative`` is how a typical pin of it did against a typical one of its profile, 1 being the same; None where there
    are too few.
    """

    name: str
    pins: int
    relative: float | None
    finding: Finding


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The weekdays and hours of a zone that have pins, in their order, and how many pins were compared in all."""

    zone: str
    pins: int
    weekdays: list[Slot]
    hours: list[Slot]


def compare_times(pins: Sequence[WeekOld], zone: ZoneInfo) -> Timing:
    """Compare pins by weekday and by hour. Profiles with fewer than ``FEWEST`` pins are left out: nothing is usual."""
    compared = list(_relative(pins))
    weekdays: dict[int, list[float]] = defaultdict(list)
    hours: dict[int, list[float]] = defaultdict(list)
    for published_at, difference in compared:
        local = published_at.astimezone(zone)
        weekdays[local.weekday()].append(difference)
        hours[local.hour].append(difference)
    spread = stdev(difference for _, difference in compared) if compared else 0.0
    return Timing(
        zone=zone.key,
        pins=len(compared),
        weekdays=[_slot(WEEKDAYS[each], weekdays[each], spread) for each in sorted(weekdays)],
        hours=[_slot(f"{each:02d}", hours[each], spread) for each in sorted(hours)],
    )


def _relative(pins: Sequence[WeekOld]) -> Iterable[tuple[datetime, float]]:
    by_profile: dict[int, list[WeekOld]] = defaultdict(list)
    for each in pins:
        by_profile[each.profile_id].append(each)
    for own in by_profile.values():
        if len(own) < FEWEST:
            continue
        sizes = [math.log1p(each.engagement) for each in own]
        usual = fmean(sizes)
        yield from ((each.published_at, size - usual) for each, size in zip(own, sizes, strict=True))


def _slot(name: str, differences: Sequence[float], spread: float) -> Slot:
    pins = len(differences)
    if pins < FEWEST:
        return Slot(name=name, pins=pins, relative=None, finding=Finding.TOO_FEW)
    mean = fmean(differences)
    least = _STANDARD_ERRORS * spread / math.sqrt(pins)
    finding = Finding.NO_DIFFERENCE
    if abs(mean) > least:
        finding = Finding.BETTER if mean > 0 else Finding.WORSE
    return Slot(name=name, pins=pins, relative=math.exp(mean), finding=finding)
