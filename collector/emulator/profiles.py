"""Answers `/profiles`, `GET /user` and `GET /user/details`. A key is returned once, at creation, and never listed."""

import base64
import binascii

import msgspec

from collector.emulator.accounts import Account
from collector.emulator.analytics import shown_index
from collector.emulator.config import iso_millis
from collector.emulator.errors import Json, parameters, refuse
from collector.emulator.state import Call, Emulator

_LARGEST_PAGE = 5_000
_FIRST_BOARD = 81_494_100_000_000_000
_LIST_CACHE_SECONDS = 300.0
_FIRST_CREATED = 1_646_236_260.0
_CURSOR_PREFIX = "after:"


def list_profiles(emulator: Emulator, call: Call) -> bytes:
    """List profiles by `limit` and `cursor`, or the one with the given `title` or `refId`."""
    limit = call.number("limit", _LARGEST_PAGE, _LARGEST_PAGE)
    start = _start(call.query.get("cursor", ""))
    rows = [_row(emulator, account) for account in _selected(emulator, call, start, start + limit)]
    has_more = start + limit < len(emulator.accounts) and len(rows) == limit
    pagination: Json = {"hasMore": has_more, "limit": limit}
    if has_more:
        pagination["nextCursor"] = base64.urlsafe_b64encode(f"{_CURSOR_PREFIX}{start + limit}".encode()).decode()
    stamps = {"lastUpdated": iso_millis(call.now), "nextUpdate": iso_millis(call.now + _LIST_CACHE_SECONDS)}
    return msgspec.json.encode({"profiles": rows, "count": len(rows), **stamps, "pagination": pagination})


def details(_emulator: Emulator, call: Call) -> bytes:
    """Tell what is linked to the account, with its boards; the shape is a guess."""
    problem = call.link_problem()
    if problem is not None:
        raise refuse(problem)
    name = f"{_FIRST_BOARD + call.account.index}"
    boards = [{"id": f"{name}{number}", "name": title} for number, title in enumerate(("Ideas", "Spring", "Sale"))]
    details = {"platform": "pinterest", "displayName": call.account.title, "boards": boards}
    return msgspec.json.encode({"status": "success", "refId": call.account.identity.ref_id, "details": [details]})


def user(emulator: Emulator, call: Call) -> bytes:
    """Tell which account is linked to the profile; the shape is a guess."""
    names = []
    if call.account.linked:
        index = shown_index(emulator, call)
        names = [{"platform": "pinterest", "displayName": f"Boards of {index}", "username": f"boards{index}"}]
    return msgspec.json.encode({"title": call.account.title, "displayNames": names, "status": "success"})


def create_profile(emulator: Emulator, call: Call) -> bytes:
    """Create a profile; nothing is linked to it until `POST /_emulator/profiles` says so."""
    title = call.body().get("title")
    if not isinstance(title, str) or not title.strip():
        raise refuse(parameters("title is required.", "create"))
    identity = emulator.accounts.create(title).identity
    answer = {
        "status": "success",
        "title": identity.title,
        "refId": identity.ref_id,
        "profileKey": identity.profile_key,
        "messagingActive": False,
    }
    return msgspec.json.encode(answer)


def _selected(emulator: Emulator, call: Call, start: int, stop: int) -> list[Account]:
    title, ref_id = call.query.get("title"), call.query.get("refId")
    if title is not None:
        account = emulator.accounts.by_title(title)
        return [account] if account is not None and account.index >= 0 else []
    if ref_id is not None:
        everyone = emulator.accounts.page(0, len(emulator.accounts))
        return [account for account in everyone if account.identity.ref_id == ref_id]
    return list(emulator.accounts.page(start, stop))


def _row(emulator: Emulator, account: Account) -> Json:
    faults = emulator.faults.standing(account.title)
    suspended = account.suspended or "suspended" in faults
    created = _FIRST_CREATED + account.index
    row: Json = {
        "status": "suspended" if suspended else "active",
        "title": account.title,
        "created": {"_seconds": int(created), "_nanoseconds": 0},
        "createdUTC": iso_millis(created),
        "refId": account.identity.ref_id,
    }
    if account.linked and not faults & {"unlinked", "relink"}:
        row["activeSocialAccounts"] = ["pinterest"]
    if suspended:
        row["suspended"] = True
    return row


def _start(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    digits = text.removeprefix(_CURSOR_PREFIX)
    if not (text.startswith(_CURSOR_PREFIX) and digits.isascii() and digits.isdigit()):
        raise refuse(parameters("The cursor is not one of ours."))
    return int(digits)
