"""Tells what changed from one version of a day to the next. Pure: no clock, no I/O."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import msgspec

from collector.models.analytics import Metrics
from collector.store.timeline import DayVersion


class Difference(msgspec.Struct, frozen=True):
    """A number, or the status, before and after; None is "not there"."""

    name: str
    before: float | str | None
    after: float | str | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A version, how old the day was when it came, and what is different from the version before; all, of the first."""

    version: DayVersion
    age_days: int
    differences: list[Difference]


def steps(day: date, versions: Sequence[DayVersion]) -> list[Step]:
    """Return the versions of a day, the oldest first, each with what it changed."""
    return [
        Step(
            version=each,
            age_days=(each.observed_at.date() - day).days,
            differences=list(_differences(versions[number - 1] if number else None, each)),
        )
        for number, each in enumerate(versions)
    ]


def _differences(former: DayVersion | None, now: DayVersion) -> Iterator[Difference]:
    before = _values(former) if former is not None else {}
    after = _values(now)
    for name in dict.fromkeys((*after, *before)):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))


def _values(version: DayVersion) -> dict[str, Any]:
    extra = msgspec.json.decode(version.extra) if version.extra else {}
    return {
        **{name: getattr(version, name) for name in Metrics.__struct_fields__},
        "data_status": version.data_status,
        **extra,
    }
