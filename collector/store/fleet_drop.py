"""What tells the fleet's drops from the clients': their episodes in, which of them are the fleet's out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date

import asyncpg

from collector.store.pool import Database

# Of a process whose machine is gone the server would keep the lock for hours.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '30s'"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('collector.fleet_drop'))"

_RECENT = """
SELECT e.profile_id, p.name, e.metric, e.detected_day, e.first_day, e.last_day, e.observed, e.expected, e.expected_low,
       e.score, e.lost_share, e.closed_on, e.close_reason, e.inhibited, e.sentence
FROM drop_episode e
JOIN profile p ON p.id = e.profile_id
WHERE e.last_day >= $1
ORDER BY e.profile_id, e.detected_day
"""

# Only profiles that are read as usual: a lost link is no drop of the fleet. Those without drops are counted together.
_JUDGED = """
SELECT e.profile_id, v.judged_since, v.settled_through, count(*) AS profiles
FROM drop_verdict v
JOIN profile p ON p.id = v.profile_id
LEFT JOIN (SELECT DISTINCT profile_id FROM drop_episode WHERE last_day >= $1) e ON e.profile_id = v.profile_id
WHERE v.judged_since IS NOT NULL
  AND p.state = 'active'
GROUP BY e.profile_id, v.judged_since, v.settled_through
"""

_MARK = """
UPDATE drop_episode AS e
SET inhibited = m.inhibited, sentence = m.sentence, updated_at = now()
FROM unnest($1::bigint[], $2::text[], $3::date[], $4::boolean[], $5::text[])
    AS m (profile_id, metric, detected_day, inhibited, sentence)
WHERE e.profile_id = m.profile_id
  AND e.metric = m.metric
  AND e.detected_day = m.detected_day
"""

# What is no longer the fleet's may have other causes, which only its days tell.
_JUDGE_AGAIN = "UPDATE drop_verdict SET state = NULL WHERE profile_id = ANY ($1::bigint[])"

_WRITE_FLEET = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($2::date[], $3::date[], $4::integer[], $5::float8[], $6::boolean[], $7::text[])
        AS g (first_day, last_day, profiles, share, open, sentence)
),
gone AS (
    DELETE FROM fleet_drop
    WHERE first_day >= $1
      AND first_day NOT IN (SELECT first_day FROM given)
)
INSERT INTO fleet_drop AS f (first_day, last_day, profiles, share, open, sentence)
SELECT * FROM given
ON CONFLICT (first_day) DO UPDATE
SET last_day = excluded.last_day, profiles = excluded.profiles, share = excluded.share, open = excluded.open,
    sentence = excluded.sentence
WHERE (f.last_day, f.profiles, f.share, f.open, f.sentence)
      IS DISTINCT FROM (excluded.last_day, excluded.profiles, excluded.share, excluded.open, excluded.sentence)
"""


class FleetDropStore:
    """The fleet's drops in one transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def recent(self, since: date) -> list[asyncpg.Record]:
        """Return the episodes that lasted until ``since`` or longer."""
        rows: list[asyncpg.Record] = await self._connection.fetch(_RECENT, since)
        return rows

    async def judged(self, since: date) -> list[asyncpg.Record]:
        """Return between which days profiles could be judged: those that :meth:`recent` has, and how many others."""
        rows: list[asyncpg.Record] = await self._connection.fetch(_JUDGED, since)
        return rows

    async def mark(self, marks: Sequence[Sequence[object]]) -> None:
        """Say of episodes whether they are the fleet's: profile's id, metric, day of detection, yes or no, sentence."""
        if marks:
            await self._connection.execute(_MARK, *map(list, zip(*marks, strict=True)))
            await self._connection.execute(_JUDGE_AGAIN, [mark[0] for mark in marks if not mark[3]])

    async def write(self, since: date, drops: Sequence[Sequence[object]]) -> None:
        columns = [list(column) for column in zip(*drops, strict=True)] or [[] for _ in range(6)]
        await self._connection.execute(_WRITE_FLEET, since, *columns)


@asynccontextmanager
async def fleet_drops(database: Database) -> AsyncIterator[FleetDropStore]:
    """Yield the fleet's drops to one process at a time: two would undo each other's."""
    async with database.transaction() as connection:
        await connection.execute(_PATIENCE)
        await connection.execute(_LOCK)
        yield FleetDropStore(connection)
