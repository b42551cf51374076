"""Reads the fleet as the pages and the status command show it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg

from collector.store.pool import Database

_STATUS = "SELECT * FROM profile_status ORDER BY name"
_STATUS_OF = "SELECT * FROM profile_status WHERE id = ANY ($1::bigint[])"
_POLLED_SINCE = "SELECT DISTINCT profile_id FROM poll_log WHERE polled_at >= $1"
_NOW = "SELECT now()"

_SUMMARY = """
SELECT
    p.state,
    count(*) AS profiles,
    count(*) FILTER (WHERE s.missing_days > 0) AS with_missing_days,
    coalesce(sum(s.missing_days), 0)::bigint AS missing_days,
    count(*) FILTER (WHERE p.last_success_at IS NULL) AS never_read,
    min(p.last_success_at) AS oldest_success,
    max(p.last_success_at) AS newest_success,
    min(s.settled_day) AS oldest_settled_day,
    max(s.settled_day) AS newest_settled_day
FROM profile p
JOIN profile_status s ON s.id = p.id
GROUP BY p.state
ORDER BY p.state
"""

_TROUBLED = """
SELECT
    name, client, state, state_since, last_outcome, coalesce(state_reason, last_error) AS reason,
    consecutive_failures, last_success_at, next_poll_at,
    CASE
        WHEN rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN rate_limited_count
        ELSE 0
    END AS rate_limited_today
FROM profile
WHERE state IN ('unlinked', 'suspended', 'key_invalid')
   OR (state = 'active' AND (last_outcome NOT IN ('ok', 'unchanged') OR last_error IS NOT NULL))
ORDER BY client, name
"""

_POLLS = """
SELECT outcome, count(*) AS polls
FROM poll_log
WHERE polled_at > now() - interval '24 hours'
GROUP BY outcome
ORDER BY polls DESC
"""

_DATABASE = """
SELECT
    current_setting('server_version') AS version,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
    pg_database_size(current_database()) AS size_bytes,
    (SELECT count(*) FROM daily_metric) AS days
"""

_BACKLOG = """
SELECT count(*) AS due, coalesce(extract(epoch FROM now() - min(next_poll_at)), 0)::double precision AS lag_seconds
FROM profile
WHERE next_poll_at <= now()
"""

_RECENT_POLLS = """
SELECT polled_at, outcome, http_status, code, duration_seconds, rows_new, rows_changed, problems, detail, excerpt
FROM poll_log
WHERE profile_id = $1
ORDER BY polled_at DESC
LIMIT $2
"""
_BATCH = 500


class FleetStore:
    """Rows of the view ``profile_status``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self) -> AsyncIterator[list[asyncpg.Record]]:
        """Yield all profiles by name, in batches, so that a large fleet is never in memory at once."""
        async with self._database.transaction() as connection:
            cursor = await connection.cursor(_STATUS)
            while rows := await cursor.fetch(_BATCH):
                yield rows

    async def status_of(self, profile_ids: list[int]) -> list[asyncpg.Record]:
        return await self._database.fetch(_STATUS_OF, profile_ids)

    async def backlog(self) -> tuple[int, float]:
        """Return how many profiles are due, and for how many seconds the first of them has been."""
        row = await self._database.fetchrow(_BACKLOG)
        return (row["due"], row["lag_seconds"]) if row is not None else (0, 0.0)

    async def summary(self) -> list[asyncpg.Record]:
        """Return one row a state, with counts and the extremes of freshness."""
        return await self._database.fetch(_SUMMARY)

    async def troubled(self) -> list[asyncpg.Record]:
        """Return the profiles whose last poll failed or that are not polled as usual, paused ones left out."""
        return await self._database.fetch(_TROUBLED)

    async def polls(self) -> dict[str, int]:
        """Return the number of polls of the last 24 hours by outcome."""
        return {row["outcome"]: row["polls"] for row in await self._database.fetch(_POLLS)}

    async def database(self) -> asyncpg.Record | None:
        return await self._database.fetchrow(_DATABASE)

    async def recent_polls(self, profile_id: int, count: int) -> list[asyncpg.Record]:
        """Return the profile's last polls, newest first."""
        return await self._database.fetch(_RECENT_POLLS, profile_id, count)

    async def now(self) -> datetime:
        """Return the database's clock."""
        now: datetime = await self._database.fetchval(_NOW)
        return now

    async def polled_since(self, instant: datetime) -> list[int]:
        """Return the profiles polled since ``instant``, and a minute more for transactions that were still open."""
        rows = await self._database.fetch(_POLLED_SINCE, instant - timedelta(minutes=1))
        return [row["profile_id"] for row in rows]
