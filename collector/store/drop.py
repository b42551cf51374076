"""What the detector reads and writes: settled days in, verdicts and episodes out."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date

import asyncpg

from collector.store.fleet_drop import FleetDropStore, fleet_drops
from collector.store.pool import Database

# Settled days changed, were settled since, or are to be judged by another preset; or the state, which sentences name. A
# verdict remembers the poll that it knew.
_CHANGED = """
SELECT p.id, p.settled_through
FROM profile p
LEFT JOIN drop_verdict v ON v.profile_id = p.id
LEFT JOIN drop_sensitivity s ON s.scope = 'profile' AND s.name = p.name
LEFT JOIN drop_sensitivity c ON c.scope = 'client' AND c.name = p.client
WHERE p.settled_through IS NOT NULL
  AND (
      v.profile_id IS NULL
      OR v.settled_through IS DISTINCT FROM p.settled_through
      OR v.sensitivity <> coalesce(s.sensitivity, c.sensitivity, 'normal')
      OR v.state IS DISTINCT FROM p.state
      OR p.days_changed_at > v.last_poll_at
  )
ORDER BY p.settled_through, p.id
"""

# Days and counts come as the bytes of arrays: a Python number for each of them would take as long as judging them.
_READ = """
SELECT
    p.id, p.name, $3::date AS settled_through, p.last_poll_at, p.state, p.state_since,
    coalesce(
        (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'profile' AND name = p.name),
        (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'client' AND name = p.client),
        'normal'
    ) AS sensitivity,
    (SELECT max(published_at) FROM pin WHERE profile_id = p.id AND state = 'published') AS last_pin_at,
    d.places, d.engagement, d.impression, d.outbound_click, d.save
FROM profile p
CROSS JOIN LATERAL (
    SELECT
        string_agg(int4send(m.day - $2::date), '') AS places,
        string_agg(float8send(coalesce(m.engagement, 'NaN'::float8)), '') AS engagement,
        string_agg(float8send(coalesce(m.impression, 'NaN'::float8)), '') AS impression,
        string_agg(float8send(coalesce(m.outbound_click, 'NaN'::float8)), '') AS outbound_click,
        string_agg(float8send(coalesce(m.save, 'NaN'::float8)), '') AS save
    FROM daily_metric m
    WHERE m.profile_id = p.id
      AND m.day >= $2::date
      AND m.day <= $3::date
      AND (m.data_status IS NULL OR m.data_status NOT IN ('PROCESSING', 'ESTIMATE'))
) d
WHERE p.id = ANY ($1::bigint[])
ORDER BY p.id
"""

_HISTORY = """
SELECT p.id, p.name, p.client, p.settled_through, min(m.day) AS first_day
FROM profile p
JOIN daily_metric m ON m.profile_id = p.id AND m.day <= p.settled_through
GROUP BY p.id
ORDER BY p.settled_through, p.id
"""

# The version of a day that was known when it settled; of one that was first seen later, its first. What Pinterest
# called an estimate had not settled, however old it was. The versions of a profile are read together: day by day, the
# columnstore would unpack a segment for each.
_KNOWN = """
SELECT
    p.id, p.name, p.client, $4::date AS settled_through,
    coalesce(
        $3::text,
        (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'profile' AND name = p.name),
        (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'client' AND name = p.client),
        'normal'
    ) AS sensitivity,
    d.places, d.engagement, d.impression, d.outbound_click, d.save
FROM profile p
CROSS JOIN LATERAL (
    SELECT
        string_agg(int4send(k.day - $2::date), '') AS places,
        string_agg(float8send(coalesce(k.engagement, 'NaN'::float8)), '') AS engagement,
        string_agg(float8send(coalesce(k.impression, 'NaN'::float8)), '') AS impression,
        string_agg(float8send(coalesce(k.outbound_click, 'NaN'::float8)), '') AS outbound_click,
        string_agg(float8send(coalesce(k.save, 'NaN'::float8)), '') AS save
    FROM (
        SELECT DISTINCT ON (v.day) v.*
        FROM (
            SELECT
                w.day, w.revision, w.engagement, w.impression, w.outbound_click, w.save,
                w.observed_at < (w.day + coalesce(p.settle_days, 3) + 1)::timestamp AT TIME ZONE 'UTC' AS in_time
            FROM daily_metric_version w
            WHERE w.profile_id = p.id
              AND w.day <= $4::date
              AND (w.data_status IS NULL OR w.data_status NOT IN ('PROCESSING', 'ESTIMATE'))
        ) v
        ORDER BY v.day, v.in_time DESC, CASE WHEN v.in_time THEN -v.revision ELSE v.revision END
    ) k
) d
WHERE p.id = ANY ($1::bigint[])
ORDER BY p.id
"""

# One that is removed meanwhile waits until what is said of it is stored, and takes it along.
_HOLD = "SELECT id FROM profile WHERE id = ANY ($1::bigint[]) ORDER BY id FOR KEY SHARE"

# An episode that the same days no longer give is gone; those older than the days that were read stay.
_WRITE_EPISODES = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $3::bigint[], $4::text[], $5::date[], $6::date[], $7::date[], $8::float8[], $9::float8[], $10::float8[],
        $11::float8[], $12::float8[], $13::date[], $14::text[], $15::text[]
    ) AS g (
        profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low,
        score, lost_share, closed_on, close_reason, sentence
    )
    WHERE g.profile_id = ANY ($1::bigint[])
),
gone AS (
    DELETE FROM drop_episode e
    WHERE e.profile_id = ANY ($1::bigint[])
      AND e.detected_day >= $2::date
      AND (e.profile_id, e.metric, e.detected_day) NOT IN (SELECT profile_id, metric, detected_day FROM given)
)
INSERT INTO drop_episode AS e (
    profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score, lost_share,
    closed_on, close_reason, sentence
)
SELECT * FROM given
ON CONFLICT (profile_id, metric, detected_day) DO UPDATE
SET first_day = excluded.first_day, last_day = excluded.last_day, observed = excluded.observed,
    expected = excluded.expected, expected_low = excluded.expected_low, score = excluded.score,
    lost_share = excluded.lost_share, closed_on = excluded.closed_on, close_reason = excluded.close_reason,
    sentence = CASE WHEN e.inhibited THEN e.sentence ELSE excluded.sentence END, updated_at = now()
WHERE (e.last_day, e.observed, e.expected, e.score, e.closed_on, e.sentence)
      IS DISTINCT FROM (
          excluded.last_day, excluded.observed, excluded.expected, excluded.score, excluded.closed_on,
          CASE WHEN e.inhibited THEN e.sentence ELSE excluded.sentence END
      )
RETURNING profile_id, metric, xmax = 0 AS opened, closed_on, sentence
"""

# The bands are two rectangles, a row a profile.
_WRITE_VERDICTS = """
INSERT INTO drop_verdict (
    profile_id, settled_through, last_poll_at, state, sensitivity, judged_since, expected, expected_low, score, silence,
    band_since, band_expected, band_low
)
SELECT
    g.profile_id, g.settled_through, g.last_poll_at, g.state, g.sensitivity, g.judged_since, g.expected, g.expected_low,
    g.score, g.silence, $12::date,
    ($13::real[])[g.place:g.place], ($14::real[])[g.place:g.place]
FROM unnest(
    $2::bigint[], $3::date[], $4::timestamptz[], $5::text[], $6::text[], $7::date[], $8::float8[], $9::float8[],
    $10::float8[], $11::text[]
) WITH ORDINALITY AS g (
    profile_id, settled_through, last_poll_at, state, sensitivity, judged_since, expected, expected_low, score, silence,
    place
)
WHERE g.profile_id = ANY ($1::bigint[])
ON CONFLICT (profile_id) DO UPDATE
SET settled_through = excluded.settled_through, last_poll_at = excluded.last_poll_at, state = excluded.state,
    sensitivity = excluded.sensitivity, judged_since = excluded.judged_since, expected = excluded.expected,
    expected_low = excluded.expected_low, score = excluded.score, silence = excluded.silence,
    band_since = excluded.band_since, band_expected = excluded.band_expected, band_low = excluded.band_low,
    evaluated_at = now()
"""

_LISTED = """
SELECT profile, client, metric, first_day, detected_day, last_day, observed, expected, expected_low, score, lost_share,
       open, closed_on, close_reason, inhibited, sentence
FROM engagement_drop
WHERE open
   OR closed_on > (SELECT max(settled_through) FROM profile) - $1::integer
ORDER BY open DESC, inhibited, client, profile, first_day
"""
_FLEET_LISTED = """
SELECT first_day, last_day, profiles, share, open, sentence
FROM fleet_drop
WHERE open
   OR last_day >= (SELECT max(settled_through) FROM profile) - $1::integer
ORDER BY first_day DESC
"""
_SILENT = """
SELECT v.silence, count(*) AS profiles
FROM drop_verdict v
JOIN profile p ON p.id = v.profile_id
WHERE v.silence IS NOT NULL
  AND p.state <> 'paused'
GROUP BY v.silence
ORDER BY v.silence
"""

_SET_SENSITIVITY = """
INSERT INTO drop_sensitivity (scope, name, sensitivity) VALUES ($1, $2, $3)
ON CONFLICT (scope, name) DO UPDATE SET sensitivity = excluded.sensitivity
"""
_SENSITIVITY_OF = """
SELECT coalesce(
    (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'profile' AND name = p.name),
    (SELECT sensitivity FROM drop_sensitivity WHERE scope = 'client' AND name = p.client),
    'normal'
)
FROM profile p
WHERE p.id = $1
"""
_UNSET_SENSITIVITY = "DELETE FROM drop_sensitivity WHERE scope = $1 AND name = $2"


# The first day, and what was expected and its lower bound: a list a profile, all of the same days, NaN where unknown.
Bands = tuple[date, Sequence[Sequence[float]], Sequence[Sequence[float]]]


class DropStore:
    """Days, verdicts and episodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changed(self) -> list[tuple[int, date]]:
        """Return the profiles whose settled days are not the ones that their verdict knew, and their newest day."""
        return [(row["id"], row["settled_through"]) for row in await self._database.fetch(_CHANGED)]

    async def days(self, profile_ids: Sequence[int], since: date, newest: date) -> list[asyncpg.Record]:
        """Return profiles with their days from ``since`` until ``newest``, which was settled when they were chosen.

        ``places``, in days after ``since``, are the bytes of big-endian int32, and counts of float64, NaN for none.
        """
        return await self._database.fetch(_READ, profile_ids, since, newest)

    async def history(self) -> tuple[list[asyncpg.Record], date]:
        """Return the profiles that have settled days, by the newest of them, and the first day that any of them has."""
        rows = await self._database.fetch(_HISTORY)
        return rows, min((row["first_day"] for row in rows), default=date.min)

    async def newest_settled_day(self) -> date | None:
        """Return the fleet's newest settled day; None as long as there is none."""
        newest: date | None = await self._database.fetchval("SELECT max(settled_through) FROM profile")
        return newest

    async def known_days(
        self, profile_ids: Sequence[int], since: date, newest: date, sensitivity: str | None
    ) -> list[asyncpg.Record]:
        """Return what :meth:`days` does, with each day as it was known when it settled."""
        return await self._database.fetch(_KNOWN, profile_ids, since, sensitivity, newest)

    async def write(
        self,
        profile_ids: Sequence[int],
        since: date,
        episodes: Sequence[Sequence[object]],
        verdicts: Sequence[Sequence[object]],
        bands: Bands,
    ) -> list[asyncpg.Record]:
        """Store what the days since then give, and return the episodes that are new or different."""
        columns = [list(column) for column in zip(*episodes, strict=True)] or [[] for _ in range(13)]
        async with self._database.transaction() as connection:
            held = [row["id"] for row in await connection.fetch(_HOLD, profile_ids)]
            changed: list[asyncpg.Record] = await connection.fetch(_WRITE_EPISODES, held, since, *columns)
            await connection.execute(_WRITE_VERDICTS, held, *map(list, zip(*verdicts, strict=True)), *bands)
        return changed

    def fleet(self) -> AbstractAsyncContextManager[FleetDropStore]:
        """Return the fleet's drops, for one process at a time: two would undo each other's."""
        return fleet_drops(self._database)

    async def listed(self, closed_days: int) -> list[asyncpg.Record]:
        """Return the open drops, and those closed within the fleet's newest ``closed_days`` settled days."""
        return await self._database.fetch(_LISTED, closed_days)

    async def fleet_listed(self, closed_days: int) -> list[asyncpg.Record]:
        return await self._database.fetch(_FLEET_LISTED, closed_days)

    async def silent(self) -> Mapping[str, int]:
        """Return how many profiles nothing is said about, by the reason."""
        return {row["silence"]: row["profiles"] for row in await self._database.fetch(_SILENT)}

    async def sensitivity_of(self, profile_id: int) -> str | None:
        """Return the preset that a profile is judged by; None if there is no such profile."""
        chosen: str | None = await self._database.fetchval(_SENSITIVITY_OF, profile_id)
        return chosen

    async def set_sensitivity(self, scope: str, name: str, sensitivity: str | None) -> None:
        """Choose a preset for a client or a profile; None goes back to the usual one."""
        if sensitivity is None:
            await self._database.execute(_UNSET_SENSITIVITY, scope, name)
        else:
            await self._database.execute(_SET_SENSITIVITY, scope, name, sensitivity)
