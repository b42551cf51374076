"""Unknown pins as the reconciler sees them: which to look for now, and what a look found."""

from collections.abc import Sequence
from itertools import groupby

import asyncpg
import msgspec

from collector.models import PinLook, PinState, UnknownPin
from collector.store.pool import Database

# The attempts of a pin whose end nobody knows.
_OPEN_ATTEMPTS = """
FROM pin p
JOIN profile f ON f.id = p.profile_id
CROSS JOIN LATERAL (
    SELECT min(started_at) AS first_at, max(started_at) AS last_at
    FROM pin_attempt
    WHERE pin_id = p.id
      AND (outcome = 'unknown' OR outcome IS NULL)
) a
"""

# Moving next_look_at is the claim: a process that dies with it only makes the look later.
_CLAIM = f"""
WITH held AS (
    UPDATE pin AS p
    SET next_look_at = now() + $2 * interval '1 second'
    WHERE p.profile_id IN (
            SELECT profile_id FROM pin WHERE state = 'unknown' AND next_look_at <= now() ORDER BY next_look_at LIMIT $1
        )
      AND p.state = 'unknown'
      AND p.next_look_at <= now()
    RETURNING p.id, p.profile_id
)
SELECT p.profile_id, f.name, f.key_ciphertext, p.id, p.attempts, p.token::text, p.looks, a.first_at, a.last_at,
       p.id IN (SELECT id FROM held) AS due
{_OPEN_ATTEMPTS}
WHERE p.profile_id IN (SELECT profile_id FROM held)
  AND p.state = 'unknown'
ORDER BY p.profile_id, p.id
"""

_OF_PIN = f"""
SELECT p.profile_id, f.name, f.key_ciphertext, p.id, p.attempts, p.token::text, p.looks, a.first_at, a.last_at,
       true AS due
{_OPEN_ATTEMPTS}
WHERE p.id = $1
  AND a.first_at IS NOT NULL
"""

_RECORD = """
WITH look AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::bigint[], $2::integer[], $3::text[], $4::boolean[], $5::float8[], $6::text[], $7::integer[], $8::text[],
        $9::text[], $10::text[], $11::integer[]
    ) AS r (pin, attempt, state, counts, next_seconds, seen, seen_attempt, ayrshare_id, pinterest_pin_id, pin_url,
        code)
),
changed AS (
    UPDATE pin AS p
    SET state = r.state,
        state_since = CASE WHEN r.state = p.state THEN p.state_since ELSE now() END,
        looks = p.looks + r.counts::integer,
        next_look_at = CASE WHEN r.state = 'unknown' THEN now() + r.next_seconds * interval '1 second' END,
        last_error = CASE WHEN r.state <> 'published' THEN r.seen END,
        ayrshare_id = coalesce(r.ayrshare_id, p.ayrshare_id),
        pinterest_pin_id = coalesce(r.pinterest_pin_id, p.pinterest_pin_id),
        pin_url = coalesce(r.pin_url, p.pin_url),
        published_at = CASE WHEN r.state = 'published' THEN now() END
    FROM look r
    WHERE p.id = r.pin
      AND p.attempts = r.attempt
      AND (p.state = 'unknown' OR (p.state IN ('cancelled', 'failed') AND r.state = 'published'))
    RETURNING p.id, p.profile_id, p.publish_at, r.*
),
returned AS (
    INSERT INTO pin_arrival (profile_id, due_at)
    SELECT profile_id, publish_at
    FROM changed
    WHERE state = 'queued'
),
attempted AS (
    UPDATE pin_attempt AS a
    SET looked_at = now(),
        look = c.seen,
        outcome = CASE WHEN c.state IN ('published', 'failed') THEN c.state ELSE a.outcome END,
        code = coalesce(c.code, a.code)
    FROM changed c
    WHERE a.pin_id = c.id
      AND a.attempt = c.seen_attempt
)
SELECT id, publish_at FROM changed
"""


class UnknownPins(msgspec.Struct, frozen=True):
    """The unknown pins of one profile, which one answer of Ayrshare settles."""

    profile_id: int
    profile: str
    key_ciphertext: bytes
    pins: tuple[UnknownPin, ...]


class LookStore:
    """Looks for unknown pins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int, *, seconds: float) -> list[UnknownPins]:
        """Claim the due looks of up to ``limit`` pins, with every other unknown pin of their profiles."""
        return _grouped(await self._database.fetch(_CLAIM, limit, seconds))

    async def of_pin(self, pin_id: int) -> UnknownPins | None:
        """Return one pin to look for now, without a claim; None when every attempt at it has a known end."""
        found = _grouped(await self._database.fetch(_OF_PIN, pin_id))
        return found[0] if found else None

    async def record(self, looks: Sequence[PinLook]) -> dict[int, PinState]:
        """Write down what looks found; return the pins for which it still mattered, and their new states."""
        columns = zip(
            *(
                (
                    k.pin_id, k.attempt, k.state.value, k.counts, k.next_seconds, k.seen, k.seen_attempt,
                    k.publication.ayrshare_id, k.publication.pinterest_pin_id, k.publication.pin_url, k.code,
                )
                for k in looks
            ),
            strict=True,
        )  # fmt: skip
        changed = {row["id"] for row in await self._database.fetch(_RECORD, *map(list, columns))}
        return {look.pin_id: look.state for look in looks if look.pin_id in changed}


def _grouped(rows: Sequence[asyncpg.Record]) -> list[UnknownPins]:
    groups = []
    for profile_id, each in groupby(rows, key=lambda row: row["profile_id"]):
        of_profile = list(each)
        pins = tuple(
            UnknownPin(r["id"], r["attempts"], r["token"], r["looks"], r["first_at"], r["last_at"], r["due"])
            for r in of_profile
        )
        groups.append(UnknownPins(profile_id, of_profile[0]["name"], of_profile[0]["key_ciphertext"], pins))
    return groups
