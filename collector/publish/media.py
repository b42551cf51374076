"""Looks at images where they are, before a pin is queued: whether Ayrshare could fetch them, and how large they are.

What cannot be known from here is said and is no fault of the pin.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import aiohttp
import imagesize
import msgspec

from collector.errors import PinError
from collector.models.pin import Override, PinContent, PinProblem
from collector.publish.public_session import Address, PrivateAddressError, is_public, public_session

# Width and height are in the first bytes, but for a JPEG with much in front of them.
_HEADER_BYTES: Final = 65_536
_LARGEST_BYTES: Final = 20_000_000
_MOST_DIGITS: Final = 15  # more is no size
_SECONDS: Final = 5.0
_AT_ONCE: Final = 8
_AT_ONCE_OF_A_HOST: Final = 4
# By their first bytes, so that nothing else is read as an image: SVG, say, is XML.
_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_HEADERS: Final = {"Range": f"bytes=0-{_HEADER_BYTES - 1}", "Accept": "image/*", "Accept-Encoding": "identity"}


class WhichMedia(StrEnum):
    """Whose images are looked at."""

    CAROUSELS = "carousels"
    ALL = "all"
    NONE = "none"


class Media(msgspec.Struct, frozen=True):
    """What is at an address; ``width`` and ``height`` in pixels, as shown.

    ``problem`` is why Ayrshare or Pinterest would refuse it, ``unknown`` why it could not be looked at. ``form`` is how
    the image is written: JPEG, PNG.
    """

    url: str
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    problem: str | None = None
    unknown: str | None = None
    form: str | None = None


LookAtMedia = Callable[[Sequence[str]], Awaitable[Mapping[str, Media]]]
"""Looks at what is at each address."""


class MediaCheck:
    """Looks at media, a few at once; nothing is asked twice, and no redirect is followed."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def look(self, urls: Sequence[str], *, seconds: float) -> dict[str, Media]:
        """Return what is at each address; those not looked at after ``seconds`` in all are unknown."""
        waiting, seen = iter(dict.fromkeys(urls)), dict[str, Media]()

        async def work() -> None:
            for url in waiting:
                seen[url] = await self._look(url)

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(work())
        late = f"not looked at within {seconds:.0f} s"
        return {url: seen.get(url) or Media(url, unknown=late) for url in dict.fromkeys(urls)}

    async def _look(self, url: str) -> Media:
        if not url.startswith("https://"):
            return Media(url, problem="it is not https")
        try:
            async with self._session.get(url, headers=_HEADERS, allow_redirects=False) as response:
                return await _read(url, response)
        except TimeoutError:
            return Media(url, unknown=f"no answer within {_SECONDS:.0f} s")
        except (aiohttp.ClientError, ValueError) as error:
            return Media(url, unknown=_reason(error))


async def _read(url: str, response: aiohttp.ClientResponse) -> Media:
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        return Media(url, problem=f"it redirects (HTTP {response.status}), which Ayrshare does not follow")
    if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return Media(url, unknown=f"HTTP {response.status}")
    head = await _head(response)
    size_bytes = _size(response)
    kind = response.content_type
    form = image_form(head)
    if form is None:
        problem = f"it is no image but {kind}" if kind.startswith("text/") or kind.endswith(("json", "xml")) else None
        return Media(url, size_bytes=size_bytes, problem=problem, unknown=None if problem else f"not read: {kind}")
    if size_bytes is not None and size_bytes > _LARGEST_BYTES:
        problem = f"it has {size_bytes / 1e6:.1f} MB; at most 20 are taken"
        return Media(url, size_bytes=size_bytes, problem=problem, form=form)
    width, height = imagesize.get(io.BytesIO(head))
    if width <= 0 or height <= 0:
        unknown = "its first 64 kB do not tell its width and height"
        return Media(url, size_bytes=size_bytes, unknown=unknown, form=form)
    return Media(url, round(width), round(height), size_bytes, form=form)


def image_form(head: bytes) -> str | None:
    """Return how an image is written, as PNG or JPEG, by its first bytes; None for anything else."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    return next((form for signature, form in _SIGNATURES.items() if head.startswith(signature)), None)


async def _head(response: aiohttp.ClientResponse) -> bytes:
    """Read the beginning, whatever the server sends after it."""
    head = bytearray()
    async for chunk in response.content.iter_any():
        head += chunk
        if len(head) >= _HEADER_BYTES:
            # Not read to its end, so the connection cannot be used again.
            response.close()
            break
    return bytes(head[:_HEADER_BYTES])


def _size(response: aiohttp.ClientResponse) -> int | None:
    if response.status == HTTPStatus.OK:
        return response.content_length
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() and len(total) <= _MOST_DIGITS else None


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        cause: BaseException | None = error.os_error
        return str(cause) if isinstance(cause, PrivateAddressError) else f"no connection: {error.strerror or cause}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"


def unequal(media: Sequence[Media]) -> str | None:
    """Return why these images make no carousel; None where they do, or where it cannot be known."""
    sizes = [(each.width, each.height) for each in media if each.width is not None]
    if len(set(sizes)) <= 1:
        return None
    named = ", ".join(f"{width}x{height}" for width, height in sizes)
    return f"the images of a carousel must have the same width and height; these have {named}"


def to_look_at(content: PinContent, which: WhichMedia = WhichMedia.ALL) -> tuple[str, ...]:
    """Return the addresses of a pin's images that are looked at; of a video, its cover is one."""
    if which is WhichMedia.NONE:
        return ()
    if len(content.media_urls) > 1:
        return content.media_urls
    if which is WhichMedia.CAROUSELS:
        return ()
    return content.media_urls if content.thumbnail_url is None else (content.thumbnail_url,)


def findings(content: PinContent, seen: Mapping[str, Media]) -> tuple[list[str], list[str]]:
    """Return what is wrong with a pin's images, and what could not be known of them, in words."""
    unknown = [f"{each.url}: {each.unknown}" for each in _seen(content, seen) if each.unknown is not None]
    return [each.message for each in _problems(content, seen)], unknown


def _seen(content: PinContent, seen: Mapping[str, Media]) -> list[Media]:
    return [seen[url] for url in to_look_at(content) if url in seen]


def _problems(content: PinContent, seen: Mapping[str, Media]) -> list[PinProblem]:
    media = _seen(content, seen)
    fields = {url: f"media_urls[{place}]" for place, url in enumerate(content.media_urls)}
    found = [
        PinProblem(fields.get(each.url, "thumbnail_url"), f"{each.url}: {each.problem}", Override.CHECK_MEDIA)
        for each in media
        if each.problem is not None
    ]
    if len(media) > 1 and (differ := unequal(media)) is not None:
        found.append(PinProblem("media_urls", differ, Override.CHECK_MEDIA))
    return found


async def insist_on_media(content: PinContent, which: WhichMedia, look: LookAtMedia) -> list[str]:
    """Return what could not be known of a pin's images. Raises ``PinError`` with what is wrong with them."""
    urls = to_look_at(content, which)
    seen = await look(urls) if urls else {}
    if wrong := _problems(content, seen):
        raise PinError("; ".join(each.message for each in wrong), problems=wrong)
    return findings(content, seen)[1]


@asynccontextmanager
async def open_media_check(
    *, allowed: Callable[[Address], bool] = is_public, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MediaCheck]:
    """Yield a check that connects to ``allowed`` addresses only; its connections are closed at the end."""
    async with public_session(
        at_once=_AT_ONCE, at_once_of_a_host=_AT_ONCE_OF_A_HOST, seconds=_SECONDS, allowed=allowed, tls=tls
    ) as session:
        yield MediaCheck(session)
