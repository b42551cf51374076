"""Reads an account's counters over time: followers, monthly views, and whatever else Ayrshare tells of an account."""

from datetime import date, datetime

import msgspec

from collector.store.columns import values
from collector.store.pool import Database


class CounterDay(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer of a UTC day; ``counters`` are its numbers by name, ``followers`` among them."""

    day: date
    observed_at: datetime
    counters: dict[str, int | float]


class _Row(msgspec.Struct, frozen=True):
    day: date
    observed_at: datetime
    followers: int | None
    extra: str | None


_DAYS = """
SELECT DISTINCT ON (s.day) s.day, s.observed_at, s.followers, s.extra::text AS extra
FROM (
    SELECT (observed_at AT TIME ZONE 'UTC')::date AS day, observed_at, followers, extra
    FROM account_snapshot
    WHERE profile_id = $1
      AND observed_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND observed_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
) s
ORDER BY s.day, s.observed_at DESC
"""


class CounterStore:
    """Counters of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def days(self, profile_id: int, first: date, last: date) -> list[CounterDay]:
        """Return the days from ``first`` to ``last`` that have an answer, the oldest first."""
        rows = values(_Row, await self._database.fetch(_DAYS, profile_id, first, last))
        return [CounterDay(day=row.day, observed_at=row.observed_at, counters=_counters(row)) for row in rows]


def _counters(row: _Row) -> dict[str, int | float]:
    followers = {} if row.followers is None else {"followers": row.followers}
    others = msgspec.json.decode(row.extra, type=dict[str, int | float]) if row.extra else {}
    return followers | others
