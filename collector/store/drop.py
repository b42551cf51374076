"""Reads settled days for the detector, and writes its verdicts and drops."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Literal

import msgspec

from collector.models.drop import JUDGED_METRICS, Decision, Sensitivity, Unmet
from collector.models.profile import ProfileState
from collector.store.columns import arrays, columns, names, values
from collector.store.fleet_drop import Drop, FleetDropStore, RecentDrop
from collector.store.lock import Lock, take
from collector.store.pool import Database


class Settled(msgspec.Struct, frozen=True):
    """A profile and its newest settled day."""

    id: int
    settled_through: date


class SettledProfile(Settled, frozen=True):
    """A profile with settled days; ``first_day`` is the oldest that is stored."""

    name: str
    client: str
    first_day: date


class KnownDays(Settled, frozen=True):
    """A profile with its days and counts as the bytes of arrays: a Python number for each would take too long.

    ``offsets`` are big-endian int32, in days after the first day that was asked for. ``counts`` are big-endian float64:
    `JUDGED_METRICS` of a day beside each other, NaN where there is no number. The days are in no order.
    ``own_threshold`` takes the place of that of the sensitivity.
    """

    name: str
    client: str
    sensitivity: Sensitivity
    own_threshold: float | None
    country: str | None
    offsets: bytes
    counts: bytes


class SettledDays(KnownDays, frozen=True):
    """Days of a profile as they are now, with what explains a drop and what a verdict must know again."""

    last_poll_at: datetime | None
    state: ProfileState
    state_since: datetime
    last_pin_at: datetime | None


class Verdict(msgspec.Struct, frozen=True):
    """What the detector concludes of a profile's newest settled day, and which state of the profile it knew.

    ``expected``, ``expected_low`` and ``score`` are of engagement. ``silence`` says why there is no conclusion.
    ``decision`` is what came nearest to a drop, and ``unmet`` the condition that failed; None where there is a drop.
    """

    profile_id: int
    settled_through: date
    last_poll_at: datetime | None
    state: ProfileState
    sensitivity: Sensitivity
    judged_since: date | None
    expected: float | None
    expected_low: float | None
    score: float | None
    silence: str | None
    own_threshold: float | None = None
    country: str | None = None
    decision: Decision = Decision()
    unmet: Unmet | None = None
    why: str = ""


class Bands(msgspec.Struct, frozen=True):
    """Engagement expected of the days from ``since``, and its lower bound: a list a profile, NaN where unknown."""

    since: date
    expected: list[list[float]]
    low: list[list[float]]


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What storing changed: the sentences of drops that are new and open, and whether the fleet's may be others now.

    Those rest on the drops of profiles, and on the days between which each could be judged.
    """

    opened: list[str]
    matters_to_fleet: bool


class FormerDrop(RecentDrop, frozen=True, kw_only=True):
    """An open drop of an account that another one took the place of, on ``replaced_on``."""

    replaced_on: date


def _bytes_of_days(table: str) -> str:
    counts = " || ".join(f"float8send(coalesce({table}.{metric}, 'NaN'::float8))" for metric in JUDGED_METRICS)
    return f"""
        coalesce(string_agg(int4send({table}.day - $2::date), ''), '') AS offsets,
        coalesce(string_agg({counts}, ''), '') AS counts"""


# Settled days changed, were settled since, or are to be judged by another preset; or the state, which sentences name. A
# verdict remembers the poll that it knew.
_CHANGED = """
SELECT p.profile_id AS id, p.settled_through
FROM judged_profile p
LEFT JOIN drop_verdict v USING (profile_id)
WHERE p.settled_through IS NOT NULL
  AND (
      v.profile_id IS NULL
      OR v.settled_through IS DISTINCT FROM p.settled_through
      OR (v.sensitivity, v.own_threshold, v.country) IS DISTINCT FROM (p.sensitivity, p.own_threshold, p.country)
      OR v.state IS DISTINCT FROM p.state
      OR p.days_changed_at > v.last_poll_at
  )
ORDER BY p.settled_through, p.profile_id
"""

_READ = f"""
SELECT
    p.profile_id AS id, p.profile AS name, p.client, $3::date AS settled_through, p.last_poll_at, p.state,
    p.state_since, p.sensitivity, p.own_threshold, p.country,
    (SELECT max(published_at) FROM pin WHERE profile_id = p.profile_id AND state = 'published') AS last_pin_at,
    d.offsets, d.counts
FROM judged_profile p
CROSS JOIN LATERAL (
    SELECT{_bytes_of_days("m")}
    FROM daily_metric m
    WHERE m.profile_id = p.profile_id
      AND m.day >= greatest($2::date, p.seam_day)
      AND m.day <= $3::date
      AND is_settled_status(m.data_status)
) d
WHERE p.profile_id = ANY ($1::bigint[])
ORDER BY p.profile_id
"""


# With "$1 IS NULL OR ..." the plan that is kept would read all for one.
def _history(whose: str) -> str:
    return f"""
        SELECT p.id, p.settled_through, p.name, p.client, min(m.day) AS first_day
        FROM profile p
        JOIN daily_metric m
            ON m.profile_id = p.id AND m.day BETWEEN coalesce(p.seam_day, '-infinity') AND p.settled_through
        WHERE {whose}
        GROUP BY p.id
        ORDER BY p.settled_through, p.id
    """


_HISTORY, _HISTORY_OF_ONE = _history("true"), _history("p.name = $1")

# The version of a day that was known when it settled; of one that was first seen later, its first. What Pinterest
# called an estimate had not settled, however old it was. The versions of a profile are read together: day by day, the
# columnstore would unpack a segment for each.
_KNOWN = f"""
SELECT
    p.profile_id AS id, p.profile AS name, p.client, $4::date AS settled_through,
    coalesce($3::text, p.sensitivity) AS sensitivity,
    CASE WHEN $3::text IS NULL THEN p.own_threshold END AS own_threshold, p.country,
    d.offsets, d.counts
FROM judged_profile p
CROSS JOIN LATERAL (
    SELECT{_bytes_of_days("k")}
    FROM (
        SELECT DISTINCT ON (v.day) v.*
        FROM (
            SELECT
                w.day, w.revision, w.engagement, w.impression, w.outbound_click, w.save,
                w.observed_at < (w.day + coalesce(p.settle_days, 3) + 1)::timestamp AT TIME ZONE 'UTC' AS in_time
            FROM daily_metric_version w
            WHERE w.profile_id = p.profile_id
              AND w.day BETWEEN coalesce(p.seam_day, '-infinity') AND $4::date
              AND (p.seam_day IS NULL OR w.superseded_at IS NULL OR w.superseded_at > p.replaced_at)
              AND is_settled_status(w.data_status)
        ) v
        ORDER BY v.day, v.in_time DESC, CASE WHEN v.in_time THEN -v.revision ELSE v.revision END
    ) k
) d
WHERE p.profile_id = ANY ($1::bigint[])
ORDER BY p.profile_id
"""

# Drops of an account that another one took the place of.
_FORMER = f"""
SELECT p.name, e.inhibited, (p.replaced_at AT TIME ZONE 'UTC')::date AS replaced_on, {names(Drop, "e.")}
FROM drop_episode e
JOIN profile p ON p.id = e.profile_id
WHERE e.profile_id = ANY ($1::bigint[])
  AND e.closed_on IS NULL
  AND p.seam_day IS NOT NULL
  AND e.opened_at < p.replaced_at
"""

# A profile that is removed meanwhile waits until this is stored, and takes it along.
_LOCK_PROFILES = """
SELECT p.id AS profile_id, v.settled_through, v.judged_since, v.state
FROM profile p
LEFT JOIN drop_verdict v ON v.profile_id = p.id
WHERE p.id = ANY ($1::bigint[])
ORDER BY p.id
FOR KEY SHARE OF p
"""

# An episode that the same days no longer give is gone; those older than the days that were read stay, and those of an
# account that another one took the place of. Every drop that changed is returned; of one that is new and open, with its
# sentence.
_WRITE_DROPS = f"""
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest({arrays(Drop, 3)}) AS g ({names(Drop)})
    WHERE g.profile_id = ANY ($1::bigint[])
),
gone AS (
    DELETE FROM drop_episode e
    WHERE e.profile_id = ANY ($1::bigint[])
      AND e.detected_day >= $2::date
      AND (e.profile_id, e.metric, e.detected_day) NOT IN (SELECT profile_id, metric, detected_day FROM given)
      AND NOT EXISTS (
          SELECT FROM profile p
          WHERE p.id = e.profile_id
            AND p.seam_day IS NOT NULL
            AND e.opened_at < p.replaced_at
      )
    RETURNING e.profile_id
),
written AS (
    INSERT INTO drop_episode AS e ({names(Drop)})
    SELECT * FROM given
    ON CONFLICT (profile_id, metric, detected_day) DO UPDATE
    SET first_day = excluded.first_day, last_day = excluded.last_day, observed = excluded.observed,
        expected = excluded.expected, expected_low = excluded.expected_low, score = excluded.score,
        lost_share = excluded.lost_share, usual_since = excluded.usual_since, closed_on = excluded.closed_on,
        close_reason = excluded.close_reason,
        decided_by = excluded.decided_by, window_days = excluded.window_days, window_score = excluded.window_score,
        threshold = excluded.threshold, window_loss = excluded.window_loss, least_loss = excluded.least_loss,
        also_fell = excluded.also_fell, why = excluded.why,
        sentence = CASE WHEN e.inhibited THEN e.sentence ELSE excluded.sentence END, updated_at = now()
    WHERE (e.last_day, e.observed, e.expected, e.score, e.closed_on, e.why, e.sentence)
          IS DISTINCT FROM (
              excluded.last_day, excluded.observed, excluded.expected, excluded.score, excluded.closed_on, excluded.why,
              CASE WHEN e.inhibited THEN e.sentence ELSE excluded.sentence END
          )
    RETURNING CASE WHEN closed_on IS NULL AND xmax = 0 THEN sentence END AS opened
)
SELECT opened FROM written
UNION ALL
SELECT NULL FROM gone
"""

# The bands are two rectangles, a row a profile.
_WRITE_VERDICTS = f"""
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest({arrays(Verdict, 5)}) WITH ORDINALITY AS g ({names(Verdict)}, number)
    WHERE g.profile_id = ANY ($1::bigint[])
),
banded AS (
    INSERT INTO drop_band (profile_id, since, expected, low)
    SELECT profile_id, $2::date, ($3::real[])[number:number], ($4::real[])[number:number]
    FROM given
    ON CONFLICT (profile_id) DO UPDATE
    SET since = excluded.since, expected = excluded.expected, low = excluded.low
)
INSERT INTO drop_verdict ({names(Verdict)})
SELECT {names(Verdict)}
FROM given
ON CONFLICT (profile_id) DO UPDATE
SET settled_through = excluded.settled_through, last_poll_at = excluded.last_poll_at, state = excluded.state,
    sensitivity = excluded.sensitivity, judged_since = excluded.judged_since, expected = excluded.expected,
    expected_low = excluded.expected_low, score = excluded.score, silence = excluded.silence,
    own_threshold = excluded.own_threshold, country = excluded.country, decided_by = excluded.decided_by,
    window_days = excluded.window_days, window_score = excluded.window_score, threshold = excluded.threshold,
    window_loss = excluded.window_loss, least_loss = excluded.least_loss, also_fell = excluded.also_fell,
    unmet = excluded.unmet, why = excluded.why, evaluated_at = now()
"""

# Of a process whose machine is gone the server would keep the lock for hours.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '30s'"

_SET_SENSITIVITY = """
INSERT INTO drop_sensitivity (scope, name, sensitivity, threshold) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope, name) DO UPDATE SET sensitivity = excluded.sensitivity, threshold = excluded.threshold
"""
_UNSET_SENSITIVITY = "DELETE FROM drop_sensitivity WHERE scope = $1 AND name = $2"


class DropStore:
    """Days, verdicts and drops."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changed(self) -> list[Settled]:
        """Return the profiles whose settled days are not the ones that their verdict knew, by their newest day."""
        return values(Settled, await self._database.fetch(_CHANGED))

    async def days(self, profile_ids: Sequence[int], since: date, newest: date) -> list[SettledDays]:
        """Return profiles with their days from ``since`` until ``newest``, which was settled when they were chosen."""
        return values(SettledDays, await self._database.fetch(_READ, profile_ids, since, newest))

    async def history(self) -> list[SettledProfile]:
        """Return the profiles that have settled days, by the newest of them."""
        return values(SettledProfile, await self._database.fetch(_HISTORY))

    async def history_of(self, name: str) -> SettledProfile | None:
        """Return one of what :meth:`history` does; None for a profile without settled days."""
        found = values(SettledProfile, await self._database.fetch(_HISTORY_OF_ONE, name))
        return found[0] if found else None

    async def newest_settled_day(self) -> date | None:
        """Return the fleet's newest settled day; None as long as there is none."""
        newest: date | None = await self._database.fetchval("SELECT max(settled_through) FROM profile")
        return newest

    async def known_days(
        self, profile_ids: Sequence[int], since: date, newest: date, sensitivity: Sensitivity | None
    ) -> list[KnownDays]:
        """Return what :meth:`days` does, with each day as it was known when it settled."""
        return values(KnownDays, await self._database.fetch(_KNOWN, profile_ids, since, sensitivity, newest))

    async def of_former_accounts(self, profile_ids: Sequence[int]) -> list[FormerDrop]:
        """Return the open drops of accounts that were linked to these profiles before the present ones."""
        return values(FormerDrop, await self._database.fetch(_FORMER, profile_ids))

    async def write(
        self,
        profile_ids: Sequence[int],
        since: date,
        drops: Sequence[Drop],
        verdicts: Sequence[Verdict],
        bands: Bands,
    ) -> Written:
        """Store what the days since then give."""
        async with self._database.transaction() as connection:
            known = {row["profile_id"]: tuple(row) for row in await connection.fetch(_LOCK_PROFILES, profile_ids)}
            changed = await connection.fetch(_WRITE_DROPS, [*known], since, *columns(Drop, drops))
            await connection.execute(
                _WRITE_VERDICTS, [*known], bands.since, bands.expected, bands.low, *columns(Verdict, verdicts)
            )
        judged = {(each.profile_id, each.settled_through, each.judged_since, each.state) for each in verdicts}
        return Written(
            opened=[row["opened"] for row in changed if row["opened"] is not None],
            matters_to_fleet=bool(changed) or not judged.issuperset(known.values()),
        )

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[FleetDropStore]:
        """Yield the fleet's drops to one process at a time: two would undo each other's."""
        async with self._database.transaction() as connection:
            await connection.execute(_PATIENCE)
            await take(Lock.FLEET_DROP, connection)
            yield FleetDropStore(connection)

    async def set_sensitivity(
        self,
        scope: Literal["client", "profile"],
        name: str,
        sensitivity: Sensitivity | None,
        threshold: float | None = None,
    ) -> None:
        """Choose a preset for a client or a profile, with a threshold of its own; None goes back to the usual one."""
        if sensitivity is None:
            await self._database.execute(_UNSET_SENSITIVITY, scope, name)
        else:
            await self._database.execute(_SET_SENSITIVITY, scope, name, sensitivity, threshold)
