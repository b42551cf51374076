"""Reads the numbers of an answer, each under the name of its column, or of its own where it has none.

Pure: no clock, no I/O.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Final, TypeGuard

import msgspec

from collector.ayrshare.problems import Problems, UnusableError
from collector.models.analytics import Metrics

BIGINT_MAX: Final = 2**63 - 1
# More than was ever counted of anything there; sums of millions of such numbers are still a bigint.
MOST_COUNT: Final = 10**12
LARGEST: Final = 1e300
EXACT_IN_FLOAT: Final = 2**53
_LONGEST_NUMERAL: Final = 400
_LONGEST_KEY: Final = 64
MOST_EXTRA: Final = 100
_MOST_KEYS: Final = 500

_NUMERAL = re.compile(r"\s*([+-]?(?:([0-9]+)|[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
# Half of the world writes twelve thousand as 12.000.
_THOUSANDS = re.compile(r"\s*[+-]?[0-9]{1,3}\.[0-9]{3}\s*")
# video10sView, quartile95PercentView, videoV50WatchTime: digits start a word after a word, not after a lone letter.
_WORD_STARTS = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[0-9])")
_SEPARATORS = re.compile(r"[\W_]+")

COLUMNS: Final = Metrics.__struct_fields__
_USUAL: Final = [name.upper() for name in COLUMNS] + [
    re.sub("_(.)", lambda match: match[1].upper(), name) for name in COLUMNS
]
# Returns None for "no number"; raises UnusableError with the reason of a Problem.
Reader = Callable[[object], int | float | None]
# The name of a metric, the type of its usual values, and what reads the others.
Metric = tuple[str, type[Any], Reader]


class Numbers(msgspec.Struct, gc=False):
    """The numbers of columns, the others by name, and the reason why the value of a key is in neither."""

    columns: dict[str, Any]
    extra: dict[str, int | float]
    unusable: dict[str, str]


@lru_cache(maxsize=1024)
def metric_of(key: str) -> Metric:
    """Return what is known of a metric in whatever spelling."""
    words = key if "_" in key or key.isupper() else _WORD_STARTS.sub("_", key)
    name = _SEPARATORS.sub("_", words).strip("_").lower() if len(key) <= _LONGEST_KEY else ""
    if name in COLUMNS:
        return (name, float, _rate) if name.endswith("_rate") else (name, int, count)
    return _without_column(name)


def read_numbers(values: dict[str, Any], metric: Callable[[str], Metric] = metric_of) -> Numbers:
    """Read a number of each value; ``metric`` tells what is known of a key."""
    numbers = Numbers({}, {}, {})
    columns, extra = numbers.columns, numbers.extra
    for key, value in values.items():
        # A key that was cut still is too long for a name.
        name, usual, reader = metric(key[: _LONGEST_KEY + 1])
        if type(value) is usual and 0 <= value <= MOST_COUNT:
            number = value
        else:
            try:
                number = reader(value)
            except UnusableError as error:
                numbers.unusable[key] = error.reason
                continue
        if number is None:
            continue
        target = extra if reader is _other_number else columns
        if target.setdefault(name, number) != number:
            # Under another spelling, and nobody can tell which is right.
            numbers.unusable[key] = "two_values"
    return numbers


def bounded(values: dict[str, Any], where: object, problems: Problems) -> dict[str, Any]:
    """Return the values, or of very many only the nine metrics and the first others."""
    if len(values) <= _MOST_KEYS:
        return values
    problems.add("too_many_keys", f"{where}: {len(values)}")
    nine = [key for key in _USUAL if key in values]
    return {key: values[key] for key in chain(nine, islice(values, _MOST_KEYS))}


def has_column(key: str) -> bool:
    return metric_of(key[: _LONGEST_KEY + 1])[0] in COLUMNS


def metric_within(parent: str, key: str) -> Metric:
    """Return what is known of a member of an object: it has no column, and its parent's name before its own."""
    (outer, *_), (name, *_) = metric_of(parent[: _LONGEST_KEY + 1]), metric_of(key)
    return _without_column(f"{outer}_{name}" if outer and name else "")


def as_json(extra: dict[str, int | float], where: object, problems: Problems) -> str | None:
    if not extra:
        return None
    if len(extra) > MOST_EXTRA:
        problems.add("too_many_keys", f"{where}: {len(extra)}")
        extra = {name: extra[name] for name in sorted(extra)[:MOST_EXTRA]}
    return msgspec.json.encode(extra, order="sorted").decode()


def count(value: object) -> int | None:
    if isinstance(value, str) and _THOUSANDS.fullmatch(value):
        raise UnusableError("not_a_number")
    number = _number(value)
    if number is None:
        return None
    if number < 0:
        raise UnusableError("negative")
    if number > MOST_COUNT:
        raise UnusableError("overflow")
    if int(number) != number:
        raise UnusableError("not_whole")
    return int(number)


def is_number(value: object) -> TypeGuard[int | float]:
    # Exact types: JSON has no others, and a bool is an int to isinstance.
    return type(value) is int or type(value) is float


def _rate(value: object) -> float | None:
    number = _number(value)
    if number is None:
        return None
    if number < 0:
        raise UnusableError("negative")
    if number > LARGEST:
        raise UnusableError("overflow")
    return float(number)


def _other_number(value: object) -> int | float | None:
    """Read a number whose meaning is unknown: it may be negative, and 5.0 becomes 5 so that it compares equal."""
    number = _number(value)
    if isinstance(number, float):
        if abs(number) > LARGEST:
            raise UnusableError("overflow")
        return int(number) if number.is_integer() and abs(number) < EXACT_IN_FLOAT else number
    if number is not None and not -BIGINT_MAX - 1 <= number <= BIGINT_MAX:
        raise UnusableError("overflow")
    return number


def _nameless(value: object) -> None:
    _other_number(value)
    raise UnusableError("bad_key")


def _without_column(name: str) -> Metric:
    return (name, int, _other_number) if 0 < len(name) <= _LONGEST_KEY else ("", object, _nameless)


def _number(value: object) -> int | float | None:
    """Read a finite number; None stands for Ayrshare's two ways to say "not computed", null and -1."""
    if isinstance(value, str):
        value = _numeral(value)
    if not is_number(value):
        if value is None:
            return None
        raise UnusableError("not_a_number")
    if value == -1:
        return None
    if type(value) is float and not math.isfinite(value):
        raise UnusableError("not_finite")
    return value


def _numeral(text: str) -> int | float:
    match = _NUMERAL.fullmatch(text) if len(text) <= _LONGEST_NUMERAL else None
    if match is None:
        raise UnusableError("not_a_number")
    number, digits = match.groups()
    return int(number) if digits and number.lstrip("+-") == digits else float(number)
