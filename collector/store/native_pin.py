"""Pins that were not made here: whose list is asked for next, and what is kept of it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from collector.models.history import NativePin
from collector.models.result import PinNumbers
from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database
from collector.store.rate_limit import OTHERS_WAIT


class NativeClaim(msgspec.Struct, frozen=True):
    """A profile that is ours to ask for its list, once."""

    profile_id: int
    profile: str
    key_ciphertext: bytes


# Replicas may choose the same profile; the one whose write comes second gets nothing.
_CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT f.id
    FROM profile f
    LEFT JOIN native_look l ON l.profile_id = f.id
    WHERE f.state = 'active'
      AND coalesce(l.next_at <= now(), true)
      AND NOT {OTHERS_WAIT}
    LIMIT $1
),
claimed AS (
    INSERT INTO native_look AS l (profile_id, next_at)
    SELECT id, now() + interval '1 day' + random() * interval '2 hours'
    FROM due
    ON CONFLICT (profile_id) DO UPDATE SET next_at = excluded.next_at
    WHERE l.next_at <= now()
    RETURNING profile_id
)
SELECT f.id AS profile_id, f.name AS profile, f.key_ciphertext
FROM claimed c
JOIN profile f ON f.id = c.profile_id
"""

_IS_OURS = """(
    SELECT FROM pin p
    WHERE p.profile_id = $1
      AND (p.pinterest_pin_id = n.pinterest_pin_id OR p.pin_url = n.pin_url)
)"""
# Of a pin whose fate was not known when the list came.
_OURS = f"SELECT n.id FROM native_pin n WHERE n.profile_id = $1 AND EXISTS {_IS_OURS}"
_FORGET: Final = (
    "DELETE FROM pin_metric WHERE profile_id = $1 AND pin_id = ANY ($2::bigint[])",
    "DELETE FROM pin_result WHERE profile_id = $1 AND pin_id = ANY ($2::bigint[])",
    "DELETE FROM native_pin WHERE profile_id = $1 AND id = ANY ($2::bigint[])",
)
_TOLD = f"unnest({arrays(NativePin, first=2)}) AS n ({names(NativePin)})"
# A pin of today may be one of ours that is being sent.
_ADD = f"""
INSERT INTO native_pin (profile_id, pinterest_pin_id, created_at, title, pin_url)
SELECT
    $1, n.pinterest_pin_id, n.created_at,
    nullif(left(coalesce(nullif(n.title, ''), n.description), 100), '') AS title, n.pin_url
FROM {_TOLD}
WHERE n.created_at BETWEEN now() - interval '90 days' AND now() - interval '1 day'
  AND NOT EXISTS {_IS_OURS}
  AND NOT EXISTS (
      SELECT FROM native_pin k WHERE k.profile_id = $1 AND k.pinterest_pin_id = n.pinterest_pin_id
  )
ON CONFLICT (profile_id, pinterest_pin_id) DO NOTHING
"""

_NUMBERS: Final = names(PinNumbers)
_COUNTS: Final = ("impression", "save", "pin_click", "outbound_click")
# As for our own pins: a total that is known does not begin again at 0.
_MERGED: Final = {name: f"coalesce(nullif(excluded.{name}, 0), r.{name}, excluded.{name})" for name in _COUNTS} | {
    "extra": "coalesce(excluded.extra, r.extra)",
    "week_impression": "coalesce(r.week_impression, excluded.week_impression)",
    "week_engagement": "coalesce(r.week_engagement, excluded.week_engagement)",
}
_RECORD = f"""
WITH told AS (
    SELECT
        k.id, {names(PinNumbers, "n.")},
        k.created_at BETWEEN now() - interval '9 days' AND now() - interval '7 days' AS week_old
    FROM {_TOLD}
    JOIN native_pin k ON k.profile_id = $1 AND k.pinterest_pin_id = n.pinterest_pin_id
    WHERE num_nonnulls(n.{", n.".join(_COUNTS)}) > 0
      AND k.created_at > now() - interval '90 days'
),
moved AS (
    INSERT INTO pin_result AS r (
        profile_id, pin_id, asked_at, observed_at, {_NUMBERS}, week_impression, week_engagement
    )
    SELECT
        $1, id, now(), now(), impression, save, pin_click, outbound_click, extra::jsonb,
        CASE WHEN week_old THEN impression END,
        CASE WHEN week_old THEN pin_engagement(save, pin_click, outbound_click) END
    FROM told
    ON CONFLICT (profile_id, pin_id) DO UPDATE
    SET asked_at = excluded.asked_at, observed_at = excluded.observed_at,
        {", ".join(f"{name} = {merged}" for name, merged in _MERGED.items())}
    WHERE ({", ".join(_MERGED.values())}) IS DISTINCT FROM ({", ".join(f"r.{name}" for name in _MERGED)})
    RETURNING r.profile_id, r.pin_id, r.observed_at, {names(PinNumbers, "r.")}
),
kept AS (
    INSERT INTO pin_metric (profile_id, pin_id, observed_at, {_NUMBERS})
    SELECT profile_id, pin_id, observed_at, {_NUMBERS}
    FROM moved
)
SELECT count(*) FROM moved
"""


class NativePinStore:
    """Native pins by profile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int) -> list[NativeClaim]:
        """Claim profiles that were not asked for a day, and move their next time on; a claim is not given back."""
        return values(NativeClaim, await self._database.fetch(_CLAIM, limit))

    async def keep(self, profile_id: int, pins: Sequence[NativePin]) -> int:
        """Keep the pins of a list that are not ours, with their numbers; return of how many the numbers are news."""
        known = {pin.pinterest_pin_id: pin for pin in pins if pin.pinterest_pin_id is not None}
        told = columns(NativePin, known.values())
        async with self._database.transaction() as connection:
            if ours := [row["id"] for row in await connection.fetch(_OURS, profile_id)]:
                for statement in _FORGET:
                    await connection.execute(statement, profile_id, ours)
            await connection.execute(_ADD, profile_id, *told)
            return int(await connection.fetchval(_RECORD, profile_id, *told))
