"""Reads what an address asks for; nonsense is what was not asked for."""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from multidict import MultiDict

from collector.console.words import counted
from collector.errors import DataRefusedError
from collector.store.paging import Page, Wish

# As many digits as a bigint has at least.
ID: Final = "{id:[0-9]{1,18}}"
"""What stands for an id in the address of a page."""

_Row = TypeVar("_Row", bound=msgspec.Struct)

_LONGEST_TEXT = 200
_MOST_COUNTED = 1000
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 100
# What no name holds, and the database would refuse.
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1,9}")


def text_of(request: web.Request, name: str) -> str:
    """Return a text of the query, cleaned and shortened; an empty one where there is none."""
    return cleaned(request.query.get(name, ""))


def cleaned(text: str) -> str:
    """Return a text without what the database would refuse, and no longer than any name."""
    return _UNSENDABLE.sub("", text).strip()[:_LONGEST_TEXT]


async def posted(request: web.Request) -> MultiDict[str]:
    """Return the fields of a form, none of an empty request. Raises an ``HTTPClientError`` for what is no form."""
    if not request.can_read_body:
        return MultiDict()
    if request.content_type != _FORM:
        raise web.HTTPUnsupportedMediaType(text=f"send a form: {_FORM}")
    try:
        text = (await request.read()).decode()
        return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"this is no form: {error}") from None


def page_number(request: web.Request, total: int, size: int) -> int:
    """Return the page that is asked for, from 1, and no more than there are."""
    asked = request.query.get("page", "")
    number = int(asked) if _DIGITS.fullmatch(asked) and asked.isascii() else 1
    return max(1, min(number, -(-total // size)))


async def page_after(request: web.Request, load: Callable[[Wish], Awaitable[Page[_Row]]], size: int) -> Page[_Row]:
    """Load the page that begins after what the query's ``after`` says, the first where that is nonsense."""
    wish = Wish(limit=size, total=True, most_counted=_MOST_COUNTED)
    try:
        after = msgspec.json.decode(request.query.get("after", ""), type=list[str])
        return await load(msgspec.structs.replace(wish, after=after))
    except (msgspec.DecodeError, DataRefusedError):
        return await load(wish)


def after_of(page: Page[_Row]) -> str | None:
    """Return what the next page begins after, for an address."""
    return None if page.after is None else msgspec.json.encode(page.after).decode()


def summary_of(page: Page[_Row], what: str) -> str:
    """Say how many rows there are, and how many of them are shown."""
    total = page.total or 0
    if total > _MOST_COUNTED:
        return f"{len(page.rows)} of more than {counted(_MOST_COUNTED, what)}"
    every = counted(total, what)
    return every if len(page.rows) == total else f"{len(page.rows)} of {every}"
