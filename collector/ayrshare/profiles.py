"""Reads ``GET /profiles``: JSON in, models out.

Pure: no clock, no I/O.
"""

from typing import Final

import msgspec

from collector.ayrshare.refusal import clean, decode, refusal, refused, unreadable

_LONGEST_TITLE: Final = 500


class ProfileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One client profile as Ayrshare lists it; the list never holds a profile key."""

    title: str
    ref_id: str | None = None
    linked_to_pinterest: bool = False
    suspended: bool = False


class ProfilesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of ``GET /profiles``; ``skipped`` counts entries without a title, no ``next_cursor`` is the last page."""

    entries: tuple[ProfileEntry, ...]
    next_cursor: str | None = None
    skipped: int = 0


def parse_profiles(body: bytes) -> ProfilesPage:
    """Read the HTTP 200 answer of ``GET /profiles``.

    Raises: AyrshareError, as ``parse_account_analytics`` does, and where there are more pages but no cursor to them.
    """
    payload = decode(body)
    if refused(payload):
        raise refusal(payload, body)
    listed = payload.get("profiles") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(listed, list):
        raise unreadable(body, "the answer has no list of profiles")
    entries = tuple(entry for entry in map(_profile, listed) if entry is not None)
    cursor = _next_cursor(payload.get("pagination"), body)
    return ProfilesPage(entries=entries, next_cursor=cursor, skipped=len(listed) - len(entries))


def _profile(item: object) -> ProfileEntry | None:
    title = item.get("title") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(title, str) or not title.strip():
        return None
    ref_id = item.get("refId")
    accounts = item.get("activeSocialAccounts")
    return ProfileEntry(
        title=clean(title, _LONGEST_TITLE),
        ref_id=clean(ref_id, _LONGEST_TITLE) if isinstance(ref_id, str) and ref_id else None,
        linked_to_pinterest=isinstance(accounts, list) and "pinterest" in accounts,
        suspended=item.get("suspended") is True or item.get("status") == "suspended",
    )


def _next_cursor(pagination: object, body: bytes) -> str | None:
    if not isinstance(pagination, dict) or pagination.get("hasMore") is False:
        return None
    cursor = pagination.get("nextCursor")
    if isinstance(cursor, str) and cursor and cursor.isprintable():
        return cursor
    if pagination.get("hasMore") is True:
        raise unreadable(body, "the list of profiles has more pages, but tells no cursor to them")
    return None
