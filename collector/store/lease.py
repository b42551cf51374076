"""Claims: which profiles are due, and whose they are for now."""

from collections.abc import Callable, Sequence

import msgspec

from collector.models.poll import Claim
from collector.store.clock import clock_offset, machine_time
from collector.store.columns import values
from collector.store.pool import Database
from collector.tracing import span

# The share of a lease that a claim may wait before its call; answers that are not slow cost no renewal.
_LONGEST_WAIT = 0.1

_CLAIM = f"""
UPDATE profile AS p
SET lease_owner = $1,
    lease_until = now() + $2 * interval '1 second'
FROM claimable AS c
WHERE p.id = c.id
RETURNING
    p.id AS profile_id, p.name, p.key_ciphertext, p.state, p.consecutive_failures, p.lease_until,
    -- Once a UTC day the whole answer is compared with the table, so that a row lost there comes back.
    CASE WHEN p.answer_day = (now() AT TIME ZONE 'UTC')::date THEN p.answer_digest END AS known_answer,
    p.last_day, now() AS claimed_at, {clock_offset(3)} AS clock_offset_seconds,
    p.account_name_asked_at IS NULL AS name_wanted
"""

# MATERIALIZED: the rows are locked once, whatever plan the join takes. Profiles that miss days get up to half of the
# places, so that a part of the fleet that fails cannot keep the others waiting; of an odd place, chance decides. Both
# walks begin at the head of an index and visit little more than what is claimed.
_CLAIM_DUE = f"""
WITH behind AS MATERIALIZED (
    SELECT id
    FROM profile
    WHERE behind
      AND next_poll_at <= now()
      AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY next_poll_at
    LIMIT floor($4::integer / 2.0 + random())::integer
    FOR NO KEY UPDATE SKIP LOCKED
),
longest AS MATERIALIZED (
    SELECT id
    FROM profile
    WHERE next_poll_at <= now()
      AND (lease_until IS NULL OR lease_until <= now())
      AND id <> ALL (ARRAY(SELECT id FROM behind))
    ORDER BY next_poll_at
    LIMIT $4::integer - (SELECT count(*) FROM behind)
    FOR NO KEY UPDATE SKIP LOCKED
),
claimable AS (
    SELECT id
    FROM (SELECT id FROM behind UNION ALL SELECT id FROM longest) AS found
    LIMIT $4::integer -- for the planner, to which the other two limits say nothing
)
{_CLAIM}
"""

_CLAIM_NAMED = f"""
WITH claimable AS MATERIALIZED (
    SELECT id
    FROM profile
    WHERE id = ANY ($4::bigint[])
      AND state <> 'paused'
      AND (next_poll_at <= now() OR NOT $5::boolean)
      AND (lease_until IS NULL OR lease_until <= now())
    FOR NO KEY UPDATE SKIP LOCKED
)
{_CLAIM}
"""

_RENEW = """
UPDATE profile
SET lease_until = now() + $3 * interval '1 second'
WHERE id = $1
  AND lease_until = $2
RETURNING lease_until, now() AS claimed_at
"""

_RELEASE = """
UPDATE profile AS p
SET lease_owner = NULL,
    lease_until = NULL
FROM unnest($1::bigint[], $2::timestamptz[]) AS claim (id, lease_until)
WHERE p.id = claim.id
  AND p.lease_until = claim.lease_until
"""

_RELEASE_ALL = "UPDATE profile SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1"

# Profiles that wait because of a failure keep their time.
_FAR_AHEAD = """
SELECT id
FROM profile
WHERE next_poll_at > now() + $1 * interval '1 second'
  AND state = 'active'
  AND consecutive_failures = 0
  AND (lease_until IS NULL OR lease_until <= now())
ORDER BY next_poll_at DESC
LIMIT 1000
FOR NO KEY UPDATE SKIP LOCKED
"""
_BRING_FORWARD = """
UPDATE profile AS p
SET next_poll_at = now() + slot.seconds * interval '1 second'
FROM unnest($1::bigint[], $2::double precision[]) AS slot (id, seconds)
WHERE p.id = slot.id
"""

# Those that were refused long ago are asked once a day in any case.
_RECALL = """
WITH refused AS MATERIALIZED (
    SELECT id
    FROM profile
    WHERE (
        state = 'active' AND last_outcome IN ('suspended', 'unlinked', 'key_invalid')
        OR state IN ('suspended', 'unlinked', 'key_invalid') AND state_since > now() - interval '26 hours'
      )
      AND (next_poll_at > now() OR next_poll_at IS NULL)
      AND (lease_until IS NULL OR lease_until <= now())
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE profile AS p
SET next_poll_at = now()
FROM refused
WHERE p.id = refused.id
"""

# A lane that is busy is sending already.
_RECALL_LANES = """
WITH refused AS MATERIALIZED (
    SELECT profile_id
    FROM pin_lane
    WHERE paused_reason = 'fleet_refused'
      AND due_at > now()
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE pin_lane AS l
SET due_at = now(),
    not_before = NULL
FROM refused
WHERE l.profile_id = refused.profile_id
"""


class LeaseStore:
    """Leases of one owner; they end by a written result, by :meth:`release`, or by themselves after ``seconds``."""

    def __init__(self, database: Database, *, owner: str, seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds
        self._renewed_after = seconds * _LONGEST_WAIT

    async def claim_due(self, limit: int) -> list[Claim]:
        """Claim due profiles: in half of the places those that miss days, in the others those that waited longest."""
        return await self._claim(_CLAIM_DUE, limit)

    async def claim_named(self, profile_ids: Sequence[int], *, only_due: bool = False) -> list[Claim]:
        """Claim these profiles, save those that are paused or that somebody else is polling right now."""
        return await self._claim(_CLAIM_NAMED, profile_ids, only_due)

    async def _claim(self, sql: str, *arguments: object) -> list[Claim]:
        with span("claim") as claiming:
            rows = await self._database.fetch(sql, self._owner, self._seconds, machine_time(), *arguments)
            claiming.note(profiles=len(rows))
        return values(Claim, rows)

    async def for_call(self, claim: Claim, waited_seconds: float) -> Claim | None:
        """Return the claim as it is to be called with, begun anew where it has waited; None if it is no longer ours.

        So a lease runs from the call, however many slow ones were before it.
        """
        if waited_seconds < self._renewed_after:
            return claim
        row = await self._database.fetchrow(_RENEW, claim.profile_id, claim.lease_until, self._seconds)
        return None if row is None else msgspec.structs.replace(claim, **row)

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back unused; those that are no longer ours are left alone."""
        ids = [claim.profile_id for claim in claims]
        await self._database.execute(_RELEASE, ids, [claim.lease_until for claim in claims])

    async def release_all(self) -> None:
        """Give everything back, also what was claimed and, the claim being interrupted, never heard of."""
        await self._database.execute(_RELEASE_ALL, self._owner)

    async def recall(self) -> int:
        """Make due now the profiles that were refused within the last day, and their pins; return how many profiles."""
        await self._database.execute(_RECALL_LANES)
        return await self._database.execute(_RECALL)

    async def bring_forward(self, seconds: float, slot: Callable[[int], float]) -> int:
        """Plan healthy profiles that wait for longer than ``seconds`` anew; return how many there were.

        ``slot`` returns the new wait of a profile in seconds, no longer than ``seconds``.
        """
        moved = 0
        while ids := await self._bring_some_forward(seconds, slot):
            moved += len(ids)
        return moved

    async def _bring_some_forward(self, seconds: float, slot: Callable[[int], float]) -> list[int]:
        async with self._database.transaction() as connection:
            ids = [row["id"] for row in await connection.fetch(_FAR_AHEAD, seconds)]
            if ids:
                await connection.execute(_BRING_FORWARD, ids, [slot(profile_id) for profile_id in ids])
        return ids
