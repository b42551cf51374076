"""What an import of pins would do with each line, for those who want to see it first."""

import msgspec

from collector.models.plan import Action, ColumnChange, Planned


class PlannedLine(msgspec.Struct, frozen=True):
    """A line of a table beside the pin that it is about, if that is ``known``; old and new values of ``columns``."""

    line: int
    name: str
    known: bool
    columns: list[str]
    old: list[str]
    new: list[str]


def planned(line: PlannedLine, reason: str | None) -> Planned:
    """Return what would be done with a line; a ``reason`` is why it would be refused."""
    if reason is not None:
        return Planned(line.name, Action.REFUSED, reason=reason)
    if not line.known:
        return Planned(line.name, Action.ADDED)
    changes = tuple(map(ColumnChange, line.columns, line.old, line.new))
    return Planned(line.name, Action.CHANGED if changes else Action.UNCHANGED, changes)
