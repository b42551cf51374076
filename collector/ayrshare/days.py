"""Reads the days of an answer; a broken value costs itself, or its day, never the other days.

Pure: no clock, no I/O.
"""

from datetime import date
from functools import lru_cache
from heapq import nlargest
from typing import Any, Final

from collector.ayrshare.dates import EARLIEST, read_day
from collector.ayrshare.numbers import as_json, bounded, has_column, read_numbers
from collector.ayrshare.problems import Problems, UnusableError, shown
from collector.ayrshare.refusal import clean
from collector.models.analytics import DayMetrics, Metrics

_STATUS_KEYS = ("dataStatus", "data_status", "DATA_STATUS")
_BEYOND_BELIEF = frozenset({"not_finite", "overflow"})
_LONGEST_STATUS: Final = 64
# Ayrshare's window is 30 to 90 days.
_MOST_DAYS: Final = 400
_LONGEST_END: Final = 10_000


def read_days(daily: object, latest: date, problems: Problems) -> tuple[DayMetrics, ...]:
    """Return the usable days, ascending; of two with one date the later in the list, ``latest`` the last to believe.

    Of very many they are the newest.
    """
    if not isinstance(daily, list):
        problems.add("no_daily", f"`daily` is {shown(daily)}")
        return ()
    days: dict[date, DayMetrics] = {}
    for item in _newest(daily, latest, problems):
        try:
            read = _believed(item, latest) if type(item) is DayMetrics else _day(item, latest, problems)
        except UnusableError as error:
            problems.add(error.reason, error.detail)
            continue
        day = read.day
        if day in days and days[day] != read:
            problems.add("duplicate_day", day.isoformat())
        days[day] = read
    return tuple(map(days.__getitem__, sorted(days)))


def _newest(daily: list[Any], latest: date, problems: Problems) -> list[Any]:
    if len(daily) <= _MOST_DAYS:
        return daily
    problems.add("too_many_days", str(len(daily)))
    # A list in order has its newest days at one of its ends.
    ends = daily if len(daily) <= 2 * _LONGEST_END else [*daily[:_LONGEST_END], *daily[-_LONGEST_END:]]
    last = latest.isoformat()

    def rank(index: int) -> str:
        item = ends[index]
        text = item.get("date") if isinstance(item, dict) else item.day.isoformat() if type(item) is DayMetrics else ""
        return text[: len(last)] if isinstance(text, str) and text[: len(last)] <= last else ""

    return [ends[index] for index in sorted(nlargest(_MOST_DAYS, range(len(ends)), rank))]


def _believed(day: DayMetrics, latest: date) -> DayMetrics:
    if not EARLIEST <= day.day <= latest:
        raise UnusableError("absurd_date", day.day.isoformat())
    return day


def _day(item: object, latest: date, problems: Problems) -> DayMetrics:
    """Read a day value by value. Raises: UnusableError when all of it has to be left out."""
    if not isinstance(item, dict):
        raise UnusableError("bad_day", shown(item))
    day = read_day(item.get("date"), latest)
    status = _data_status(item, day, problems)
    if status is not None and _means_no_number(status):
        return DayMetrics(day, status)
    values = item.get("metrics")
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UnusableError("bad_day", f"{day} metrics: {shown(values)}")
    values = bounded(values, day, problems)
    numbers = read_numbers(values)
    for key, reason in numbers.unusable.items():
        detail = f"{day} {key}: {shown(values[key])}"
        if reason in _BEYOND_BELIEF and has_column(key):
            raise UnusableError(reason, detail)
        problems.add(reason, detail)
    if not numbers.columns and not numbers.extra:
        # Stored, it would blank out the numbers that an earlier read of this day brought.
        raise UnusableError("empty_day", day.isoformat())
    return DayMetrics(day, status, as_json(numbers.extra, day, problems), Metrics(**numbers.columns))


def _data_status(item: dict[str, Any], day: date, problems: Problems) -> str | None:
    for key in _STATUS_KEYS:
        value = item.get(key)
        if isinstance(value, str):
            return _spell_status(value[: 2 * _LONGEST_STATUS])
        if value is not None:
            problems.add("bad_status", f"{day} {key}: {shown(value)}")
    return None


@lru_cache(maxsize=256)
def _spell_status(value: str) -> str | None:
    return clean(value.strip().upper(), _LONGEST_STATUS) or None


def _means_no_number(status: str) -> bool:
    return status.startswith("BEFORE_") or status == "IN_BAD_TAG_DATE" or status.endswith("_SMALLER_THAN_THRESHOLD")
