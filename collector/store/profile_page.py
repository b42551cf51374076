"""Reads what the page of one profile shows beside its status: its gaps, its drops, its pins."""

from datetime import date, datetime

import msgspec

from collector.errors import RegistryError
from collector.store.columns import names, values
from collector.store.pool import Database


class MissingDay(msgspec.Struct, frozen=True):
    """A day that is not there; ``lost`` when Ayrshare no longer serves it."""

    day: date
    lost: bool


class Particulars(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one profile besides its status.

    ``window_days`` is how many days its answers have, None as long as there was none. ``not_judged`` says why nothing
    is said of drops; None where the profile is judged. ``pins_due`` are those queued whose time has come;
    ``next_pin_at`` is when the next one is.
    """

    window_days: int | None
    drop_sensitivity: str
    not_judged: str | None
    open_drops: list[str]
    pins_queued: int
    pins_due: int
    pins_unknown: int
    pins_failed: int
    next_pin_at: datetime | None
    pins_wait_for: str | None
    pins_wait_detail: str | None


_PARTICULARS = """
SELECT
    p.window_days,
    c.sensitivity AS drop_sensitivity,
    CASE
        WHEN p.settled_through IS NULL THEN 'no settled day yet'
        WHEN v.profile_id IS NULL THEN 'no detector has looked at it yet'
        ELSE v.silence
    END AS not_judged,
    ARRAY(
        SELECT sentence
        FROM engagement_drop
        WHERE profile_id = p.id
          AND told
        ORDER BY first_day
    ) AS open_drops,
    q.pins_queued, q.pins_due, q.pins_unknown, q.pins_failed, q.next_pin_at,
    l.paused_reason AS pins_wait_for,
    l.paused_detail AS pins_wait_detail
FROM profile p
JOIN judged_profile c ON c.profile_id = p.id
LEFT JOIN drop_verdict v ON v.profile_id = p.id
LEFT JOIN pin_lane l ON l.profile_id = p.id
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state = 'queued') AS pins_queued,
        count(*) FILTER (WHERE state = 'queued' AND publish_at <= now()) AS pins_due,
        count(*) FILTER (WHERE state = 'unknown') AS pins_unknown,
        count(*) FILTER (WHERE state = 'failed') AS pins_failed,
        min(publish_at) FILTER (WHERE state = 'queued' AND publish_at > now()) AS next_pin_at
    FROM pin
    WHERE profile_id = p.id
) q
WHERE p.id = $1
"""

_MISSING = f"SELECT {names(MissingDay)} FROM missing_day WHERE profile_id = $1 ORDER BY day"


async def particulars_of(database: Database, profile_id: int) -> Particulars:
    """Return what is known of a profile. Raises ``RegistryError`` when it was removed meanwhile."""
    found = values(Particulars, await database.fetch(_PARTICULARS, profile_id))
    if not found:
        raise RegistryError(f"profile {profile_id} was removed meanwhile")
    return found[0]


async def missing_days_of(database: Database, profile_id: int) -> list[MissingDay]:
    """Return the days between the first and the newest due one that are not there."""
    return values(MissingDay, await database.fetch(_MISSING, profile_id))
