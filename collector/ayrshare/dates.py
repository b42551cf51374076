"""Reads the dates of an answer, those of days and Ayrshare's stamps; nothing absurd comes through.

Pure: no clock, no I/O.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from collector.ayrshare.problems import Problems, UnusableError, shown

EARLIEST = date(2010, 1, 1)
_STAMP_YEARS: Final = range(EARLIEST.year, 2100)
_ISO_DAY_LENGTH: Final = 10
_LONGEST_STAMP: Final = 40


def read_day(value: object, latest: date) -> date:
    """Read an ISO day, or the day of a stamp, from 2010 to ``latest``.

    Raises: UnusableError.
    """
    if not isinstance(value, str) or len(value) > _LONGEST_STAMP:
        raise UnusableError("bad_date", shown(value))
    return _day(value, latest)


def read_stamp(key: str, values: Iterable[object], problems: Problems) -> datetime | None:
    """Return the first of the values that is a stamp; one without an offset is UTC."""
    for value in values:
        if value is None:
            continue
        stamp = utc(value)
        if stamp is not None:
            return stamp
        problems.add("bad_stamp", f"{key}: {shown(value)}")
    return None


def utc(value: object) -> datetime | None:
    """Read a stamp of this century; anything else is None."""
    if not isinstance(value, str):
        return None
    try:
        stamp = datetime.fromisoformat(value)
        stamp = stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return stamp if stamp.year in _STAMP_YEARS else None


@lru_cache(maxsize=1024)
def _day(text: str, latest: date) -> date:
    iso = text[:_ISO_DAY_LENGTH] if text[_ISO_DAY_LENGTH : _ISO_DAY_LENGTH + 1] in {"T", " "} else text
    # fromisoformat also takes week dates and 20210928.
    if len(iso) != _ISO_DAY_LENGTH or iso[7] != "-":
        raise UnusableError("bad_date", shown(text))
    try:
        day = date.fromisoformat(iso)
    except ValueError:
        raise UnusableError("bad_date", shown(text)) from None
    if not EARLIEST <= day <= latest:
        raise UnusableError("absurd_date", iso)
    return day
