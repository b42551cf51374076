"""What is in a database, so that a copy of it can be proved."""

from datetime import datetime

import msgspec


class TableContents(msgspec.Struct, frozen=True):
    """A table's columns, the number of its rows, and a digest of all of them in any order."""

    name: str
    columns: list[str]
    rows: int
    digest: str


class Sequence(msgspec.Struct, frozen=True):
    """The last number that a column of a table was given; None where it never was."""

    table: str
    column: str
    last: int | None


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A database at a moment: its migrations with their SHA-256, and its tables, those first that others refer to."""

    version: str
    taken_at: datetime
    migrations: dict[str, str]
    tables: list[TableContents]
    sequences: list[Sequence]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def schema(self) -> str:
        """The newest of its migrations."""
        return max(self.migrations)
