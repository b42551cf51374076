"""Tables that are handed out."""

from datetime import date, datetime
from enum import StrEnum

import msgspec


class Table(StrEnum):
    """What can be handed out."""

    DAILY = "daily"
    ACCOUNT = "account"
    PINS = "pins"
    DROPS = "drops"
    GAPS = "gaps"


class Kind(StrEnum):
    """What a column holds; a ``LIST`` is of texts, a ``JSON`` an object."""

    TEXT = "text"
    WHOLE = "whole"
    FRACTION = "fraction"
    DATE = "date"
    TIME = "time"
    FLAG = "flag"
    LIST = "list"
    JSON = "json"


class Column(msgspec.Struct, frozen=True):
    """A column by its name."""

    name: str
    kind: Kind


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: of a client, of days, and as they were known at a moment; None is all, and now."""

    client: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    as_of: datetime | None = None
