"""The pin queue as its workers see it: lanes to claim, outcomes to record, dead workers' pins.

Lanes are locked before pins, and in the order of ``profile_id``, so that workers never deadlock. What is decided about
a lane is read by a statement that starts after its lock is held: else a pin queued in between would be overlooked.
"""

from collections.abc import Collection, Sequence

import asyncpg

from collector.models import Failure, PinClaim, PinContent, PinResult, ProfileState
from collector.store.pool import Database

CHANNEL = "collector_pin"

_ARRIVALS = 5000
_PROFILE_STATES = frozenset(ProfileState)

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

_LOCK_DUE = """
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
_CLAIM = """
WITH head AS MATERIALIZED (
    SELECT p.id AS profile_id, p.name, p.key_ciphertext, p.state, h.id AS pin_id, h.publish_at, h.state AS pin_state
    FROM profile p
    LEFT JOIN LATERAL (
        SELECT id, publish_at, state
        FROM pin
        WHERE profile_id = p.id
          AND state = 'queued'
        ORDER BY publish_at, id
        LIMIT 1
    ) h ON true
    WHERE p.id = ANY ($1::bigint[])
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
      AND h.publish_at <= now()
    RETURNING
        p.id, p.profile_id, p.token, p.attempts, p.refusals, p.publish_at, p.media_urls, p.description, p.title, p.link,
        p.board_id, p.alt_texts, p.carousel, p.thumbnail_url, p.note
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
            ELSE greatest(h.publish_at, now())
        END,
        paused_reason = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN h.state END,
        paused_since = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN coalesce(l.paused_since, now()) END,
        paused_detail = CASE WHEN h.state <> 'active' AND h.pin_id IS NOT NULL THEN l.paused_detail END
    FROM head h
    LEFT JOIN sending s ON s.profile_id = h.profile_id
    WHERE l.profile_id = h.profile_id
    RETURNING l.profile_id, l.failures
)
SELECT
    s.id, s.profile_id, h.name, h.key_ciphertext, s.attempts, s.refusals, l.failures,
    a.idempotency_key::text AS idempotency_key, s.token || '#' || s.attempts AS token, s.publish_at, s.media_urls,
    s.description, s.title, s.link, s.board_id, s.alt_texts, s.carousel, s.thumbnail_url, s.note
FROM sending s
JOIN head h ON h.profile_id = s.profile_id
JOIN attempted a ON a.pin_id = s.id
JOIN laned l ON l.profile_id = s.profile_id
"""

_LOCK_OF_PINS = """
SELECT
FROM pin_lane
WHERE profile_id IN (SELECT profile_id FROM pin WHERE id = ANY ($1::bigint[]))
ORDER BY profile_id
FOR NO KEY UPDATE
"""

# An attempt has one outcome. Its lease may have run out meanwhile and left the pin unknown: then what its owner found
# out is news, and that it is live is news whatever somebody made of the pin since.
_FINISH = """
WITH result AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::boolean[],
        $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[], $14::smallint[], $15::integer[], $16::text[],
        $17::text[]
    ) AS r (
        pin, attempt, owner, state, reason, wait_seconds, look_seconds, lane_failed,
        refused, pause, ayrshare_id, pinterest_pin_id, pin_url, http_status, code, detail,
        excerpt
    )
),
finished AS (
    UPDATE pin AS p
    SET state = r.state,
        state_since = now(),
        last_error = r.detail,
        refusals = p.refusals + r.refused::integer,
        ayrshare_id = coalesce(r.ayrshare_id, p.ayrshare_id),
        pinterest_pin_id = coalesce(r.pinterest_pin_id, p.pinterest_pin_id),
        pin_url = coalesce(r.pin_url, p.pin_url),
        published_at = CASE WHEN r.state = 'published' THEN now() END,
        looks = 0,
        next_look_at = now() + r.look_seconds * interval '1 second',
        lease_until = NULL
    FROM result r
    WHERE p.id = r.pin
      AND p.attempts = r.attempt
      AND p.owner = r.owner
      AND (
          p.state = 'sending'
          OR (p.state = 'unknown' AND r.state <> 'unknown')
          OR (p.state IN ('queued', 'cancelled') AND r.state = 'published')
      )
    RETURNING p.id, p.profile_id, r.*
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
    FROM finished f
    WHERE a.pin_id = f.id
      AND a.attempt = f.attempt
),
returned AS (
    INSERT INTO pin_arrival (profile_id, due_at)
    SELECT profile_id, now() + wait_seconds * interval '1 second'
    FROM finished
    WHERE state = 'queued'
),
laned AS (
    UPDATE pin_lane AS l
    SET sending_pin = NULL,
        failures = CASE WHEN f.lane_failed THEN l.failures + 1 ELSE 0 END,
        not_before = now() + f.wait_seconds * interval '1 second',
        paused_reason = f.pause,
        paused_since = CASE WHEN f.pause IS NOT NULL THEN now() END,
        paused_detail = CASE WHEN f.pause IS NOT NULL THEN f.detail END,
        due_at = CASE
            WHEN least(l.due_at, h.publish_at) IS NOT NULL
            THEN greatest(least(l.due_at, h.publish_at), now() + f.wait_seconds * interval '1 second')
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
      AND l.sending_pin = f.id
)
SELECT id FROM finished
"""

# Profiles are changed one by one, outside of any transaction: their locks are the pollers' too.
_MARK_PROFILE = """
UPDATE profile
SET state = $2, state_reason = $3, state_since = now()
WHERE id = $1
  AND state = 'active'
"""

# The count that Ayrshare suspends by is of all requests, whoever made them.
_NOTE_RATE_LIMITED = """
UPDATE profile
SET rate_limited_on = (now() AT TIME ZONE 'UTC')::date,
    rate_limited_count = CASE
        WHEN rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN rate_limited_count + 1
        ELSE 1
    END
WHERE id = $1
"""

_STRAY = """
SELECT id, profile_id, attempts, owner
FROM pin
WHERE state = 'sending'
  AND owner = $1
  AND id <> ALL ($2::bigint[])
"""

_EXPIRED = """
SELECT id, profile_id, attempts, owner
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
        async with self._database.transaction() as connection:
            lanes = [row["profile_id"] for row in await connection.fetch(_LOCK_DUE, limit)]
            rows = await connection.fetch(_CLAIM, lanes, self._owner, self._seconds) if lanes else []
        return [self._claimed(row) for row in rows], len(lanes) == limit

    async def finish(self, results: Sequence[PinResult]) -> set[int]:
        """Record outcomes and set the lanes free; return the pins whose outcome was still ours to record."""
        for result in results:
            if result.pause in _PROFILE_STATES:
                await self._database.execute(_MARK_PROFILE, result.profile_id, result.pause, result.detail)
            if result.reason == Failure.RATE_LIMITED:
                await self.note_rate_limited(result.profile_id)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_OF_PINS, [result.pin_id for result in results])
            rows = await connection.fetch(_FINISH, *_columns(results))
        return {row["id"] for row in rows}

    async def note_rate_limited(self, profile_id: int) -> None:
        """Count an answer of 429."""
        await self._database.execute(_NOTE_RATE_LIMITED, profile_id)

    async def stray(self, started: Collection[int]) -> list[tuple[int, int, int, str]]:
        """Return what :meth:`expired` does, of pins of this worker that are none of those that it ``started``."""
        return [tuple(row) for row in await self._database.fetch(_STRAY, self._owner, list(started))]

    async def expired(self) -> list[tuple[int, int, int, str]]:
        """Return (pin, profile, attempt, owner) of calls whose worker has not been heard of since its lease ran out."""
        return [tuple(row) for row in await self._database.fetch(_EXPIRED)]

    def _claimed(self, row: asyncpg.Record) -> PinClaim:
        return PinClaim(
            pin_id=row["id"],
            profile_id=row["profile_id"],
            profile=row["name"],
            key_ciphertext=row["key_ciphertext"],
            owner=self._owner,
            attempt=row["attempts"],
            refusals=row["refusals"],
            lane_failures=row["failures"],
            idempotency_key=row["idempotency_key"],
            token=row["token"],
            publish_at=row["publish_at"],
            content=PinContent(
                media_urls=tuple(row["media_urls"]),
                description=row["description"],
                title=row["title"],
                link=row["link"],
                board_id=row["board_id"],
                alt_texts=tuple(row["alt_texts"]),
                carousel=row["carousel"],
                thumbnail_url=row["thumbnail_url"],
                note=row["note"],
            ),
        )


def _columns(results: Sequence[PinResult]) -> tuple[list[object], ...]:
    """Turn results into the arrays of ``_FINISH``, in its order."""
    return tuple(
        list(column)
        for column in zip(
            *(
                (
                    r.pin_id, r.attempt, r.owner, r.state.value, r.reason, r.wait_seconds, r.look_seconds,
                    r.lane_failed, r.refused, r.pause, r.publication.ayrshare_id,
                    r.publication.pinterest_pin_id, r.publication.pin_url, r.http_status, r.code, r.detail, r.excerpt,
                )
                for r in results
            ),
            strict=True,
        )
    )  # fmt: skip
