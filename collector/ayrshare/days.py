"""The days of an answer, whatever they look like: a broken number costs itself, or its day, never the others.

Pure: no clock, no I/O.
"""

from datetime import date
from functools import lru_cache
from typing import Any, Final

from collector.ayrshare.metrics import as_json, metric_name, place
from collector.ayrshare.problems import Problems, UnusableError, shown
from collector.ayrshare.refusal import clean
from collector.ayrshare.value import iso_day
from collector.models import DayMetrics, Metrics

_STATUS_KEYS = ("dataStatus", "data_status", "DATA_STATUS")
_LOSES_THE_DAY = frozenset({"not_finite", "overflow"})
_LONGEST_STATUS: Final = 64


def read_days(daily: object, latest: date, problems: Problems) -> tuple[DayMetrics, ...]:
    """Return the usable days, ascending; of two with one date the later in the list, ``latest`` the last to believe."""
    if not isinstance(daily, list):
        problems.add("no_daily", f"`daily` is {shown(daily)}")
        return ()
    days: dict[date, DayMetrics] = {}
    for item in daily:
        try:
            read = _day(item, latest, problems)
        except UnusableError as error:
            problems.add(error.reason, error.detail)
            continue
        former = days.get(read.day)
        if former is not None and former != read:
            problems.add("duplicate_day", read.day.isoformat())
        days[read.day] = read
    return tuple([days[day] for day in sorted(days)])


def _day(item: object, latest: date, problems: Problems) -> DayMetrics:
    """Read a day. Raises: UnusableError when the day as a whole has to be left out."""
    if not isinstance(item, dict):
        raise UnusableError("bad_day", shown(item))
    day = iso_day(item.get("date"), latest)
    status = _data_status(item, day, problems)
    if status is not None and _means_no_number(status):
        return DayMetrics(day=day, data_status=status)
    metrics = item.get("metrics")
    if metrics is None:
        metrics = {}
    if not isinstance(metrics, dict):
        raise UnusableError("bad_day", f"{day} metrics: {shown(metrics)}")
    columns, extra = _numbers(day, metrics, problems)
    if not columns and not extra:
        # Stored, it would blank out the numbers that an earlier read of this day brought.
        raise UnusableError("empty_day", day.isoformat())
    return DayMetrics(day=day, data_status=status, extra=as_json(extra, day, problems), metrics=Metrics(**columns))


def _numbers(day: date, metrics: dict[str, Any], problems: Problems) -> tuple[dict[str, Any], dict[str, int | float]]:
    columns: dict[str, Any] = {}
    extra: dict[str, int | float] = {}
    for key, value in metrics.items():
        try:
            place(metric_name(key), value, columns, extra)
        except UnusableError as error:
            detail = f"{day} {key}: {shown(value)}"
            if error.reason in _LOSES_THE_DAY:
                raise UnusableError(error.reason, detail) from None
            problems.add(error.reason, detail)
    return columns, extra


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


@lru_cache(maxsize=256)
def _means_no_number(status: str) -> bool:
    return status.startswith("BEFORE_") or status == "IN_BAD_TAG_DATE" or status.endswith("_SMALLER_THAN_THRESHOLD")
