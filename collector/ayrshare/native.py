"""Reads ``GET /history/pinterest``: an account's pins as Pinterest has them, whoever made them.

Pure: no clock, no I/O. The answer's shape is not confirmed, so every likely one is taken.
"""

from collections.abc import Iterator
from typing import Any, Final

from collector.ayrshare.dates import utc
from collector.ayrshare.pin_numbers import read_totals
from collector.ayrshare.refusal import clean, decode, failure, unreadable
from collector.models.analytics import Problem
from collector.models.history import NativePin, NativePins
from collector.models.result import PinNumbers

_LISTS: Final = ("history", "posts", "pins", "pinterest", "items", "data")
_IDS: Final = ("id", "pinId", "postId")
_TIMES: Final = ("created", "createdAt", "created_at", "publishedAt")
_DESCRIPTIONS: Final = ("description", "post", "message", "text")
_URLS: Final = ("postUrl", "url", "permalink")
_CURSORS: Final = ("nextCursor", "cursor", "bookmark", "next")
_ANALYTICS: Final = ("analytics", "metrics", "pinMetrics", "pin_metrics")
_LONGEST_TEXT: Final = 2048


def parse_native_pins(http_status: int, body: bytes, *, retry_after: str | None = None) -> NativePins:
    """Read a page of pins; those without a time are left out.

    Raises:
        AyrshareError: the call failed, or there is no list in the answer.

    """
    error = failure(http_status, body, retry_after=retry_after)
    if error is not None:
        raise error
    payload = decode(body)
    rows = next(_lists(payload), None)
    if rows is None:
        raise unreadable(body, "the answer has no list of pins")
    pins: list[NativePin] = []
    problems: list[Problem] = []
    for row in rows:
        totals = read_totals(_analytics(row)) if isinstance(row, dict) else None
        if totals is not None and (pin := _pin(row, totals.numbers)) is not None:
            pins.append(pin)
            problems += totals.problems
    return NativePins(tuple(pins), _cursor(payload), tuple(problems))


def _lists(payload: object) -> Iterator[list[Any]]:
    if isinstance(payload, list):
        yield payload
    if isinstance(payload, dict):
        for name in _LISTS:
            yield from _lists(payload.get(name))


def _pin(row: dict[str, Any], numbers: PinNumbers) -> NativePin | None:
    created_at = next((time for name in _TIMES if (time := utc(row.get(name))) is not None), None)
    if created_at is None:
        return None
    identity = _first(row, _IDS)
    return NativePin(
        identity or None,
        created_at,
        _first(row, ("title",)),
        _first(row, _DESCRIPTIONS),
        _first(row, _URLS) or None,
        numbers,
    )


def _analytics(row: dict[str, Any]) -> dict[str, Any]:
    found = (row.get(name) for name in _ANALYTICS)
    return next((told for told in found if isinstance(told, dict)), {})


def _first(row: dict[str, Any], names: tuple[str, ...]) -> str:
    # Ids of digits alone may come as numbers, as in the history.
    found = (str(value) if type(value) is int else value for value in map(row.get, names))
    return next((clean(text, _LONGEST_TEXT) for text in found if isinstance(text, str) and text), "")


def _cursor(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return None
    holders = (payload.get("pagination"), payload.get("paging"), payload)
    found = (holder.get(name) for holder in holders if isinstance(holder, dict) for name in _CURSORS)
    return next((cursor for cursor in found if isinstance(cursor, str) and cursor), None)
