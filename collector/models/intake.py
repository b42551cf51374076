"""Days that are imported from files of other programs."""

from datetime import date

import msgspec

COUNTS = ("impression", "engagement", "save", "pin_click", "outbound_click")
"""What an imported day can have, in the order of its numbers."""


class FileDay(msgspec.Struct, frozen=True):
    """A day of a profile as a file has it; ``numbers`` has a count for each of `COUNTS`."""

    profile: str
    day: date
    numbers: tuple[int | None, ...]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a profile's days: ``new`` ones, those that another import had and that are ``changed``.

    Kept as they are: the ``same`` ones, those of another import that are ``different`` and were not to be replaced, and
    those that were ``observed`` by polls.
    """

    profile: str
    first_day: date
    last_day: date
    new: int = 0
    changed: int = 0
    same: int = 0
    different: int = 0
    observed: int = 0


class ImportedSource(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a source."""

    source: str
    profiles: int
    days: int
    first_day: date
    last_day: date
