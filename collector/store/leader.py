"""Who leads the work that one process does for all: a lease a work, which its leader renews."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database

# One that ends much later than any lease was written before the server's clock was set back. A little later is one of
# who began after us and was faster.
_LEAD = """
INSERT INTO leader AS l (work, owner, lease_until)
SELECT work, $1, now() + $3 * interval '1 second'
FROM unnest($2::text[]) AS w (work)
ORDER BY work
ON CONFLICT (work) DO UPDATE
SET owner = excluded.owner,
    since = CASE WHEN l.owner = excluded.owner AND l.lease_until > now() THEN l.since ELSE now() END,
    lease_until = excluded.lease_until
WHERE l.owner = excluded.owner
   OR l.lease_until <= now()
   OR l.lease_until > excluded.lease_until + $3 * interval '1 second'
RETURNING work
"""
_RESIGN = "DELETE FROM leader WHERE owner = $1"


class Leadership(msgspec.Struct, frozen=True):
    """A work that one process does for all, and that process, which leads without a break since then."""

    work: str
    owner: str
    since: datetime


_LEADERS = f"SELECT {names(Leadership)} FROM leader WHERE lease_until > now() ORDER BY work"


class LeaderStore:
    """The leases of one owner."""

    def __init__(self, database: Database, *, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def lead(self, works: Sequence[str], *, seconds: float) -> frozenset[str]:
        """Lead for so many seconds what nobody else leads, and return all that is ours."""
        rows = await self._database.fetch(_LEAD, self._owner, works, seconds)
        return frozenset(row["work"] for row in rows)

    async def resign(self) -> None:
        """Lead nothing any more, so that another process can at once."""
        await self._database.execute(_RESIGN, self._owner)


async def leaderships(database: Database) -> list[Leadership]:
    """Return who leads what now."""
    return values(Leadership, await database.fetch(_LEADERS))
