"""The results of published pins as the tracker sees them: which to ask about now, and what asking came to."""

from collections.abc import Sequence

import msgspec

from collector.models.result import PinNumbers, ResultClaim, ResultRecord
from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database
from collector.store.rate_limit import OTHERS_WAIT, OTHERS_WAIT_UNTIL

_NUMBERS = names(PinNumbers)
# A profile that is not read, or was refused with 429, is left alone: its pins come back to the head of the index later.
CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT profile_id, pin_id
    FROM pin_result
    WHERE next_at <= now()
    ORDER BY next_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE pin_result AS r
    SET next_at = CASE
        WHEN f.state <> 'active' THEN now() + interval '6 hours'
        WHEN {OTHERS_WAIT} THEN {OTHERS_WAIT_UNTIL}
        ELSE now() + $2 * interval '1 second'
    END
    FROM due d
    JOIN profile f ON f.id = d.profile_id
    WHERE r.profile_id = d.profile_id
      AND r.pin_id = d.pin_id
    RETURNING
        r.profile_id, r.pin_id, f.name AS profile, f.key_ciphertext, f.state = 'active' AND NOT {OTHERS_WAIT} AS asked,
        r.next_at AS claimed_until, r.failures,
        CASE WHEN f.rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN f.rate_limited_count ELSE 0 END AS refusals,
        r.impression, r.save, r.pin_click, r.outbound_click, r.extra::text AS extra
)
SELECT
    c.profile_id, c.pin_id, c.profile, c.key_ciphertext, c.claimed_until, c.failures, c.refusals,
    {names(PinNumbers, "c.")},
    p.ayrshare_id, p.pinterest_pin_id, p.published_at, now() AS claimed_at
FROM claimed c
JOIN pin p ON p.id = c.pin_id
WHERE c.asked
ORDER BY c.profile_id, p.published_at DESC
"""

RECORD = f"""
WITH moved AS (
    UPDATE pin_result AS r
    SET next_at = now() + c.next_in * interval '1 second',
        asked_at = now(),
        failures = c.failures,
        last_error = c.error,
        ended = c.ended,
        observed_at = CASE WHEN c.changed THEN now() ELSE r.observed_at END,
        impression = c.impression,
        save = c.save,
        pin_click = c.pin_click,
        outbound_click = c.outbound_click,
        extra = c.extra::jsonb,
        week_impression = CASE WHEN c.week_old THEN coalesce(r.week_impression, c.impression)
            ELSE r.week_impression END,
        week_engagement = CASE
            WHEN c.week_old
            THEN coalesce(r.week_engagement, pin_engagement(c.save, c.pin_click, c.outbound_click))
            ELSE r.week_engagement
        END
    FROM unnest({arrays(ResultRecord)}) AS c ({names(ResultRecord)})
    WHERE r.profile_id = c.profile_id
      AND r.pin_id = c.pin_id
      AND r.next_at = c.claimed_until
    RETURNING r.profile_id, r.pin_id, r.observed_at, {names(PinNumbers, "r.")}, c.changed
),
kept AS (
    INSERT INTO pin_metric (profile_id, pin_id, observed_at, {_NUMBERS})
    SELECT profile_id, pin_id, observed_at, {_NUMBERS}
    FROM moved
    WHERE changed
)
SELECT pin_id FROM moved
"""

# Also those that are due within that time, or each would ask at a moment of its own. What another process has claimed
# meanwhile is asked again then.
PUT_OFF = """
UPDATE pin_result
SET next_at = now() + $4 * interval '1 second'
WHERE profile_id = $1
  AND (next_at <= now() + $4 * interval '1 second' OR (pin_id = ANY ($2::bigint[]) AND next_at = $3))
"""
_BACKLOG = """
SELECT count(*) AS due, coalesce(extract(epoch FROM now() - min(next_at)), 0)::double precision AS lag_seconds
FROM pin_result
WHERE next_at <= now()
"""


class Backlog(msgspec.Struct, frozen=True):
    """How many pins wait to be asked about, and for how long the first of them has."""

    due: int
    lag_seconds: float


class ResultStore:
    """Results of pins; a claim holds for ``seconds``."""

    def __init__(self, database: Database, *, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def claim(self, limit: int) -> list[ResultClaim]:
        """Claim the pins that have waited longest, at most ``limit``; those of a profile follow each other."""
        return values(ResultClaim, await self._database.fetch(CLAIM, limit, self._seconds))

    async def record(self, records: Sequence[ResultRecord]) -> set[int]:
        """Write what asking came to, and return of which pins it was still ours to write."""
        return {pin_id for (pin_id,) in await self._database.fetch(RECORD, *columns(ResultRecord, records))}

    async def put_off(self, profile_id: int, claims: Sequence[ResultClaim], *, seconds: float) -> None:
        """Give claims of a profile back, and let none of its pins be due for so long."""
        pins = [claim.pin_id for claim in claims]
        fence = claims[0].claimed_until if claims else None
        await self._database.execute(PUT_OFF, profile_id, pins, fence, seconds)

    async def backlog(self) -> Backlog:
        [found] = values(Backlog, await self._database.fetch(_BACKLOG))
        return found
