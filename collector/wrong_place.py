"""Says what is wrong with a file of choices, in words for whoever wrote it."""

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]

_SAID: Final = {
    "extra_forbidden": "there is no such key",
    "missing": "is missing",
    "enum": "is not {expected}",
    "literal_error": "is not {expected}",
}


def wrong_places(error: ValidationError) -> list[tuple[Place, str]]:
    """Return each place of the file that is wrong, and why."""
    found = error.errors()
    places = [each["loc"] for each in found]
    return [(each["loc"], _said(each)) for each in found if not _is_short_of_wrong_items(each, places)]


def _is_short_of_wrong_items(error: ErrorDetails, places: list[Place]) -> bool:
    # What is wrong with its items is told of those.
    place = error["loc"]
    return error["type"] == "too_short" and any(
        other[: len(place)] == place for other in places if len(other) > len(place)
    )


def _said(error: ErrorDetails) -> str:
    if error["type"] in _SAID:
        return _SAID[error["type"]].format(**error.get("ctx", {}))
    message = error["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"
