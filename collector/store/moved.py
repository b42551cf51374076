"""Remembers that the data went to another database, so that nobody goes on working in the old one."""

from datetime import datetime

import msgspec

from collector.store.columns import names, values
from collector.store.contents import Connection


class Moved(msgspec.Struct, frozen=True):
    """Where the data went, and since when nobody works here."""

    place: str
    moved_at: datetime


_FIND = f"SELECT {names(Moved)} FROM moved_to"
_MARK = "INSERT INTO moved_to (place) VALUES ($1) ON CONFLICT ((true)) DO UPDATE SET place = excluded.place"
_FORGET = "DELETE FROM moved_to"
# Whoever reported itself since the mark was made overlooked it; the others are heard of every few seconds.
_AT_WORK = """
SELECT owner
FROM daemon
WHERE stopped_at IS NULL
  AND (seen_at > now() - interval '1 minute' OR seen_at >= (SELECT moved_at FROM moved_to))
ORDER BY owner
"""


async def moved_to(connection: Connection) -> Moved | None:
    found = values(Moved, await connection.fetch(_FIND))
    return found[0] if found else None


async def mark_moved(connection: Connection, place: str) -> None:
    await connection.execute(_MARK, place)


async def take_back(connection: Connection) -> None:
    """Let this database be worked in again."""
    await connection.execute(_FORGET)


async def daemons_at_work(connection: Connection) -> list[str]:
    """Return the daemons that were heard of within the last minute, or since the mark."""
    return [row["owner"] for row in await connection.fetch(_AT_WORK)]
