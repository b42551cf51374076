"""Reads recent drops, and writes which of them are the fleet's."""

from collections.abc import Sequence
from datetime import date

import asyncpg
import msgspec

from collector.models.drop import Episode, JudgedDays
from collector.store.columns import arrays, columns, names, values


class Drop(Episode, frozen=True, kw_only=True):
    """An episode of a profile, with the sentence that tells it, and why it was called."""

    profile_id: int
    sentence: str
    why: str


class RecentDrop(Drop, frozen=True, kw_only=True):
    """A drop as it is stored, with the name of its profile."""

    name: str
    inhibited: bool


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a drop began with one of the fleet, and the sentence that says so."""

    profile_id: int
    metric: str
    detected_day: date
    inhibited: bool
    sentence: str


class FleetDrop(msgspec.Struct, frozen=True, kw_only=True):
    """A drop of the whole fleet; ``share`` is the largest of its days."""

    first_day: date
    last_day: date
    profiles: int
    share: float
    open: bool
    sentence: str


_RECENT = f"""
SELECT p.name, e.inhibited, {names(Drop, "e.")}
FROM drop_episode e
JOIN profile p ON p.id = e.profile_id
WHERE e.last_day >= $1
ORDER BY e.profile_id, e.detected_day
"""

# Only profiles that are read as usual: a lost link is no drop of the fleet. Those without drops are counted together.
_JUDGED = """
SELECT e.profile_id, v.judged_since AS first_day, v.settled_through AS last_day, count(*) AS profiles
FROM drop_verdict v
JOIN profile p ON p.id = v.profile_id
LEFT JOIN (SELECT DISTINCT profile_id FROM drop_episode WHERE last_day >= $1) e ON e.profile_id = v.profile_id
WHERE v.judged_since IS NOT NULL
  AND p.state = 'active'
GROUP BY e.profile_id, v.judged_since, v.settled_through
"""

_MARK = f"""
UPDATE drop_episode AS e
SET inhibited = m.inhibited, sentence = m.sentence, updated_at = now()
FROM unnest({arrays(Mark)}) AS m ({names(Mark)})
WHERE e.profile_id = m.profile_id
  AND e.metric = m.metric
  AND e.detected_day = m.detected_day
"""

# A drop that is no longer the fleet's may have other causes, which only its days show.
_JUDGE_AGAIN = "UPDATE drop_verdict SET state = NULL WHERE profile_id = ANY ($1::bigint[])"

_WRITE_FLEET = f"""
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest({arrays(FleetDrop, 2)}) AS g ({names(FleetDrop)})
),
gone AS (
    DELETE FROM fleet_drop
    WHERE first_day >= $1
      AND first_day NOT IN (SELECT first_day FROM given)
)
INSERT INTO fleet_drop AS f ({names(FleetDrop)})
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

    async def recent(self, since: date) -> list[RecentDrop]:
        """Return the drops that lasted until ``since`` or longer."""
        return values(RecentDrop, await self._connection.fetch(_RECENT, since))

    async def judged(self, since: date) -> list[JudgedDays]:
        """Return between which days profiles could be judged: those that :meth:`recent` has, and how many others."""
        return values(JudgedDays, await self._connection.fetch(_JUDGED, since))

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Store whether drops are the fleet's; profiles whose drops no longer are will be judged again."""
        if marks:
            await self._connection.execute(_MARK, *columns(Mark, marks))
            await self._connection.execute(_JUDGE_AGAIN, [mark.profile_id for mark in marks if not mark.inhibited])

    async def write(self, since: date, drops: Sequence[FleetDrop]) -> None:
        """Store the fleet's drops that began on ``since`` or later, and delete those that no longer did."""
        await self._connection.execute(_WRITE_FLEET, since, *columns(FleetDrop, drops))
