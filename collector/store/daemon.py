"""Which daemons run: each reports itself, so that somebody who looks knows whether anything works at all."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database

_REPORT = """
WITH forgotten AS (
    DELETE FROM daemon
    WHERE seen_at < now() - interval '7 days'
)
INSERT INTO daemon (owner, version, roles, encrypts_with)
VALUES ($1, $2, $3, $4)
ON CONFLICT (owner) DO UPDATE
SET seen_at = now()
"""
_LEAVE = "UPDATE daemon SET stopped_at = now() WHERE owner = $1"


class DaemonProcess(msgspec.Struct, frozen=True):
    """A process of ``collector run``, as it reports itself; ``stopped_at`` is None where it was killed, too."""

    owner: str
    version: str
    roles: list[str]
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None


class SeenDaemon(DaemonProcess, frozen=True):
    """A process, and whether it was heard of within the last minute and not told to stop."""

    alive: bool


# Three reports and some patience.
_ALIVE = "stopped_at IS NULL AND seen_at > now() - interval '1 minute'"
_RUNNING = f"""
SELECT {names(DaemonProcess)}
FROM daemon
WHERE {_ALIVE}
ORDER BY started_at
"""
_LATELY = f"""
SELECT {names(DaemonProcess)}, {_ALIVE} AS alive
FROM daemon
WHERE seen_at > now() - interval '24 hours'
ORDER BY stopped_at IS NOT NULL, alive DESC, started_at
LIMIT 20
"""
_ENCRYPTING_OTHERWISE = f"SELECT owner FROM daemon WHERE {_ALIVE} AND encrypts_with <> $1 ORDER BY owner"
_LAST = f"SELECT {names(DaemonProcess)} FROM daemon ORDER BY seen_at DESC LIMIT 1"


class DaemonStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, owner: str, version: str, roles: Iterable[str], encrypts_with: bytes | None = None) -> None:
        """Say that a daemon is alive; ``encrypts_with`` is the mark of its encryption keys, None if it has none."""
        await self._database.execute(_REPORT, owner, version, sorted(roles), encrypts_with)

    async def leave(self, owner: str) -> None:
        await self._database.execute(_LEAVE, owner)

    async def running(self) -> list[DaemonProcess]:
        """Return the daemons that were heard of within the last minute, the oldest first."""
        return values(DaemonProcess, await self._database.fetch(_RUNNING))

    async def lately(self) -> list[SeenDaemon]:
        """Return the daemons of the last 24 hours, those that run first, then those that fell silent; 20 at most."""
        return values(SeenDaemon, await self._database.fetch(_LATELY))

    async def encrypting_otherwise(self, mark: bytes) -> list[str]:
        """Return the running daemons that encrypt with another key than the one with this mark."""
        return [row["owner"] for row in await self._database.fetch(_ENCRYPTING_OTHERWISE, mark)]

    async def last(self) -> DaemonProcess | None:
        """Return the one that was heard of last, running or not."""
        found = values(DaemonProcess, await self._database.fetch(_LAST))
        return found[0] if found else None
