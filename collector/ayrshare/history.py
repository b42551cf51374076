"""Reads ``GET /history``: a profile's posts as Ayrshare remembers them.

Pure: no clock, no I/O. An empty history comes as an error, HTTP 400 with code 221.
"""

from typing import Any, Final

from collector.ayrshare.dates import utc
from collector.ayrshare.post import read_id, read_pin
from collector.ayrshare.refusal import clean, decode, failure, refusal, unreadable
from collector.models import History, PinState, PostedPin

_EMPTY: Final = 221
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
            return History((), rows=0, oldest=None, as_of=None)
        raise error
    payload = decode(body)
    rows = payload.get("history") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(rows, list):
        raise unreadable(body, "the answer has no list of posts")
    posts = [row for row in rows if isinstance(row, dict)]
    made = [stamp for post in posts if (stamp := utc(post.get("created"))) is not None]
    return History(
        pins=tuple(_posted(post) for post in posts if isinstance(post.get("notes"), str)),
        rows=len(rows),
        oldest=min(made) if made else None,
        as_of=utc(payload.get("lastUpdated")),
    )


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
