"""The pin queue as its workers see it: lanes to claim, outcomes to record, dead workers' pins.

Lanes are locked before pins, and in the order of ``profile_id``, so that workers never deadlock. What is decided about
a lane is read by a statement that starts after its lock is held: else a pin queued in between would be overlooked.
"""

from collections.abc import Collection, Sequence
from operator import attrgetter

import asyncpg

from collector.models.outcome import Failure
from collector.models.pin import LostCall, PauseReason, PinClaim, PinContent, PinResult
from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database
from collector.store.rate_limit import OTHERS_WAIT_UNTIL, note_rate_limited
from collector.tracing import span

CHANNEL = "collector_pin"

_ARRIVALS = 5000
_PROFILE_STATES = frozenset({PauseReason.UNLINKED, PauseReason.SUSPENDED, PauseReason.KEY_INVALID})

_ABSORB = """
WITH arrived AS (
    DELETE FROM pin_arrival
    WHERE id IN (SELECT id FROM pin_arrival ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING profile_id, due_at
),
laned AS (
    INSERT INTO pin_lane AS l (profile_id, due_at)
    SELECT a.profile_id, min(a.due_at)
    FROM arrived a
    JOIN profile p ON p.id = a.profile_id
    GROUP BY a.profile_id
    ORDER BY a.profile_id
    ON CONFLICT (profile_id) DO UPDATE
    SET due_at = least(l.due_at, greatest(excluded.due_at, l.not_before))
)
SELECT count(*) FROM arrived
"""

LOCK_DUE_LANES = """
SELECT profile_id
FROM pin_lane
WHERE due_at <= now()
  AND sending_pin IS NULL
ORDER BY due_at
LIMIT $1
FOR NO KEY UPDATE SKIP LOCKED
"""

# The pin is compared with the state that it was found in, not with 'queued': the planner would take a full walk of the
# queue's index for shorter than a look at one row, if the queue was empty when it last counted.
# A lane whose profile cannot publish is left without a due_at; the profile's trigger wakes it when that is over.
CLAIM_OLDEST = f"""
WITH head AS MATERIALIZED (
    SELECT
        f.id AS profile_id, f.name, f.key_ciphertext, f.state, f.last_day IS NOT NULL AS read_before, h.id AS pin_id,
        greatest(h.publish_at, {OTHERS_WAIT_UNTIL}) AS may_go_at, h.state AS pin_state
    FROM profile f
    LEFT JOIN LATERAL (
        SELECT id, publish_at, state
        FROM pin
        WHERE profile_id = f.id
          AND state = 'queued'
        ORDER BY publish_at, id
        LIMIT 1
    ) h ON true
    WHERE f.id = ANY ($1::bigint[])
),
sending AS (
    UPDATE pin AS p
    SET state = 'sending',
        state_since = now(),
        attempts = p.attempts + 1,
        owner = $2,
        lease_until = now() + $3 * interval '1 second'
    FROM head h
    WHERE p.id = h.pin_id
      AND p.state = h.pin_state
      AND h.state = 'active'
      AND h.may_go_at <= now()
    RETURNING
        p.id, p.profile_id, p.token, p.attempts, p.refusals, p.publish_at, p.created_at, {names(PinContent, "p.")}
),
attempted AS (
    INSERT INTO pin_attempt (pin_id, attempt, owner)
    SELECT id, attempts, $2
    FROM sending
    RETURNING pin_id, idempotency_key
),
laned AS (
    UPDATE pin_lane AS l
    SET sending_pin = s.id,
        due_at = CASE
            WHEN s.id IS NOT NULL OR h.pin_id IS NULL OR h.state <> 'active' THEN NULL
            ELSE greatest(h.may_go_at, now())
        END,
        paused_reason = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN h.state END,
        paused_since = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN coalesce(l.paused_since, now()) END,
        paused_detail = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN l.paused_detail END
    FROM head h
    LEFT JOIN sending s ON s.profile_id = h.profile_id
    WHERE l.profile_id = h.profile_id
    RETURNING l.profile_id, l.failures, l.failed_pins
)
SELECT
    s.id AS pin_id, s.profile_id, h.name AS profile, h.key_ciphertext, $2 AS owner, s.attempts AS attempt, s.refusals,
    l.failures AS lane_failures, l.failed_pins AS lane_failed_pins, h.read_before,
    a.idempotency_key::text AS idempotency_key, s.token || '#' || s.attempts AS token,
    greatest(s.publish_at, s.created_at) AS due_at, {names(PinContent, "s.")}
FROM sending s
JOIN head h ON h.profile_id = s.profile_id
JOIN attempted a ON a.pin_id = s.id
JOIN laned l ON l.profile_id = s.profile_id
"""

# Taken before anything is recorded of pins.
LOCK_LANES_OF_PINS = """
SELECT
FROM pin_lane
WHERE profile_id IN (SELECT profile_id FROM pin WHERE id = ANY ($1::bigint[]))
ORDER BY profile_id
FOR NO KEY UPDATE
"""

# An attempt has one outcome. Its lease may have run out meanwhile and left the pin unknown: then what its owner found
# out is news, and that it is live is news whatever somebody made of the pin since, even after another attempt began.
_FINISH = f"""
WITH result AS MATERIALIZED (
    SELECT r.*, CASE
        -- Not all profiles in the same second.
        WHEN r.pause = 'quota' THEN quota_reset_at() + random() * interval '5 minutes'
        ELSE now() + r.wait_seconds * interval '1 second'
    END AS resumes_at
    FROM unnest({arrays(PinResult)}) AS r ({names(PinResult)})
),
finished AS (
    UPDATE pin AS p
    SET state = CASE WHEN p.published_at IS NULL THEN r.state ELSE 'published' END,
        state_since = now(),
        last_error = r.detail,
        refusals = p.refusals + r.refused::integer,
        ayrshare_id = coalesce(r.ayrshare_id, p.ayrshare_id),
        pinterest_pin_id = coalesce(r.pinterest_pin_id, p.pinterest_pin_id),
        pin_url = coalesce(r.pin_url, p.pin_url),
        published_at = coalesce(p.published_at, CASE WHEN r.state = 'published' THEN now() END),
        looks = 0,
        next_look_at = CASE WHEN p.published_at IS NULL THEN now() + r.check_seconds * interval '1 second' END,
        lease_until = NULL
    FROM result r
    WHERE p.id = r.pin_id
      AND p.attempts = r.attempt
      AND p.owner = r.owner
      AND (
          p.state = 'sending'
          OR (p.state = 'unknown' AND r.state <> 'unknown')
          OR (p.state IN ('queued', 'cancelled', 'failed') AND r.state = 'published')
      )
    RETURNING r.*
),
overtaken AS (
    UPDATE pin AS p
    SET state = CASE WHEN p.state = 'sending' THEN p.state ELSE r.state END,
        state_since = CASE WHEN p.state = 'sending' THEN p.state_since ELSE now() END,
        last_error = NULL,
        ayrshare_id = coalesce(r.ayrshare_id, p.ayrshare_id),
        pinterest_pin_id = coalesce(r.pinterest_pin_id, p.pinterest_pin_id),
        pin_url = coalesce(r.pin_url, p.pin_url),
        published_at = now(),
        next_look_at = NULL
    FROM result r
    JOIN pin_attempt a ON a.pin_id = r.pin_id AND a.attempt = r.attempt AND a.owner = r.owner
    WHERE p.id = r.pin_id
      AND p.attempts > r.attempt
      AND p.published_at IS NULL
      AND r.state = 'published'
    RETURNING r.*
),
recorded AS (
    SELECT * FROM finished
    UNION ALL
    SELECT * FROM overtaken
),
attempted AS (
    UPDATE pin_attempt AS a
    SET ended_at = now(),
        outcome = CASE f.state WHEN 'queued' THEN 'requeued' ELSE f.state END,
        reason = f.reason,
        http_status = f.http_status,
        code = f.code,
        detail = f.detail,
        excerpt = f.excerpt
    FROM recorded f
    WHERE a.pin_id = f.pin_id
      AND a.attempt = f.attempt
),
returned AS (
    INSERT INTO pin_arrival (profile_id, due_at)
    SELECT profile_id, resumes_at
    FROM finished
    WHERE state = 'queued'
),
laned AS (
    UPDATE pin_lane AS l
    SET sending_pin = NULL,
        failures = CASE WHEN f.lane_failed THEN l.failures + 1 ELSE 0 END,
        failed_pins = CASE
            WHEN f.state = 'published' THEN 0
            ELSE l.failed_pins + (f.state = 'failed' OR f.refused)::integer
        END,
        not_before = f.resumes_at,
        paused_reason = f.pause,
        paused_since = CASE WHEN f.pause IS NOT NULL THEN now() END,
        paused_detail = CASE WHEN f.pause IS NOT NULL THEN f.detail END,
        due_at = CASE
            WHEN least(l.due_at, h.publish_at) IS NOT NULL
            THEN greatest(least(l.due_at, h.publish_at), f.resumes_at)
        END
    FROM finished f
    LEFT JOIN LATERAL (
        SELECT publish_at
        FROM pin
        WHERE profile_id = f.profile_id
          AND state = 'queued'
        ORDER BY publish_at, id
        LIMIT 1
    ) h ON true
    WHERE l.profile_id = f.profile_id
      AND l.sending_pin = f.pin_id
),
served AS (
    UPDATE profile AS p
    SET rate_limited_in_row = 0,
        rate_limited_until = NULL
    FROM recorded f
    WHERE p.id = f.profile_id
      AND f.state = 'published'
      AND p.rate_limited_in_row > 0
)
SELECT pin_id FROM recorded
"""

_MARK_PROFILE = """
UPDATE profile
SET state = $2, state_reason = $3, state_since = now()
WHERE id = $1
  AND state = 'active'
"""

_STRAY = """
SELECT id AS pin_id, profile_id, attempts AS attempt, owner
FROM pin
WHERE state = 'sending'
  AND owner = $1
  AND id <> ALL ($2::bigint[])
"""

_EXPIRED = """
SELECT id AS pin_id, profile_id, attempts AS attempt, owner
FROM pin
WHERE state = 'sending'
  AND lease_until <= now()
LIMIT 500
"""


class PinQueue:
    """The lanes; ``owner`` names this worker, and a claim holds for ``seconds``."""

    def __init__(self, database: Database, *, owner: str, seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds

    async def claim(self, limit: int) -> tuple[list[PinClaim], bool]:
        """Claim the heads of up to ``limit`` lanes, those that waited longest first; tell whether more may be due."""
        while await self._database.fetchval(_ABSORB, _ARRIVALS) == _ARRIVALS:
            pass
        with span("claim") as claiming:
            async with self._database.transaction() as connection:
                lanes = [row["profile_id"] for row in await connection.fetch(LOCK_DUE_LANES, limit)]
                rows = await connection.fetch(CLAIM_OLDEST, lanes, self._owner, self._seconds) if lanes else []
            claiming.note(pins=len(rows))
        return values(PinClaim, rows), len(lanes) == limit

    async def finish(self, results: Sequence[PinResult]) -> set[int]:
        """Record outcomes and set the lanes free; return the pins whose outcome was still ours to record.

        What an outcome says of its profile is recorded with it, so that an outcome recorded twice counts once.
        """
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_LANES_OF_PINS, [result.pin_id for result in results])
            rows = await connection.fetch(_FINISH, *columns(PinResult, results))
            recorded = {row["pin_id"] for row in rows}
            # In one order; a poller may lock them in another, and whoever loses such a deadlock tries again.
            for result in sorted(results, key=attrgetter("profile_id")):
                if result.pin_id in recorded:
                    await _mark_profile(connection, result)
        return recorded

    async def note_rate_limited(self, profile_id: int, *, seconds: float, lengthens: bool = True) -> None:
        """Count an answer of 429 that was not a pin's, and let the profile wait, as for ``note_rate_limited``."""
        async with self._database.connection() as connection:
            await note_rate_limited(connection, [profile_id], [seconds], lengthens=lengthens)

    async def stray(self, started: Collection[int]) -> list[LostCall]:
        """Return what was claimed in the name of this worker, of which it ``started`` nothing."""
        return values(LostCall, await self._database.fetch(_STRAY, self._owner, list(started)))

    async def expired(self) -> list[LostCall]:
        """Return calls whose worker has not been heard of since its lease ran out."""
        return values(LostCall, await self._database.fetch(_EXPIRED))


async def _mark_profile(connection: asyncpg.Connection, result: PinResult) -> None:
    if result.pause in _PROFILE_STATES:
        await connection.execute(_MARK_PROFILE, result.profile_id, result.pause, result.detail)
    if result.reason == Failure.RATE_LIMITED:
        await note_rate_limited(connection, [result.profile_id], [result.wait_seconds])
