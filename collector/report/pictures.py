"""Fetches the pictures of pins, so that a report holds them and whoever reads it asks nobody.

The addresses are those of pins of our own queue, which others may have written: only public addresses are asked, over
https, and what is not small or not a picture by its first bytes is left out. A pin without its picture is still a row.
"""

import asyncio
import io
import ssl
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
import imagesize
from yarl import URL

from collector.publish.media import image_form
from collector.publish.public_session import Address, is_public, public_session
from collector.report.brand import Brand
from collector.report.contents import Contents

# Five of them make a page that an e-mail can carry.
_LARGEST_BYTES: Final = 600_000
# A small file may unpack to a large picture in whatever shows it.
_MOST_PIXELS: Final = 40_000_000
_SHOWN: Final = frozenset({"PNG", "JPEG", "GIF", "WEBP"})
_SECONDS: Final = 4.0
_AT_ONCE: Final = 32
_AT_ONCE_OF_A_HOST: Final = 16
_MOST_KEPT: Final = 16_000_000
# A host that does not answer would else cost its patience for every pin.
_FAILURES: Final = 3
_REST_SECONDS: Final = 600.0
_HEADERS: Final = {"Accept": "image/*", "Accept-Encoding": "identity"}

PicturesOf = Callable[[Contents, Brand], Awaitable[Mapping[str, str]]]
"""Returns the pictures of a client's best pins that can be had, by where they were, as addresses that hold them."""


class Pictures:
    """Fetches pictures, a few at once, and keeps those that were fetched last; no redirect is followed."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._failures: dict[str, tuple[int, float]] = {}

    async def of(self, contents: Contents, brand: Brand) -> Mapping[str, str]:
        """Return the pictures of a client's best pins; none where the looks want none."""
        if brand.pictures is False:
            return {}
        return await self.fetch(pin.picture_url for pin in contents.best_pins if pin.picture_url is not None)

    async def fetch(self, urls: Iterable[str]) -> dict[str, str]:
        """Return, as addresses that hold them, the pictures that could be had within a few seconds."""
        wanted = list(dict.fromkeys(urls))
        found = await asyncio.gather(*map(self._have, wanted))
        return {url: held for url, held in zip(wanted, found, strict=True) if held is not None}

    async def _have(self, url: str) -> str | None:
        if url in self._kept:
            self._kept.move_to_end(url)
            return self._kept[url]
        host = _host(url)
        if host is None or self._rests(host):
            return None
        try:
            held = await self._fetch(url)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            count, _ = self._failures.get(host, (0, 0.0))
            self._failures[host] = (count + 1, time.monotonic())
            return None
        self._failures.pop(host, None)
        if held is not None:
            self._keep(url, held)
        return held

    def _rests(self, host: str) -> bool:
        count, since = self._failures.get(host, (0, 0.0))
        return count >= _FAILURES and time.monotonic() < since + _REST_SECONDS

    def _keep(self, url: str, held: str) -> None:
        self._kept[url] = held
        while sum(map(len, self._kept.values())) > _MOST_KEPT:
            self._kept.popitem(last=False)

    async def _fetch(self, url: str) -> str | None:
        async with self._session.get(url, headers=_HEADERS, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK or (response.content_length or 0) > _LARGEST_BYTES:
                return None
            content = await response.content.read(_LARGEST_BYTES + 1)
            while len(content) <= _LARGEST_BYTES and not response.content.at_eof():
                content += await response.content.read(_LARGEST_BYTES + 1 - len(content))
        return _held(content)


def _host(url: str) -> str | None:
    try:
        address = URL(url)
    except ValueError:
        return None
    return address.host if address.scheme == "https" else None


def _held(content: bytes) -> str | None:
    """Return a picture as an address that holds it, None where it is none, or too large."""
    form = image_form(content)
    if len(content) > _LARGEST_BYTES or form not in _SHOWN:
        return None
    width, height = imagesize.get(io.BytesIO(content))
    if width <= 0 or height <= 0 or width * height > _MOST_PIXELS:
        return None
    return f"data:image/{form.lower()};base64,{b64encode(content).decode()}"


@asynccontextmanager
async def open_pictures(
    *, allowed: Callable[[Address], bool] = is_public, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Pictures]:
    """Yield what asks ``allowed`` addresses only; its connections are closed at the end."""
    async with public_session(
        at_once=_AT_ONCE, at_once_of_a_host=_AT_ONCE_OF_A_HOST, seconds=_SECONDS, allowed=allowed, tls=tls
    ) as session:
        yield Pictures(session)
