"""One value of an answer: a count, a rate, another number, a day.

Pure: no clock, no I/O. What cannot be used raises ``UnusableError`` with the reason of its Problem.
"""

import math
import re
from datetime import date
from typing import Final, TypeGuard

from collector.ayrshare.problems import UnusableError, shown

BIGINT_MAX: Final = 2**63 - 1
LARGEST: Final = 1e300
EXACT_IN_FLOAT: Final = 2**53
EARLIEST = date(2010, 1, 1)

_ISO_DAY_LENGTH: Final = 10
_LONGEST_NUMBER: Final = 400
_NUMERAL = re.compile(r"\s*([+-]?(?:([0-9]+)|[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")


def count(value: object) -> int | None:
    if type(value) is int and 0 <= value <= BIGINT_MAX:
        return value
    number = _number(value)
    if number is None:
        return None
    if number < 0:
        raise UnusableError("negative")
    if number > BIGINT_MAX:
        raise UnusableError("overflow")
    if int(number) != number:
        raise UnusableError("not_whole")
    return int(number)


def rate(value: object) -> float | None:
    if type(value) is float and 0 <= value <= LARGEST:
        return value
    number = _number(value)
    if number is None:
        return None
    if number < 0:
        raise UnusableError("negative")
    if number > LARGEST:
        raise UnusableError("overflow")
    return float(number)


def other_number(value: object) -> int | float | None:
    """Read a number whose meaning is unknown: it may be negative, and 5.0 becomes 5 so that it compares equal."""
    if type(value) is int and 0 <= value <= BIGINT_MAX:
        return value
    number = _number(value)
    if isinstance(number, float):
        if abs(number) > LARGEST:
            raise UnusableError("overflow")
        return int(number) if number.is_integer() and abs(number) < EXACT_IN_FLOAT else number
    if number is not None and not -BIGINT_MAX - 1 <= number <= BIGINT_MAX:
        raise UnusableError("overflow")
    return number


def is_number(value: object) -> TypeGuard[int | float]:
    # Exact types: JSON has no others, and a bool is an int to isinstance.
    return type(value) is int or type(value) is float


def iso_day(value: object, latest: date) -> date:
    if not isinstance(value, str):
        raise UnusableError("bad_date", shown(value))
    text = value
    if len(value) > _ISO_DAY_LENGTH and value[_ISO_DAY_LENGTH] in "T ":
        text = value[:_ISO_DAY_LENGTH]
    # fromisoformat also takes week dates and 20210928.
    if len(text) != _ISO_DAY_LENGTH or text[7] != "-":
        raise UnusableError("bad_date", shown(value))
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UnusableError("bad_date", shown(value)) from None
    if not EARLIEST <= day <= latest:
        raise UnusableError("absurd_date", text)
    return day


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
    match = _NUMERAL.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        raise UnusableError("not_a_number")
    number, digits = match.groups()
    return int(number) if digits and number.lstrip("+-") == digits else float(number)
