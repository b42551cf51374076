"""Serves the style sheets, the scripts and the icon, by the digest of what they hold, so that browsers keep them."""

import gzip
import hashlib
import mimetypes
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import hdrs, web

from collector.access import open_to_everybody

_NAMES = (
    "calendar.css",
    "calendar.js",
    "console.css",
    "console.js",
    "icon.svg",
    "pin_form.css",
    "pin_form.js",
    "vendor/htmx.min.js",
)
_FOR_EVER = "public, max-age=31536000, immutable"
_DIGEST_LENGTH = 12
_LONGEST_LEVEL = 9


class Asset(msgspec.Struct, frozen=True):
    """A file of the wheel; ``path`` changes with what it holds."""

    path: str
    content_type: str
    plain: bytes
    gzipped: bytes


def _read(name: str) -> Asset:
    plain = files(__package__).joinpath("static", *name.split("/")).read_bytes()
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    digest = hashlib.sha256(plain).hexdigest()[:_DIGEST_LENGTH]
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(plain, _LONGEST_LEVEL, mtime=0)
    return Asset(f"/assets/{stem}.{digest}.{suffix}", content_type, plain, packed)


ASSETS: Final = {name: _read(name) for name in _NAMES}
_BY_PATH = {asset.path: asset for asset in ASSETS.values()}


@open_to_everybody
async def asset(request: web.Request) -> web.Response:
    """Answer with the asset of this path; that of another version has another path."""
    found = _BY_PATH[request.path]
    packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    headers = {hdrs.CACHE_CONTROL: _FOR_EVER, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if packed:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    response = web.Response(body=found.gzipped if packed else found.plain, headers=headers)
    response.content_type = found.content_type
    if found.content_type.startswith("text/"):
        response.charset = "utf-8"
    return response
