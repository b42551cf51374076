"""Reads the form with which a table is uploaded: a file of bounded size, and how it is to be read."""

import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from collector.console.query import cleaned
from collector.errors import CollectorError
from collector.table.moment import DateFormat, zone_named

LARGEST_BYTES: Final = 5_000_000
# More than this is not read to its end, so that the browser may see no answer.
_LARGEST_READ_BYTES = 50_000_000
_LONGEST_FIELD = 200
_MOST_PARTS = 10
# Marks that turn the direction of what follows, so that a name looks like another one.
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A file, and how its times are written; ``replaces`` and ``past`` are what may be done."""

    file_name: str
    data: bytes
    time_zone: str
    date_format: DateFormat
    replaces: bool
    past: bool


async def read_form(request: web.Request) -> Form:
    """Read a form of the kind ``multipart/form-data``. Raises an ``HTTPClientError`` for anything else."""
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(text="send a form: multipart/form-data")
    fields: dict[str, str] = {}
    file_name, data = "", b""
    try:
        async for part in _parts(await request.multipart()):
            if part.name == "file":
                file_name, data = part.filename or "", await _file(part)
            else:
                fields[part.name or ""] = (await part.read_chunk(_LONGEST_FIELD)).decode()
    except (ValueError, BadHttpMessage) as error:
        raise web.HTTPBadRequest(text=f"this is no form: {error}") from None
    if not file_name or not data:
        raise web.HTTPBadRequest(text="choose a file that is not empty")
    shown = _TURNING.sub("", " ".join(file_name.split()))
    return _made(fields, cleaned(shown) or "a table", data)


async def _parts(reader: MultipartReader) -> AsyncIterator[BodyPartReader]:
    """Yield the parts; those that have parts themselves are of no form."""
    for _ in range(_MOST_PARTS):
        part = await reader.next()
        if part is None:
            return
        if isinstance(part, BodyPartReader):
            yield part


async def _file(part: BodyPartReader) -> bytes:
    read = bytearray()
    size = 0
    while size <= _LARGEST_READ_BYTES and (chunk := await part.read_chunk()):
        size += len(chunk)
        if size <= LARGEST_BYTES:
            read += chunk
    if size > LARGEST_BYTES:
        text = f"it has more than {LARGEST_BYTES / 1e6:.0f} MB; split it, or use `collector pins import`"
        raise web.HTTPRequestEntityTooLarge(LARGEST_BYTES, size, text=text)
    return bytes(read)


def _made(fields: dict[str, str], file_name: str, data: bytes) -> Form:
    zone, form = fields.get("time_zone", ""), fields.get("date_format", DateFormat.ISO)
    try:
        if zone:
            zone_named(zone)
        return Form(
            file_name=file_name,
            data=data,
            time_zone=zone,
            date_format=DateFormat(form),
            replaces="replaces" in fields,
            past="past" in fields,
        )
    except (CollectorError, ValueError) as error:
        raise web.HTTPBadRequest(text=str(error)) from None
