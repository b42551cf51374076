"""Reads ``POST /analytics/post``: the totals of one pin.

Pure: no clock, no I/O. A number that cannot be used is left out and named in ``problems``.
"""

from typing import Any

import msgspec

from collector.ayrshare.numbers import as_json, bounded, has_column, is_number, read_numbers
from collector.ayrshare.problems import Problems, shown
from collector.ayrshare.refusal import decode, failure, unreadable
from collector.errors import AyrshareError
from collector.models.analytics import Problem
from collector.models.result import PinNumbers

_COUNTS = frozenset(PinNumbers.__struct_fields__) - {"extra"}
_WHERE = "pin"


class PinAnswer(msgspec.Struct, frozen=True):
    """The numbers of an answer, and what was left out of it."""

    numbers: PinNumbers
    problems: tuple[Problem, ...]


def pin_numbers_body(*, ayrshare_id: str | None, pinterest_pin_id: str | None) -> bytes:
    """Return the body that asks about a pin by Ayrshare's id of it or, where there is none, by Pinterest's."""
    body: dict[str, object] = {"id": ayrshare_id or pinterest_pin_id, "platforms": ["pinterest"]}
    return msgspec.json.encode(body if ayrshare_id else body | {"searchPlatformId": True})


def parse_pin_numbers(
    http_status: int,
    body: bytes,
    *,
    ayrshare_id: str | None,
    pinterest_pin_id: str | None,
    retry_after: str | None = None,
) -> PinAnswer:
    """Read the answer about the pin of these ids.

    Raises:
        AyrshareError: the call failed, or the answer has no numbers at all, or those of another pin.
    """
    error = failure(http_status, body, retry_after=retry_after)
    if error is not None:
        raise error
    payload = decode(body)
    block = payload.get("pinterest") if isinstance(payload, dict) else None
    analytics = block.get("analytics") if isinstance(block, dict) else None
    if not isinstance(payload, dict) or not isinstance(block, dict) or not isinstance(analytics, dict):
        raise unreadable(body, "the answer has no object `analytics` in `pinterest`")
    for told, asked in ((block.get("id"), pinterest_pin_id), (payload.get("id"), ayrshare_id)):
        if told is not None and asked is not None and (str(told) if type(told) is int else told) != asked:
            raise _of_another(body, told)
    return read_totals(analytics)


def _of_another(body: bytes, told: object) -> AyrshareError:
    return unreadable(body, f"the answer is about another pin: {shown(told)}")


def read_totals(analytics: dict[str, Any]) -> PinAnswer:
    """Return the totals of a pin, whatever they are called, and what was left out of them."""
    problems = Problems()
    told = {
        key: value for key, value in bounded(analytics, _WHERE, problems).items() if is_number(value) or has_column(key)
    }
    numbers = read_numbers(told)
    for key, reason in numbers.unusable.items():
        problems.add(reason, f"{_WHERE} {key}: {shown(told[key])}")
    counts = {name: value for name, value in numbers.columns.items() if name in _COUNTS}
    # Rates, and an engagement that Ayrshare sums by itself, have no column here.
    others = numbers.extra | {name: value for name, value in numbers.columns.items() if name not in _COUNTS}
    extra = as_json(others, _WHERE, problems)
    return PinAnswer(PinNumbers(**counts, extra=extra), problems.listed())
