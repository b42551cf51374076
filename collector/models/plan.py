"""What an import would do with each line."""

from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What an import does with a line."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class ColumnChange(msgspec.Struct, frozen=True):
    """A column that an import changes, its values as a person reads them; an empty one is none."""

    column: str
    old: str
    new: str


class Planned(msgspec.Struct, frozen=True):
    """What an import does with the thing of this name, or why it does not."""

    name: str
    action: Action
    changes: tuple[ColumnChange, ...] = ()
    reason: str | None = None
