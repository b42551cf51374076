"""Reads a successful answer of ``POST /analytics/social``: JSON in, models out.

Pure: no clock, no I/O. What cannot be used is named in ``problems``; what an answer that failed means is decided in
``refusal``.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

import msgspec

from collector.ayrshare.dates import read_stamp
from collector.ayrshare.days import read_days
from collector.ayrshare.plain import decode_plain
from collector.ayrshare.problems import Problems, shown
from collector.ayrshare.refusal import decode, refusal, refused, unreadable
from collector.ayrshare.window import read_window
from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics, SeenAnswer
from collector.models.outcome import Failure

_CLOCK_SKEW = timedelta(days=2)
_MOST_WARNINGS = 50
_NO_NUMBERS = Metrics()


class _Block(msgspec.Struct, rename="camel"):
    analytics: msgspec.Raw
    last_updated: Any = None
    next_update: Any = None
    status: Any = None
    warning: Any = None


class _Envelope(msgspec.Struct, rename="camel"):
    """A success, with what it is about left undecoded."""

    pinterest: _Block
    status: Literal["success", "partial"]
    last_updated: Any = None
    next_update: Any = None
    history: Any = None
    posts: Any = None

    def digest(self) -> int:
        """Return a signed 64-bit digest of all but the stamps."""
        # Processors have instructions for SHA-256, which makes it the fastest of the good ones.
        digest = sha256(self.pinterest.analytics).digest()[:8]
        return int.from_bytes(digest, "big", signed=True)

    def stamps(self) -> "_Stamps":
        block = self.pinterest
        return _Stamps((block.last_updated, self.last_updated), (block.next_update, self.next_update))

    def plain_analytics(self) -> dict[str, Any] | None:
        """Return the analytics, or None where anything about them is odd."""
        odd = (self.pinterest.status, self.pinterest.warning, self.history, self.posts)
        analytics = decode_plain(self.pinterest.analytics) if odd == (None,) * 4 else None
        return analytics if analytics is not None and "warning" not in analytics else None


class _Stamps(msgspec.Struct, frozen=True):
    """Where Ayrshare may have put its stamps, the first place first."""

    last_updated: tuple[object, object]
    next_update: tuple[object, object]

    def read(self, problems: Problems) -> tuple[datetime | None, datetime | None]:
        return (
            read_stamp("lastUpdated", self.last_updated, problems),
            read_stamp("nextUpdate", self.next_update, problems),
        )


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def parse_account_analytics(body: bytes, *, today: date, known: int | None = None) -> AccountAnalytics | SeenAnswer:
    """Read the HTTP 200 answer of ``POST /analytics/social``; ``today`` is the UTC day against which dates are checked.

    An answer whose digest is ``known`` says what was said before, and is read no further than its stamps.

    Raises: AyrshareError, of the class that an error in the body names, or payload_invalid when there is nothing to
    read at all.
    """
    envelope = _open(body)
    digest = envelope.digest() if envelope is not None else None
    if envelope is not None and digest == known:
        last_updated, next_update = envelope.stamps().read(Problems())
        return SeenAnswer(last_updated=last_updated, next_update=next_update)
    problems = Problems()
    analytics = envelope.plain_analytics() if envelope is not None else None
    if envelope is not None and analytics is not None:
        stamps = envelope.stamps()
    else:
        analytics, stamps = _decode_odd(body, problems)
    window, followers, extra = read_window(analytics, problems)
    days = read_days(analytics.get("daily"), today + _CLOCK_SKEW, problems)
    last_updated, next_update = stamps.read(problems)
    last_updated = _consistent(last_updated, days, problems)
    return AccountAnalytics(
        window=window,
        followers=followers,
        extra=extra,
        days=days,
        problems=problems.listed(),
        last_updated=last_updated,
        next_update=next_update,
        digest=digest,
    )


def _consistent(stamp: datetime | None, days: Sequence[DayMetrics], problems: Problems) -> datetime | None:
    """Return the stamp, or None if there are numbers of a day that had not begun."""
    newest = next((day.day for day in reversed(days) if day.extra or day.metrics != _NO_NUMBERS), None)
    if stamp is None or newest is None or stamp.date() >= newest:
        return stamp
    problems.add("stale_stamp", f"lastUpdated {stamp:%Y-%m-%d}, and there are numbers of {newest}")
    return None


def _open(body: bytes) -> _Envelope | None:
    try:
        return _ENVELOPE.decode(body)
    except (ValueError, RecursionError):
        return None


def _decode_odd(body: bytes, problems: Problems) -> tuple[dict[str, Any], _Stamps]:
    payload = decode(body)
    if refused(payload):
        raise refusal(payload, body)
    if not isinstance(payload, dict):
        raise unreadable(body, f"the answer is {shown(payload)}, not an object")
    block, analytics = _blocks(payload, body)
    _note_warnings((block, analytics), problems)
    stamps = [(block.get(key), payload.get(key)) for key in ("lastUpdated", "nextUpdate")]
    return analytics, _Stamps(*stamps)


def _blocks(payload: dict[str, Any], body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    block = payload.get("pinterest")
    analytics = block.get("analytics") if isinstance(block, dict) else None
    if isinstance(block, dict) and isinstance(analytics, dict):
        return block, analytics
    # An error object that forgot its status still says what to do next.
    error = refusal(payload, body)
    if error.failure is not Failure.UPSTREAM_ERROR:
        raise error
    missing = "`analytics` in `pinterest`" if isinstance(block, dict) else "`pinterest`"
    raise unreadable(body, f"the answer has no object {missing}")


def _note_warnings(blocks: Iterable[dict[str, Any]], problems: Problems) -> None:
    for block in blocks:
        warnings = block.get("warning")
        for warning in warnings[:_MOST_WARNINGS] if isinstance(warnings, list) else [warnings]:
            words = warning.get("message") if isinstance(warning, dict) else warning
            if warning is not None:
                problems.add("warning", words if isinstance(words, str) else shown(words))
