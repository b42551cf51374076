"""One metric of an answer under its one name: a number of a column, or a number kept without one.

Pure: no clock, no I/O.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec

from collector.ayrshare.problems import Problems, UnusableError
from collector.ayrshare.value import count, other_number, rate

_COUNT_COLUMNS = ("impression", "engagement", "save", "pin_click", "outbound_click")
_RATE_COLUMNS = ("engagement_rate", "save_rate", "pin_click_rate", "outbound_click_rate")
_MOST_EXTRA: Final = 100
_LONGEST_KEY: Final = 64

# video10sView, quartile95PercentView, videoV50WatchTime: digits start a word after a word, not after a lone letter.
_WORD_STARTS = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[0-9])")
_SEPARATORS = re.compile(r"[\W_]+")

READERS: dict[str, Callable[[object], int | float | None]] = {
    **dict.fromkeys(_COUNT_COLUMNS, count),
    **dict.fromkeys(_RATE_COLUMNS, rate),
}


def metric_name(key: str) -> str:
    """Spell a metric as its column would be; a key that is too long becomes the empty, unusable name."""
    return _snake(key) if len(key) <= _LONGEST_KEY else ""


def place(name: str, value: object, columns: dict[str, Any], extra: dict[str, int | float]) -> None:
    reader = READERS.get(name)
    if reader is None:
        place_extra(name, value, extra)
    elif (number := reader(value)) is not None:
        columns[name] = number


def place_extra(name: str, value: object, extra: dict[str, int | float]) -> None:
    number = other_number(value)
    if not 0 < len(name) <= _LONGEST_KEY:
        raise UnusableError("bad_key")
    if number is not None:
        extra[name] = number


def as_json(extra: dict[str, int | float], where: date | str, problems: Problems) -> str | None:
    if not extra:
        return None
    if len(extra) > _MOST_EXTRA:
        problems.add("too_many_keys", f"{where}: {len(extra)}")
        extra = {name: extra[name] for name in sorted(extra)[:_MOST_EXTRA]}
    return msgspec.json.encode(extra, order="sorted").decode()


@lru_cache(maxsize=1024)
def _snake(key: str) -> str:
    words = key if "_" in key or key.isupper() else _WORD_STARTS.sub("_", key)
    return _SEPARATORS.sub("_", words).strip("_").lower()
