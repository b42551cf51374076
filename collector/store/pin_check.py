"""Unknown pins as the reconciler sees them: which to look for in the history now, and what a check found."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from collector.models.history import HistoryCheck, UnknownPin, UnknownPins
from collector.models.pin import PinState
from collector.store.columns import arrays, columns, names, values
from collector.store.pin_queue import LOCK_LANES_OF_PINS
from collector.store.pool import Database
from collector.store.rate_limit import OTHERS_WAIT, OTHERS_WAIT_UNTIL

_COLUMNS = """
    p.profile_id, f.name AS profile, f.key_ciphertext, p.id AS pin_id, p.attempts AS attempt, p.token::text AS token,
    p.looks AS checks, a.first_at AS first_sent_at, a.last_at AS last_sent_at,
    p.description, p.title, p.refusals, coalesce(l.failed_pins, 0) AS lane_failed_pins
"""

# The attempts of a pin whose end nobody knows.
_OPEN_ATTEMPTS = """
FROM pin p
JOIN profile f ON f.id = p.profile_id
LEFT JOIN pin_lane l ON l.profile_id = p.profile_id
CROSS JOIN LATERAL (
    SELECT min(started_at) AS first_at, max(started_at) AS last_at
    FROM pin_attempt
    WHERE pin_id = p.id
      AND (outcome = 'unknown' OR outcome IS NULL)
) a
"""

# Moving next_look_at is the claim: a process that dies with it only makes the check later. A profile that was refused
# with 429 is left alone.
_CLAIM = f"""
WITH claimed AS (
    UPDATE pin AS p
    SET next_look_at = CASE WHEN {OTHERS_WAIT} THEN {OTHERS_WAIT_UNTIL} ELSE now() + $2 * interval '1 second' END,
        look_until = CASE WHEN {OTHERS_WAIT} THEN p.look_until ELSE now() + $2 * interval '1 second' END
    FROM profile f
    WHERE f.id = p.profile_id
      AND p.profile_id IN (
            SELECT profile_id FROM pin WHERE state = 'unknown' AND next_look_at <= now() ORDER BY next_look_at LIMIT $1
        )
      AND p.state = 'unknown'
      AND p.next_look_at <= now()
    RETURNING p.id, p.profile_id, {OTHERS_WAIT} AS waits
),
asked AS (
    SELECT id, profile_id FROM claimed WHERE NOT waits
),
beside AS (
    UPDATE pin
    SET look_until = now() + $2 * interval '1 second'
    WHERE profile_id IN (SELECT profile_id FROM asked)
      AND id NOT IN (SELECT id FROM asked)
      AND state = 'unknown'
)
SELECT {_COLUMNS}, p.id IN (SELECT id FROM asked) AS due
{_OPEN_ATTEMPTS}
WHERE p.profile_id IN (SELECT profile_id FROM asked)
  AND p.state = 'unknown'
ORDER BY p.profile_id, p.id
"""

_OF_PIN = f"""
SELECT {_COLUMNS}, true AS due
{_OPEN_ATTEMPTS}
WHERE p.id = $1
  AND a.first_at IS NOT NULL
"""

# That a pin is live is news whatever somebody made of it since: one that is being sent again ends as published, however
# that goes.
_RECORD = f"""
WITH history_check AS MATERIALIZED (
    SELECT *
    FROM unnest({arrays(HistoryCheck)}) AS r ({names(HistoryCheck)})
),
changed AS (
    UPDATE pin AS p
    SET state = CASE WHEN p.state = 'sending' THEN p.state ELSE r.state END,
        state_since = CASE WHEN p.state IN (r.state, 'sending') THEN p.state_since ELSE now() END,
        looks = p.looks + r.absent::integer,
        refusals = p.refusals + r.refused::integer,
        next_look_at = CASE
            WHEN r.state = 'unknown' AND r.quota_used_up THEN quota_reset_at() + random() * interval '5 minutes'
            WHEN r.state = 'unknown' THEN now() + r.next_seconds * interval '1 second'
        END,
        last_error = CASE WHEN r.state <> 'published' THEN r.finding END,
        ayrshare_id = coalesce(r.ayrshare_id, p.ayrshare_id),
        pinterest_pin_id = coalesce(r.pinterest_pin_id, p.pinterest_pin_id),
        pin_url = coalesce(r.pin_url, p.pin_url),
        published_at = CASE WHEN r.state = 'published' THEN now() END,
        look_until = NULL
    FROM history_check r
    WHERE p.id = r.pin_id
      AND p.published_at IS NULL
      AND (r.state = 'published' OR (p.state = 'unknown' AND p.attempts = r.attempt))
    RETURNING p.profile_id, p.publish_at, r.*
),
returned AS (
    INSERT INTO pin_arrival (profile_id, due_at)
    SELECT profile_id, publish_at
    FROM changed
    WHERE state = 'queued'
),
laned AS (
    UPDATE pin_lane AS l
    SET failed_pins = CASE WHEN c.published THEN 0 ELSE l.failed_pins + c.failed END,
        not_before = greatest(l.not_before, now() + c.failing_seconds * interval '1 second'),
        due_at = CASE
            WHEN l.due_at IS NOT NULL THEN greatest(l.due_at, now() + c.failing_seconds * interval '1 second')
        END,
        paused_reason = CASE WHEN c.failing_seconds > 0 THEN 'failing' ELSE l.paused_reason END,
        paused_since = CASE WHEN c.failing_seconds > 0 THEN now() ELSE l.paused_since END,
        paused_detail = CASE WHEN c.failing_seconds > 0 THEN c.finding ELSE l.paused_detail END
    FROM (
        SELECT
            profile_id, bool_or(state = 'published') AS published, count(*) FILTER (WHERE post_failed) AS failed,
            max(failing_seconds) AS failing_seconds, max(finding) FILTER (WHERE failing_seconds > 0) AS finding
        FROM changed
        WHERE state = 'published' OR post_failed
        GROUP BY profile_id
    ) c
    WHERE l.profile_id = c.profile_id
),
attempted AS (
    UPDATE pin_attempt AS a
    SET looked_at = now(),
        look = c.finding,
        outcome = CASE
            WHEN c.state IN ('published', 'failed') THEN c.state
            WHEN c.refused THEN 'requeued'
            ELSE a.outcome
        END,
        code = coalesce(c.code, a.code)
    FROM changed c
    WHERE a.pin_id = c.pin_id
      AND a.attempt = c.found_attempt
)
SELECT pin_id FROM changed
"""


class _Row(UnknownPin, frozen=True, kw_only=True):
    profile_id: int
    profile: str
    key_ciphertext: bytes


class CheckStore:
    """Checks of Ayrshare's history for unknown pins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int, *, seconds: float) -> list[UnknownPins]:
        """Claim the due checks of up to ``limit`` pins, with every other unknown pin of their profiles."""
        return _by_profile(values(_Row, await self._database.fetch(_CLAIM, limit, seconds)))

    async def of_pin(self, pin_id: int) -> UnknownPins | None:
        """Return one pin to check now, without a claim; None when every attempt at it has a known end."""
        found = _by_profile(values(_Row, await self._database.fetch(_OF_PIN, pin_id)))
        return found[0] if found else None

    async def record(self, checks: Sequence[HistoryCheck]) -> dict[int, PinState]:
        """Write down what checks found; return the pins for which it still mattered, and their new states."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_LANES_OF_PINS, [check.pin_id for check in checks])
            rows = await connection.fetch(_RECORD, *columns(HistoryCheck, checks))
        changed = {row["pin_id"] for row in rows}
        return {check.pin_id: check.state for check in checks if check.pin_id in changed}


def _by_profile(rows: Sequence[_Row]) -> list[UnknownPins]:
    groups = []
    for _, each in groupby(rows, key=attrgetter("profile_id")):
        pins = tuple(each)
        groups.append(UnknownPins(pins[0].profile_id, pins[0].profile, pins[0].key_ciphertext, pins))
    return groups
