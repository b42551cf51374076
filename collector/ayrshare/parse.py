"""Ayrshare's successful analytics, JSON in and models out: one bad number never takes the good days with it.

Pure: no clock, no I/O. What cannot be used is named in ``problems``; what an answer that failed means is decided in
``refusal``. ``usual`` reads nearly every answer; this module and ``days`` read those in which anything is unusual.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from collector.ayrshare.days import read_days
from collector.ayrshare.problems import Problems, shown
from collector.ayrshare.refusal import decode, refusal, refused, unreadable
from collector.ayrshare.stamps import read_stamp, utc
from collector.ayrshare.usual import open_envelope, read_usual
from collector.ayrshare.window import read_window
from collector.models import AccountAnalytics, Failure, SeenAnswer

_CLOCK_SKEW = timedelta(days=2)


def parse_account_analytics(body: bytes, *, today: date, known: int | None = None) -> AccountAnalytics | SeenAnswer:
    """Read the HTTP 200 answer of ``POST /analytics/social``; ``today`` is the UTC day against which dates are checked.

    An answer whose digest is ``known`` says what was said before, and is read no further than its stamps.

    Raises: AyrshareError, of the class that an error in the body names, or payload_invalid when there is nothing to
    read at all.
    """
    latest = today + _CLOCK_SKEW
    envelope = open_envelope(body)
    if envelope is None:
        return _read_any(body, latest=latest, digest=None)
    digest = envelope.digest()
    if digest == known:
        update = envelope.pinterest.next_update
        stamps = (envelope.pinterest.last_updated, envelope.last_updated)
        return SeenAnswer(
            last_updated=read_stamp("lastUpdated", stamps, Problems()),
            next_update=utc(update) if update is not None else None,
        )
    usual = read_usual(envelope, latest=latest, digest=digest)
    return usual if usual is not None else _read_any(body, latest=latest, digest=digest)


def _read_any(body: bytes, *, latest: date, digest: int | None) -> AccountAnalytics:
    payload = decode(body)
    if refused(payload):
        raise refusal(payload, body)
    if not isinstance(payload, dict):
        raise unreadable(body, f"the answer is {shown(payload)}, not an object")
    block, analytics = _blocks(payload, body)
    problems = Problems()
    _note_warnings((block, analytics), problems)
    window, followers, extra = read_window(analytics, problems)
    return AccountAnalytics(
        window=window,
        followers=followers,
        extra=extra,
        days=read_days(analytics.get("daily"), latest, problems),
        last_updated=read_stamp("lastUpdated", (block.get("lastUpdated"), payload.get("lastUpdated")), problems),
        next_update=read_stamp("nextUpdate", (block.get("nextUpdate"), payload.get("nextUpdate")), problems),
        problems=problems.listed(),
        digest=digest,
    )


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
        for warning in warnings if isinstance(warnings, list) else [warnings]:
            words = warning.get("message") if isinstance(warning, dict) else warning
            if warning is not None:
                problems.add("warning", words if isinstance(words, str) else shown(words))
