"""Reads Ayrshare's history back to an attempt, page by page, and Pinterest's own list of pins as a second witness."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient
from collector.errors import AyrshareError
from collector.models.history import History, NativePin
from collector.models.outcome import Failure
from collector.publish.check import CLOCK_SKEW

# So far back the list is likely to have a post from before the attempt, which proves that it reaches it.
_LOOK_BACK = timedelta(days=7)
_LONGEST = timedelta(days=365)
_MOST_PAGES = 10
# Posts of the same second may be on both sides of a page's end.
_OVERLAP = timedelta(seconds=1)
_SMALLEST_PAGE = 25
# The next call would be refused as well.
_OF_THE_PROFILE = frozenset({Failure.RATE_LIMITED, Failure.QUOTA})


async def read_history(
    client: AyrshareClient, key: SecretStr, *, since: datetime, now: datetime, enough: Callable[[History], bool]
) -> History:
    """Read posts until it is ``enough``, the list reaches back to ``since`` for certain, or no more can be had."""
    start = max(since - _LOOK_BACK, now - _LONGEST)
    days = math.ceil((now - start) / timedelta(days=1)) + 1
    history = await client.history(key, since=start, days=days)
    page = min(history.rows, _SMALLEST_PAGE)
    for _ in range(_MOST_PAGES):
        # Not at a list that says of itself that it is whole: its count may be that of a page.
        if history.oldest is None or enough(history) or history.oldest < since - CLOCK_SKEW:
            break
        try:
            older = await client.history(key, since=start, days=days, until=history.oldest + _OVERLAP)
        except AyrshareError as error:
            if error.failure in _OF_THE_PROFILE:
                raise
            break
        joined = _join(history, history.oldest, older, page)
        if joined is None:
            break
        ended, history = joined.oldest == history.oldest, joined
        if ended:
            break
    return history


def _join(history: History, oldest: datetime, older: History, page: int) -> History | None:
    """Add the posts up to ``oldest`` + overlap; None where the answer is not what was asked for.

    Fewer than ``page`` are not a full page.
    """
    if older.rows == 0:
        return msgspec.structs.replace(history, whole=True) if older.whole else None
    if older.newest is None or older.oldest is None or older.newest > oldest + _OVERLAP:
        return None
    # All of one second: a full page may not be all of it, or the server did not look at the time.
    whole = older.whole or (older.oldest == oldest and older.rows < page)
    if older.oldest == oldest and not whole:
        return None
    known = [time for time in (history.as_of, older.as_of) if time is not None]
    return msgspec.structs.replace(
        history,
        pins=history.pins + older.pins,
        live_ids=history.live_ids | older.live_ids,
        rows=history.rows + older.rows,
        whole=whole,
        oldest=older.oldest,
        as_of=min(known, default=None),
    )


async def read_native_pins(client: AyrshareClient, key: SecretStr, *, since: datetime) -> tuple[NativePin, ...]:
    """Return the account's pins made ``since`` then, as far as Ayrshare tells; it need not."""
    found: list[NativePin] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        try:
            page = await client.native_pins(key, cursor=cursor)
        except AyrshareError as error:
            if error.failure in _OF_THE_PROFILE:
                raise
            break
        found += page.pins
        reached = any(pin.created_at < since - CLOCK_SKEW for pin in page.pins)
        if reached or not page.pins or page.cursor in {None, cursor}:
            break
        cursor = page.cursor
    return tuple(pin for pin in found if pin.created_at >= since - CLOCK_SKEW)
