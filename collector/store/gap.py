"""Reads which days are not there and what the log of polls knows about them, and writes down those that are lost."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from collector.models.gap import Cause
from collector.models.profile import ProfileState
from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database
from collector.store.retention import POLL_LOG_DAYS


class GappyProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile with days that are not there and not written down as lost; ``missing`` is in order.

    Ayrshare serves a day for ``served_days`` days after it. ``settle_days`` after it, it is due.
    """

    profile_id: int
    profile: str
    client: str
    state: ProfileState
    created_on: date
    last_success_on: date | None
    consecutive_failures: int
    settle_days: int
    served_days: int
    today: date
    missing: list[date]


class PollDay(msgspec.Struct, frozen=True, kw_only=True):
    """How the last poll of a profile on a UTC day ended, and whether any of that day brought data."""

    profile_id: int
    day: date
    good: bool
    outcome: str
    http_status: int | None
    problems: int
    detail: str | None


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    profile_id: int
    changed_on: date
    former: ProfileState
    state: ProfileState


class _FleetDay(msgspec.Struct, frozen=True):
    """How everybody's polls of a UTC day ended; it is ``over`` where none of them can still be written."""

    day: date
    outcome: str | None
    over: bool


class LostDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day that is written down as lost."""

    profile: str
    client: str
    cause: Cause


class _NewlyLost(msgspec.Struct, frozen=True):
    profile_id: int
    cause: Cause


# A day is written down as lost a day after it may be: an answer that ends yesterday reaches back a day further.
_LOST_THROUGH = "t.today - fetchable_days(p.window_days) - 1"


def _gappy(until: str, which: str) -> str:
    """Return the statement for the profiles ``which`` tells; the days end at ``until``."""
    return f"""
        SELECT
            p.id AS profile_id, p.name AS profile, p.client, p.state,
            (p.created_at AT TIME ZONE 'UTC')::date AS created_on,
            (p.last_success_at AT TIME ZONE 'UTC')::date AS last_success_on,
            p.consecutive_failures, coalesce(p.settle_days, 0) AS settle_days,
            fetchable_days(p.window_days) AS served_days, t.today,
            ARRAY(
                SELECT c.day::date
                FROM generate_series(b.since, b.until, interval '1 day') AS c (day)
                WHERE c.day::date <> ALL (h.days)
                ORDER BY c.day
            ) AS missing
        FROM profile p
        CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
        CROSS JOIN LATERAL (SELECT greatest(p.first_day, p.lost_through + 1) AS since, {until} AS until) b
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(m.day), '{{}}') AS days
            FROM daily_metric m
            WHERE m.profile_id = p.id
              AND m.day BETWEEN b.since AND b.until
        ) h
        WHERE p.first_day IS NOT NULL
          AND b.until - b.since + 1 > cardinality(h.days)
          AND {which}
        ORDER BY p.id
    """


_NEWLY_LOST = _gappy(f"least({_LOST_THROUGH}, newest_day_due(p.settle_days))", "p.id = ANY ($1::bigint[])")


def _chosen(client: str | None, profile: str | None) -> str:
    """Return which profiles are meant by a client $1 and a name $2: a plan for any of these would read all profiles."""
    conditions = ["$1::text IS NULL" if client is None else "p.client = $1"]
    conditions.append("$2::text IS NULL" if profile is None else "p.name = $2")
    return " AND ".join(conditions)


# The index has all but `unchanged`, and a day on which a profile brought nothing has none of those.
_POLL_DAYS = """
SELECT
    profile_id, (polled_at AT TIME ZONE 'UTC')::date AS day, bool_or(outcome = 'ok') AS good,
    (array_agg(outcome ORDER BY polled_at DESC))[1] AS outcome,
    (array_agg(http_status ORDER BY polled_at DESC))[1] AS http_status,
    (array_agg(problems ORDER BY polled_at DESC))[1] AS problems,
    (array_agg(detail ORDER BY polled_at DESC))[1] AS detail
FROM poll_log
WHERE profile_id = ANY ($1::bigint[])
  AND polled_at >= $2::date
  AND outcome <> 'unchanged'
GROUP BY 1, 2
"""
# Of few days, which the BRIN index finds.
_UNCHANGED_DAYS = """
SELECT DISTINCT profile_id, (polled_at AT TIME ZONE 'UTC')::date AS day
FROM poll_log
WHERE profile_id = ANY ($1::bigint[])
  AND polled_at >= $2::date
  AND polled_at < $3::date + 1
  AND outcome = 'unchanged'
"""
_STATE_CHANGES = """
SELECT profile_id, (changed_at AT TIME ZONE 'UTC')::date AS changed_on, former, state
FROM profile_state_change
WHERE profile_id = ANY ($1::bigint[])
ORDER BY profile_id, changed_at
"""
_FLEET_DAYS = """
SELECT
    c.day,
    CASE
        WHEN EXISTS (
            SELECT
            FROM poll_log
            WHERE polled_at >= c.day
              AND polled_at < c.day + 1
              AND outcome IN ('ok', 'unchanged')
        )
        THEN 'ok'
        ELSE (
            SELECT mode() WITHIN GROUP (ORDER BY outcome)
            FROM poll_log
            WHERE polled_at >= c.day
              AND polled_at < c.day + 1
        )
    END AS outcome,
    c.day < (now() AT TIME ZONE 'UTC')::date - 1 AS over
FROM unnest($1::date[]) AS c (day)
"""
# Or the table would be read from its beginning for the first poll of a day.
_BY_INDEX = "SET LOCAL enable_seqscan = off"
# A day that came after all is lost no more.
_LOST = f"""
SELECT p.name AS profile, p.client, {names(Cause, "l.")}
FROM lost_day l
JOIN profile p ON p.id = l.profile_id
WHERE {{which}}
  AND NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = l.profile_id AND m.day = l.day)
ORDER BY l.profile_id, l.day
"""

_TO_LOOK_AT = f"""
SELECT p.id, {_LOST_THROUGH} AS through
FROM profile p
CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
WHERE p.id > $1
  AND coalesce(p.lost_through, p.first_day - 1) < {_LOST_THROUGH}
ORDER BY p.id
LIMIT $2
"""
# A profile whose poll is being stored is left for the next time, so that neither waits for the other. Of one that is
# removed meanwhile nothing is noted. What deletes days takes this lock, too.
_LOCK_FREE = """
SELECT id
FROM profile
WHERE id = ANY ($1::bigint[])
FOR NO KEY UPDATE SKIP LOCKED
"""
_FORGET = """
DELETE FROM lost_day l
WHERE l.profile_id = ANY ($1::bigint[])
  AND EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = l.profile_id AND m.day = l.day)
"""
_NOTE = f"""
INSERT INTO lost_day ({names(_NewlyLost)})
SELECT {names(_NewlyLost)}
FROM unnest({arrays(_NewlyLost)}) AS l ({names(_NewlyLost)})
ON CONFLICT (profile_id, day) DO NOTHING
"""
# No day counts as looked at that was not lost before: midnight, or a poll that learns another window, may have come
# between. Nor does any if a day went meanwhile, as by undoing an import: nobody has found out why it is not there.
_LOOKED_AT = f"""
UPDATE profile AS p
SET lost_through = n.through
FROM (
    SELECT p.id, least(l.through, {_LOST_THROUGH}) AS through
    FROM unnest($1::bigint[], $2::date[]) AS l (id, through)
    JOIN profile p USING (id)
    CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
) AS n
WHERE p.id = n.id
  AND NOT EXISTS (
      SELECT
      FROM generate_series(greatest(p.first_day, p.lost_through + 1), n.through, interval '1 day') AS c (day)
      WHERE NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = p.id AND m.day = c.day::date)
        AND NOT EXISTS (SELECT FROM lost_day d WHERE d.profile_id = p.id AND d.day = c.day::date)
  )
"""


class GapStore:
    """Days that are not there, and the evidence of why."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fleet_days: dict[date, str | None] = {}

    async def gappy(self, client: str | None, profile: str | None) -> list[GappyProfile]:
        """Return the profiles with days that are due, are not there, and are not written down as lost."""
        statement = _gappy("newest_day_due(p.settle_days)", _chosen(client, profile))
        return values(GappyProfile, await self._database.fetch(statement, client, profile))

    async def losing(self, profile_ids: Sequence[int]) -> list[GappyProfile]:
        """Return those of the profiles with days that are lost since they were looked at last, and only those days."""
        return values(GappyProfile, await self._database.fetch(_NEWLY_LOST, profile_ids))

    async def lost(self, client: str | None, profile: str | None) -> list[LostDay]:
        """Return the days that are written down as lost, by profile and day."""
        statement = _LOST.format(which=_chosen(client, profile))
        return values(LostDay, await self._database.fetch(statement, client, profile))

    async def poll_days(self, profile_ids: Sequence[int], since: date) -> list[PollDay]:
        """Return the days with a poll that was not merely ``unchanged``, in no order."""
        return values(PollDay, await self._database.fetch(_POLL_DAYS, profile_ids, since))

    async def unchanged_days(self, profile_ids: Sequence[int], first: date, last: date) -> list[tuple[int, date]]:
        """Return the profiles, each with a day of those few, that were answered what was known before."""
        return [
            (row["profile_id"], row["day"])
            for row in await self._database.fetch(_UNCHANGED_DAYS, profile_ids, first, last)
        ]

    async def state_changes(self, profile_ids: Sequence[int]) -> list[StateChange]:
        """Return the changes of state in the order in which they happened."""
        return values(StateChange, await self._database.fetch(_STATE_CHANGES, profile_ids))

    async def fleet_days(self, days: set[date]) -> Mapping[date, str | None]:
        """Return how everybody's polls of these UTC days ended: ``ok`` if any was good, else the usual outcome.

        It is None without any. Days that are over are read once.
        """
        found: list[_FleetDay] = []
        if unknown := sorted(days - self._fleet_days.keys()):
            async with self._database.transaction() as connection:
                await connection.execute(_BY_INDEX)
                found = values(_FleetDay, await connection.fetch(_FLEET_DAYS, unknown))
        self._fleet_days |= {each.day: each.outcome for each in found if each.over}
        return self._fleet_days | {each.day: each.outcome for each in found}

    async def to_look_at(self, after: int, limit: int) -> dict[int, date]:
        """Return profiles that may have lost days since they were looked at last, by their ids in order.

        Of each it is the last day that is lost.
        """
        return dict(await self._database.fetch(_TO_LOOK_AT, after, limit))

    async def note_lost(self, through: Mapping[int, date], lost: Sequence[tuple[int, Cause]]) -> int:
        """Write down what the profiles lost, and that they were looked at ``through`` a day of each.

        Return how many of the days could be written down: a profile that others write is left for the next time.
        Repeating it changes nothing.
        """
        async with self._database.transaction() as connection:
            free = {
                profile_id: through[profile_id] for (profile_id,) in await connection.fetch(_LOCK_FREE, list(through))
            }
            rows = [_NewlyLost(profile_id, cause) for profile_id, cause in lost if profile_id in free]
            await connection.execute(_FORGET, list(free))
            await connection.execute(_NOTE, *columns(_NewlyLost, rows))
            await connection.execute(_LOOKED_AT, list(free), list(free.values()))
        return len(rows)


def log_begins(today: date) -> date:
    """Return the first day of which the log of polls is certainly whole."""
    return date.fromordinal(today.toordinal() - POLL_LOG_DAYS + 1)
