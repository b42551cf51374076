"""Reads what an address asks for; nonsense is what was not asked for. Pure."""

import re

from aiohttp import web

_LONGEST_TEXT = 200
# What no name holds, and the database would refuse.
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1,9}")


def text_of(request: web.Request, name: str) -> str:
    """Return a text of the query, cleaned and shortened; an empty one where there is none."""
    return _UNSENDABLE.sub("", request.query.get(name, "")).strip()[:_LONGEST_TEXT]


def page_number(request: web.Request, total: int, size: int) -> int:
    """Return the page that is asked for, from 1, and no more than there are."""
    asked = request.query.get("page", "")
    number = int(asked) if _DIGITS.fullmatch(asked) and asked.isascii() else 1
    return max(1, min(number, -(-total // size)))
