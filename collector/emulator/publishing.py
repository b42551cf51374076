"""Checks what may be posted to Pinterest: Ayrshare's limits on `POST /post` and `POST /validate/post`. Pure."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from collector.emulator.errors import Json

_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".avi", ".mkv", ".mpg", ".mpeg", ".wmv", ".webm"})
_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
_MAX_IMAGES = 5

Url = Annotated[str, Meta(pattern="^https://", max_length=2048)]


class CarouselItem(msgspec.Struct, frozen=True):
    """The texts of one image."""

    title: Annotated[str, Meta(max_length=100)] | None = None
    link: Annotated[str, Meta(max_length=2048)] | None = None
    description: Annotated[str, Meta(max_length=500)] | None = None


class PinterestOptions(msgspec.Struct, frozen=True, rename="camel"):
    """`pinterestOptions`, with the limits that Ayrshare documents."""

    title: Annotated[str, Meta(max_length=100)] | None = None
    link: Annotated[str, Meta(max_length=2048)] | None = None
    board_id: str | None = None
    alt_text: tuple[Annotated[str, Meta(max_length=500)], ...] = ()
    note: Annotated[str, Meta(max_length=1000)] | None = None
    thumb_nail: Url | None = None
    carousel_options: Annotated[tuple[CarouselItem, ...], Meta(min_length=2, max_length=5)] | None = None


class PostRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of `POST /post` that concern Pinterest."""

    platforms: Annotated[tuple[str, ...], Meta(min_length=1)]
    post: Annotated[str, Meta(max_length=500)] = ""
    media_urls: Annotated[tuple[Url, ...], Meta(min_length=1)] = ()
    is_video: bool = False
    schedule_date: Annotated[datetime, Meta(tz=True)] | None = None
    notes: str | None = None
    idempotency_key: Annotated[str, Meta(min_length=1)] | None = None
    pinterest_options: PinterestOptions = PinterestOptions()


class InvalidPostError(ValueError):
    """A post that Ayrshare would refuse; the message says why."""


def parse_post(body: Json) -> PostRequest:
    """Read and check a post.

    Raises:
        InvalidPostError: it breaks a rule; the message names the first.
    """
    try:
        request = msgspec.convert(body, PostRequest)
    except msgspec.ValidationError as error:
        raise InvalidPostError(str(error)) from error
    complaint = _complaint(request)
    if complaint:
        raise InvalidPostError(complaint)
    return request


def _complaint(request: PostRequest) -> str:
    options, urls = request.pinterest_options, request.media_urls
    suffixes = [PurePosixPath(urlsplit(url).path).suffix.lower() for url in urls]
    videos = request.is_video or any(suffix in _VIDEO_SUFFIXES for suffix in suffixes)
    unknown = [suffix for suffix in suffixes if suffix and suffix not in _VIDEO_SUFFIXES | _IMAGE_SUFFIXES]
    rules = (
        ("pinterest" not in request.platforms, "platforms must contain 'pinterest'; nothing else is emulated."),
        (not urls, "Pinterest needs at least one of mediaUrls."),
        (bool(unknown) and not videos, f"Pinterest does not take {', '.join(unknown)}."),
        (videos and len(urls) > 1, "Pinterest takes one video only."),
        (videos and options.thumb_nail is None, "A video needs pinterestOptions.thumbNail."),
        (len(urls) > _MAX_IMAGES, f"Pinterest takes at most {_MAX_IMAGES} images."),
        (len(options.alt_text) > len(urls), "There are more altText than mediaUrls."),
        (len(options.carousel_options or ()) > len(urls), "There are more carouselOptions than mediaUrls."),
    )
    return next((message for broken, message in rules if broken), "")
