"""Says which field of a pin a problem is about: the rules of a pin are the database's, which puts them into words."""

import re
from collections.abc import Iterable
from typing import Final

from collector.models.pin import Override, PinProblem

# How the words of `pin_problems` begin.
_FIELDS: Final = (
    (re.compile(r"(the [a-z]+ of |[a-z]+ of )?(the )?carousel"), "carousel"),
    (re.compile(r"the client_ref"), "client_ref"),
    (re.compile(r"the description"), "description"),
    (re.compile(r"the title"), "title"),
    (re.compile(r"the link"), "link"),
    (re.compile(r"the board_id"), "board_id"),
    (re.compile(r"the note"), "note"),
    (re.compile(r"(the|a) thumbnail_url|a video needs a thumbnail_url"), "thumbnail_url"),
    (re.compile(r"publish_at"), "publish_at"),
    (re.compile(r"media URL (?P<place>[0-9]+)"), "media_urls"),
    (re.compile(r"the media URLs|there are [0-9]+ media URLs|there is no media URL"), "media_urls"),
    (re.compile(r"alt text (?P<place>[0-9]+)"), "alt_texts"),
    (re.compile(r"the alt texts|there are [0-9]+ alt texts"), "alt_texts"),
)


_PAST: Final = re.compile(r"publish_at is past")


def named(messages: Iterable[str]) -> list[PinProblem]:
    """Return what the database says is wrong, each with the field that it is about."""
    return [
        PinProblem(_field(message), message, Override.PAST if _PAST.match(message) else None) for message in messages
    ]


def _field(message: str) -> str:
    for pattern, field in _FIELDS:
        if (found := pattern.match(message)) is not None:
            place = found.groupdict().get("place")
            return f"{field}[{int(place) - 1}]" if place is not None else field
    return ""
