"""Classifies an answer before anything else in it is read: JSON or not, a success or a failure, and which.

Pure: no clock, no I/O. The classes are those of ``docs/operations.md``.
"""

import json
import math
import re
from collections import deque
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec

from collector.errors import AyrshareError
from collector.models.outcome import Failure

# Ayrshare counts requests per profile over five minutes.
RATE_LIMIT_WINDOW = 300.0
_EXCERPT_LENGTH = 500
_MESSAGE_LENGTH = 300
_LONGEST_INTEGER = 400
# Reading what only others take for JSON is slow.
_LARGEST_MENDED_BYTES = 1024 * 1024
_LONGEST_RETRY_SECONDS = 86_400.0
_LARGEST_CODE = 2**31 - 1
_THREE_DIGITS = range(100, 1000)
_MOST_NODES = 200
# The profile's posts of the month are used up; it comes as a 429 like a rate limit, but waiting minutes does not help.
_QUOTA_CODE = 106
_CODES = {_QUOTA_CODE: Failure.QUOTA, **dict.fromkeys((156, 161, 272), Failure.UNLINKED)}
_KEY_REFUSED = "profile key is invalid"
_SUSPENDED = "suspend"
_KEY_REFUSED_STATUSES = frozenset({200, 400, 403})

# Control characters and lone surrogates do not survive the way to PostgreSQL; line separators and bidirectional
# overrides would forge a log line.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SECONDS = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*")
_NUMERIC_CODE = re.compile(r"\s*(-?[0-9]{1,10})\s*")


def clean(text: str, longest: int) -> str:
    """Cut a text to ``longest`` characters and blank those that a database or a terminal must not see."""
    return _UNSAFE.sub(" ", text[:longest])


def unreadable(body: bytes, why: str, *, http_status: int = 200) -> AyrshareError:
    """Make the error for an answer that says nothing we understand, with its beginning as evidence."""
    message = clean(why, _MESSAGE_LENGTH)
    return AyrshareError(Failure.PAYLOAD_INVALID, message, http_status=http_status, excerpt=_excerpt(body))


def decode(body: bytes, *, http_status: int = 200) -> object:
    """Decode JSON, and what others take for JSON: NaN, Infinity, endless integers, broken UTF-8.

    Raises: AyrshareError (payload_invalid) when it is not even that.
    """
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise unreadable(body, "nested too deeply", http_status=http_status) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if len(body) > _LARGEST_MENDED_BYTES:
            raise unreadable(body, f"HTTP {http_status}, not JSON", http_status=http_status) from error
    try:
        text = body.decode("utf-8-sig", errors="replace")
        return json.loads(text, strict=False, parse_int=_integer)
    except RecursionError:
        raise unreadable(body, "nested too deeply", http_status=http_status) from None
    except ValueError as error:
        raise unreadable(body, f"HTTP {http_status}, not JSON", http_status=http_status) from error


def failure(http_status: int, body: bytes, *, retry_after: str | None = None) -> AyrshareError | None:
    """Classify any answer; None is a success: HTTP 200, JSON, and no error status ("partial" is none).

    ``retry_after`` is the header as it came; a number of seconds up to a day is honoured, a date is not (no clock).
    The analytics and profiles parsers make this check themselves, on the body they decode anyway. A publish that
    failed for another network is a failure here too: look for ``postIds`` before believing that no pin is out.
    """
    try:
        payload = decode(body, http_status=http_status)
    except AyrshareError as error:
        if http_status == HTTPStatus.OK:
            return error
        return _not_json(http_status, body, retry_after)
    if http_status == HTTPStatus.OK and not refused(payload):
        return None
    return refusal(payload, body, http_status=http_status, retry_after=retry_after)


def refused(payload: object) -> bool:
    """Tell whether the body of an HTTP 200 says that the call failed."""
    if not isinstance(payload, dict):
        return False
    if any(_is_error(node) for node in (payload, payload.get("pinterest"), payload.get("history"))):
        return True
    posts = payload.get("posts")
    if payload.get("status") == "partial" or not isinstance(posts, list):
        return False
    return any(_is_error(post) for post in posts)


def refusal(payload: object, body: bytes, *, http_status: int = 200, retry_after: str | None = None) -> AyrshareError:
    """Make the error for a failed call whose body is JSON, in Ayrshare's own words where there are any."""
    complaints = list(_complaints(payload))
    failed, complaint = _judge(http_status, _about_pinterest(complaints))
    own = refused(payload) or any(_is_own_code(_code(each), http_status) for each in complaints)
    words = clean(_words(complaint).strip(), _MESSAGE_LENGTH).strip()
    return AyrshareError(
        failed,
        words or f"HTTP {http_status}, an error without a message",
        http_status=http_status,
        code=_code(complaint),
        retry_after_seconds=_seconds(retry_after),
        excerpt=None if words and own else _excerpt(body),
        retry_available=any(each.get("retryAvailable") is True for each in complaints),
        from_ayrshare=own,
    )


def _not_json(http_status: int, body: bytes, retry_after: str | None) -> AyrshareError:
    # A proxy's page says nothing about the profile or the API key; Ayrshare's own gateway may refuse without a body.
    failed = Failure.UPSTREAM_ERROR
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        failed = Failure.RATE_LIMITED
    elif http_status == HTTPStatus.UNAUTHORIZED and not body.strip():
        failed = Failure.UNAUTHORIZED
    return AyrshareError(
        failed,
        f"HTTP {http_status}, not JSON",
        http_status=http_status,
        retry_after_seconds=_seconds(retry_after),
        excerpt=_excerpt(body),
    )


def _judge(http_status: int, complaints: list[dict[str, Any]]) -> tuple[Failure, dict[str, Any]]:
    spoken: dict[str, Any] = next((each for each in complaints if _words(each)), next(iter(complaints), {}))
    match http_status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            used_up = ((Failure.QUOTA, each) for each in complaints if _code(each) == _QUOTA_CODE)
            return next(used_up, (Failure.RATE_LIMITED, spoken))
        case HTTPStatus.UNAUTHORIZED:
            return Failure.UNAUTHORIZED, spoken
    if http_status in _KEY_REFUSED_STATUSES:
        for each in complaints:
            if _KEY_REFUSED in _words(each).lower():
                return Failure.KEY_INVALID, each
    # A suspension was seen with the code of the quota. Gateways and proxies refuse with JSON of their own.
    suspended = [each for each in complaints if _SUSPENDED in _words(each).lower()]
    if suspended and http_status == HTTPStatus.FORBIDDEN:
        return Failure.SUSPENDED, suspended[0]
    for each in (each for each in complaints if each not in suspended):
        failed = _CODES.get(_code(each) or 0, Failure.UNLINKED if _asks_to_relink(each) else None)
        if failed is not None:
            return failed, each
    return Failure.UPSTREAM_ERROR, spoken


def _complaints(payload: object) -> Iterator[dict[str, Any]]:
    """Yield the objects that carry an error's words or code, outermost first, wherever the five shapes put them."""
    queue = deque([payload])
    for _ in range(_MOST_NODES):
        if not queue:
            return
        node = queue.popleft()
        if isinstance(node, str):
            yield {"message": node}
        elif isinstance(node, list):
            queue.extend(node[:_MOST_NODES])
        elif isinstance(node, dict):
            if not node.keys().isdisjoint(("message", "details", "code", "resolution")):
                yield node
            queue.extend(node.get(key) for key in ("errors", "error", "posts", "pinterest"))
            # As a list it is the posts of the past, whose failures are not this call's.
            if isinstance(node.get("history"), dict):
                queue.append(node["history"])


def _about_pinterest(complaints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = [each for each in complaints if each.get("platform") in (None, "pinterest")]
    return own or complaints


def _is_error(node: object) -> bool:
    if not isinstance(node, dict):
        return False
    status = node.get("status")
    return isinstance(status, str) and status.lower() == "error"


def _words(complaint: dict[str, Any]) -> str:
    for key in ("message", "details"):
        text = complaint.get(key)
        if isinstance(text, str) and text.strip():
            return text
    return ""


def _code(complaint: dict[str, Any]) -> int | None:
    code = complaint.get("code")
    if isinstance(code, str) and (match := _NUMERIC_CODE.fullmatch(code)):
        code = int(match[1])
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    return code if -_LARGEST_CODE - 1 <= code <= _LARGEST_CODE else None


def _is_own_code(code: int | None, http_status: int) -> bool:
    # Gateways repeat the status, or have codes of four digits.
    return code in _THREE_DIGITS and code != http_status


def _asks_to_relink(complaint: dict[str, Any]) -> bool:
    resolution = complaint.get("resolution")
    return isinstance(resolution, dict) and resolution.get("relink") is True


def _seconds(retry_after: str | None) -> float | None:
    match = _SECONDS.fullmatch(retry_after or "")
    if match is None:
        return None
    seconds = float(match[1])
    return seconds if seconds <= _LONGEST_RETRY_SECONDS else None


def _excerpt(body: bytes) -> str:
    # Four bytes is the longest UTF-8 character, so this is enough and a huge body is not decoded for it.
    return clean(body[: 4 * _EXCERPT_LENGTH].decode("utf-8", errors="replace"), _EXCERPT_LENGTH)


def _integer(digits: str) -> int | float:
    # int() refuses more than 4,300 digits, which would take the whole answer with it.
    if len(digits) > _LONGEST_INTEGER:
        return -math.inf if digits.startswith("-") else math.inf
    return int(digits)
