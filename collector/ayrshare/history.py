"""Reads ``GET /history``: a profile's posts as Ayrshare remembers them.

Pure: no clock, no I/O. An empty history comes as an error, HTTP 400 with code 221. A server may show fewer posts than
were asked for, so a list is whole only where it says so itself.
"""

from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from collector.ayrshare.dates import utc
from collector.ayrshare.post import read_id, read_pin
from collector.ayrshare.refusal import clean, decode, failure, refusal, unreadable
from collector.models.history import History, PostedPin
from collector.models.pin import PinState

_EMPTY: Final = 221
# Ayrshare's own, when it is not asked for more. A longer list may be a page of which ``count`` tells the length.
_SMALLEST_PAGE: Final = 25
_LONGEST_NOTES: Final = 200
_LONGEST_STATUS: Final = 50
_LONGEST_DETAIL: Final = 300


def parse_history(http_status: int, body: bytes, *, retry_after: str | None = None) -> History:
    """Read an answer of ``GET /history``.

    Raises:
        AyrshareError: the call failed, or there is no list in the answer.

    """
    error = failure(http_status, body, retry_after=retry_after)
    if error is not None:
        if error.code == _EMPTY:
            return History(whole=True)
        raise error
    payload = decode(body)
    rows = payload.get("history") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(rows, list):
        raise unreadable(body, "the answer has no list of posts")
    posts = [row for row in rows if isinstance(row, dict)]
    newest, oldest = _ends(rows)
    count = payload.get("count")
    count = count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
    live = (read_pin(post) for post in posts)
    return History(
        pins=tuple(_posted(post) for post in posts if isinstance(post.get("notes"), str)),
        live_ids=frozenset(each.pinterest_pin_id for each in live if each and each.pinterest_pin_id),
        rows=len(rows),
        count=count,
        whole=len(rows) < _SMALLEST_PAGE and (count == len(rows) or (count is None and not rows)),
        newest=newest,
        oldest=oldest,
        as_of=utc(payload.get("lastUpdated")),
    )


def _ends(rows: list[Any]) -> tuple[datetime | None, datetime | None]:
    """Return the times of the first and the last post, if every post has one and the newest comes first."""
    made = [utc(row.get("created")) if isinstance(row, dict) else None for row in rows]
    times = [time for time in made if time is not None]
    if not times or len(times) < len(rows) or any(earlier < later for earlier, later in pairwise(times)):
        return None, None
    return times[0], times[-1]


def _posted(post: dict[str, Any]) -> PostedPin:
    status = clean(str(post.get("status", "")), _LONGEST_STATUS).lower()
    live = read_pin(post)
    words = refusal({"errors": post.get("errors")}, b"")
    state: PinState | None = None
    detail = None
    if live is not None:
        state = PinState.PUBLISHED
    elif status == "deleted":
        state, detail = PinState.FAILED, "deleted at Ayrshare before it was published"
    elif status == "error":
        state, detail = PinState.FAILED, clean(str(words), _LONGEST_DETAIL)
    return PostedPin(
        notes=clean(post["notes"], _LONGEST_NOTES),
        status=status,
        state=state,
        publication=live or read_id(post),
        code=words.code if state is PinState.FAILED else None,
        detail=detail,
    )
