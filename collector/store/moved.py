"""Remembers that the data went to another database, so that nobody goes on working in the old one."""

import secrets
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
    """Return where the data went; None where it is here, or was never here."""
    if not await connection.fetchval("SELECT to_regclass('moved_to') IS NOT NULL"):
        return None
    found = values(Moved, await connection.fetch(_FIND))
    return found[0] if found else None


async def is_same(one: Connection, other: Connection) -> bool:
    """Tell whether two connections are to one database, whatever their addresses say."""
    # Nobody else guesses the number, so only the other connection can have taken it.
    key = secrets.randbits(63)
    await one.execute("SELECT pg_advisory_lock($1)", key)
    try:
        return not await other.fetchval("SELECT pg_try_advisory_lock_shared($1)", key)
    finally:
        await one.execute("SELECT pg_advisory_unlock($1)", key)


async def mark_moved(connection: Connection, place: str) -> None:
    await connection.execute(_MARK, place)


async def take_back(connection: Connection) -> None:
    """Let this database be worked in again."""
    await connection.execute(_FORGET)


async def daemons_at_work(connection: Connection) -> list[str]:
    """Return the daemons that were heard of within the last minute, or since the mark."""
    return [row["owner"] for row in await connection.fetch(_AT_WORK)]
