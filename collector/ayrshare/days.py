"""Reads the days of an answer; a broken value costs itself, or its day, never the other days.

Pure: no clock, no I/O.
"""

from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import astuple, replace

from collector.ayrshare.dates import EARLIEST, read_day
from collector.ayrshare.numbers import BIGINT_MAX, COLUMNS, LARGEST, as_json, has_column, read_numbers
from collector.ayrshare.problems import Problems, UnusableError, shown
from collector.ayrshare.refusal import clean
from collector.models import DayMetrics, Metrics

_STATUS_KEYS = ("dataStatus", "data_status", "DATA_STATUS")
_BEYOND_BELIEF = frozenset({"not_finite", "overflow"})
_LONGEST_STATUS: Final = 64
_NO_METRICS = Metrics()

_Count = Annotated[int, msgspec.Meta(ge=0, le=BIGINT_MAX)]
_Rate = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
_NinePlainNumbers = msgspec.defstruct(
    "_NinePlainNumbers",
    [(name, _Rate if name.endswith("_rate") else _Count) for name in COLUMNS],
    rename="upper",
    gc=False,
)
_NINE_KEYS = frozenset(_NinePlainNumbers.__struct_encode_fields__)


class _PlainDay(msgspec.Struct, gc=False):
    """A day as nearly all are: nothing about its date, its status and its nine metrics is odd, whatever else it has."""

    date: date
    metrics: _NinePlainNumbers  # type: ignore[valid-type]  # made above
    dataStatus: Literal["READY", "PROCESSING", "ESTIMATE"] | None = None  # noqa: N815 -- Ayrshare's spelling
    data_status: None = None
    DATA_STATUS: None = None


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
        day = read.day
        if day in days and days[day] != read:
            problems.add("duplicate_day", day.isoformat())
        days[day] = read
    return tuple(map(days.__getitem__, sorted(days)))


def _day(item: Any, latest: date, problems: Problems) -> DayMetrics:  # noqa: ANN401 -- as decoded
    """Read a day, the plain part of it in one step. Raises: UnusableError when all of it has to be left out."""
    try:
        plain = msgspec.convert(item, _PlainDay)
    except ValueError:  # a msgspec.ValidationError; of a lone surrogate, a UnicodeEncodeError
        return _odd_day(item, latest, problems)
    if not EARLIEST <= plain.date <= latest:
        raise UnusableError("absurd_date", plain.date.isoformat())
    day = DayMetrics(plain.date, plain.dataStatus, None, Metrics(*astuple(plain.metrics)))
    if len(item["metrics"]) == len(COLUMNS):
        return day
    others = {key: value for key, value in item["metrics"].items() if key not in _NINE_KEYS}
    return _with_numbers(day, others, problems)


def _odd_day(item: object, latest: date, problems: Problems) -> DayMetrics:
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
    read = _with_numbers(DayMetrics(day, status), values, problems)
    if read.extra is None and read.metrics == _NO_METRICS:
        # Stored, it would blank out the numbers that an earlier read of this day brought.
        raise UnusableError("empty_day", day.isoformat())
    return read


def _with_numbers(day: DayMetrics, values: dict[str, Any], problems: Problems) -> DayMetrics:
    """Add the numbers of ``values``. Raises: UnusableError when one that has a column is beyond belief."""
    numbers = read_numbers(values)
    for key, reason in numbers.unusable.items():
        detail = f"{day.day} {key}: {shown(values[key])}"
        if reason in _BEYOND_BELIEF and has_column(key):
            raise UnusableError(reason, detail)
        problems.add(reason, detail)
    metrics = replace(day.metrics, **numbers.columns) if numbers.columns else day.metrics
    return DayMetrics(day.day, day.data_status, as_json(numbers.extra, day.day, problems), metrics)


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
