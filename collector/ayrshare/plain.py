"""Decodes analytics whose days hold nothing odd, in one step and straight into models.

Pure: no clock, no I/O. What metrics the days have besides the nine is learnt from the first of them.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from collector.ayrshare.numbers import BIGINT_MAX, COLUMNS, EXACT_IN_FLOAT, LARGEST, MOST_COUNT, MOST_EXTRA, metric_of
from collector.models.analytics import DayMetrics, Metrics

_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]
_Rate = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
_Other = _Count | Annotated[float, msgspec.Meta(ge=0, lt=EXACT_IN_FLOAT)] | UnsetType
_NINE: Final = {name.upper(): _Rate if name.endswith("_rate") else _Count for name in COLUMNS}

# 400 days with every metric of an account with video; what is longer is read with more care.
_LONGEST: Final = 512 * 1024

_FIRST_METRICS = re.compile(rb'"metrics"\s*:\s*\{([^{}]*)\}')
_KEY = re.compile(rb'"(\w+)"\s*:')
# 5.0 has to compare equal to 5.
_WHOLE_FLOAT = re.compile(r"\.0(?=[,}])")
_ENCODER = msgspec.json.Encoder()


class _Shape(msgspec.Struct, frozen=True):
    """The decoder of analytics whose days have certain metrics, and a struct of those that have no column."""

    decoder: msgspec.json.Decoder[dict[str, Any]]
    others: type[msgspec.Struct]


def decode_plain(analytics: msgspec.Raw) -> dict[str, Any] | None:
    """Decode an object whose ``daily`` comes out as a list of :class:`DayMetrics`; None if it is not all plain."""
    first = _FIRST_METRICS.search(analytics) if len(analytics) <= _LONGEST else None
    shape = _shape(frozenset(_KEY.findall(first[1]))) if first else None
    if shape is None:
        return None
    try:
        decoded = shape.decoder.decode(analytics)
    except (ValueError, RecursionError):
        return None
    daily = decoded.get("daily")
    if not isinstance(daily, list):
        return None
    numbers = [astuple(day.metrics) for day in daily]
    extras = _extras([shape.others(*each[len(COLUMNS) :]) for each in numbers])
    if extras is None:
        return None
    decoded["daily"] = [
        DayMetrics(day.date, day.dataStatus, extra, Metrics(*each[: len(COLUMNS)]))
        for day, extra, each in zip(daily, extras, numbers, strict=True)
    ]
    return decoded


@lru_cache(maxsize=256)
def _shape(keys: frozenset[bytes]) -> _Shape | None:
    """Return None where the keys are not nine columns as they are usually spelled, and others of unlike names."""
    if len(keys) > len(_NINE) + MOST_EXTRA:
        return None
    others = {metric_of(key)[0]: key for each in keys if (key := each.decode()) not in _NINE}
    if len(others) != len(keys) - len(_NINE) or not others.keys().isdisjoint({*COLUMNS, ""}):
        return None
    names = sorted(others)
    spelled = [*_NINE, *(others[name] for name in names)]
    fields = [f"_{number}" for number in range(len(spelled))]
    metrics = msgspec.defstruct(
        "_Metrics",
        [*zip(fields, _NINE.values(), strict=False), *((field, _Other, UNSET) for field in fields[len(_NINE) :])],
        rename=dict(zip(fields, spelled, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    day = msgspec.defstruct(
        "_Day",
        [
            ("date", date),
            ("metrics", metrics),
            ("dataStatus", Literal["READY", "PROCESSING", "ESTIMATE"] | None, None),
            *((other, None, None) for other in ("data_status", "DATA_STATUS")),
        ],
        gc=False,
    )
    # A list in place of anything but the days is odd, and so are numbers that no column could hold.
    value = Annotated[int, msgspec.Meta(ge=-BIGINT_MAX - 1, le=BIGINT_MAX)] | float | str | bool | dict[str, Any] | None
    return _Shape(
        msgspec.json.Decoder(dict[str, value | list[day]]),  # type: ignore[valid-type]  # the struct is made above
        msgspec.defstruct(
            "_Others",
            [(field, _Other, UNSET) for field in fields[len(_NINE) :]],
            rename=dict(zip(fields[len(_NINE) :], names, strict=True)),
            gc=False,
        ),
    )


def _extras(others: list[msgspec.Struct]) -> list[str | None] | None:
    text = _ENCODER.encode_lines(others).decode()
    if "-" in text:  # -0.0, or a number so small that it is written like 1e-7
        return None
    return [None if extra == "{}" else extra for extra in _WHOLE_FLOAT.sub("", text).splitlines()]
