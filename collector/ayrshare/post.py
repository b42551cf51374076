"""Writes and reads ``POST /post``: a pin as Ayrshare wants it, and what became of the pin.

Pure: no clock, no I/O. A partial failure can have published the pin, so ``postIds`` are looked at before any error.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from collector.ayrshare.refusal import clean, decode, failure, unreadable
from collector.errors import AyrshareError
from collector.models.pin import PinContent, Publication

_LONGEST: Final = 500
_MOST_POSTS: Final = 20
# Ayrshare takes a URL with another ending, or none, for an image.
_VIDEO_ENDINGS: Final = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".mpg", ".mpeg", ".wmv", ".webm")
_OF_A_POST: Final = ("id", "postIds", "errors")
_DONE: Final = frozenset({"success", "published"})


class PostAnswer(msgspec.Struct, frozen=True):
    """An accepted pin; ``live`` False is accepted, with its fate still open."""

    publication: Publication
    live: bool


def post_body(content: PinContent, *, idempotency_key: str, notes: str) -> bytes:
    """Return the JSON of a pin; what is not set is left out."""
    options = {
        "title": content.title,
        "link": content.link,
        "boardId": content.board_id,
        "altText": content.alt_texts or None,
        "note": content.note,
        "thumbNail": content.thumbnail_url,
        "carouselOptions": msgspec.Raw(content.carousel.encode()) if content.carousel is not None else None,
    }
    body: dict[str, object] = {
        "post": content.description,
        "platforms": ["pinterest"],
        "mediaUrls": content.media_urls,
        "idempotencyKey": idempotency_key,
        "notes": notes,
    }
    if content.thumbnail_url is not None and not urlsplit(content.media_urls[0]).path.lower().endswith(_VIDEO_ENDINGS):
        body["isVideo"] = True
    if any(value is not None for value in options.values()):
        body["pinterestOptions"] = {name: value for name, value in options.items() if value is not None}
    return msgspec.json.encode(body)


def parse_post(http_status: int, body: bytes, *, retry_after: str | None = None) -> PostAnswer:
    """Read an answer of ``POST /post``.

    Raises:
        AyrshareError: there is no pin, or nobody can tell; the error's fields say which.

    """
    payload = _payload(body, http_status)
    posts = list(_posts(payload))
    for post in posts:
        publication = read_pin(post)
        if publication is not None:
            return PostAnswer(publication, live=True)
    error = failure(http_status, body, retry_after=retry_after)
    if error is not None:
        raise error
    if not posts:
        raise unreadable(body, "the answer holds no post", http_status=http_status)
    return PostAnswer(read_id(posts[0]), live=False)


def read_pin(post: dict[str, Any]) -> Publication | None:
    """Return where a post is live on Pinterest, or None."""
    for entry in _pins(post):
        pinterest_pin_id, url = _text(entry, "id"), _text(entry, "postUrl")
        if str(entry.get("status", "")).lower() in _DONE and (pinterest_pin_id or url):
            return Publication(_text(post, "id"), pinterest_pin_id, url)
    return None


def read_id(post: dict[str, Any]) -> Publication:
    """Return what is known of a post that is not live: Ayrshare's id."""
    return Publication(_text(post, "id"))


def _payload(body: bytes, http_status: int) -> object:
    try:
        return decode(body, http_status=http_status)
    except AyrshareError:
        return None


def _posts(payload: object) -> Iterator[dict[str, Any]]:
    """Yield the objects that can describe our post: the answer itself, and those in ``posts``."""
    if isinstance(payload, dict):
        nested = payload.get("posts")
        candidates = [*(nested[:_MOST_POSTS] if isinstance(nested, list) else []), payload]
        yield from (post for post in candidates if isinstance(post, dict) and not post.keys().isdisjoint(_OF_A_POST))


def _pins(post: dict[str, Any]) -> Iterator[dict[str, Any]]:
    entries = post.get("postIds")
    for entry in entries[:_MOST_POSTS] if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("platform") in (None, "pinterest"):
            yield entry


def _text(holder: dict[str, Any], key: str) -> str | None:
    value = holder.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    # A part of an id or of an address is another one.
    return clean(value, _LONGEST) if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
