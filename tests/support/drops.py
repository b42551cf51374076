"""Registers profiles with settled days and drops, for the tests of the detector."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

TODAY = datetime.now(UTC).date()
SETTLED = TODAY - timedelta(days=3)
DAYS = 150

# A weekday rhythm with noise that depends only on the day and the profile.
FILL = """
INSERT INTO daily_metric (profile_id, day, impression, engagement, save, pin_click, outbound_click)
SELECT p.id, d.day, 30 * e.count, e.count, e.count / 3, e.count / 3, e.count / 3
FROM profile p
CROSS JOIN LATERAL (SELECT generate_series($2::date - $3::integer + 1, $2::date, interval '1 day')::date AS day) d
CROSS JOIN LATERAL (
    SELECT (CASE WHEN d.day > $2::date - $4::integer AND d.day <= $2::date - $6::integer THEN $5::float8 ELSE 1 END
        * 300 * (1 + 0.2 * (extract(isodow FROM d.day) > 5)::integer)
        * (0.9 + 0.2 * (abs(hashtext(p.name || d.day::text)) % 1000) / 1000))::bigint AS count
) e
WHERE p.name = $1
"""


async def fill(
    database: Database,
    name: str,
    *,
    client: str = "acme",
    days: int = DAYS,
    dropped: int = 0,
    fell: tuple[int, int] | None = None,
    left: float = 1.0,
) -> None:
    """Register a profile with settled days, of which the last ``dropped`` have ``left`` of their usual counts.

    ``fell`` are the first and the last low day of a fall that is over, in days before the newest.
    """
    lowest, highest = (fell[0] + 1, fell[1]) if fell is not None else (dropped, 0)
    await ProfileStore(database).put([new_profile(name, f"key-of-{name}", client=client)])
    await database.execute(FILL, name, SETTLED, days, lowest, left, highest)
    await database.execute(
        "UPDATE profile SET settled_through = $2, settle_days = 3, first_day = $2::date - $3::integer + 1, "
        "last_day = $2, last_poll_at = now() WHERE name = $1",
        name,
        SETTLED,
        days,
    )


async def stored_drop(database: Database, profile_id: int, sentence: str = "It fell.") -> int:
    """Store an open drop of a profile's saves, as the detector would; return its number."""
    drop_id: int = await database.fetchval(
        "INSERT INTO drop_episode (profile_id, metric, detected_day, first_day, last_day, observed, expected, "
        "expected_low, score, lost_share, sentence) VALUES ($1, 'save', $2, $2, $2, 1, 2, 1, 4, 0.5, $3) RETURNING id",
        *(profile_id, SETTLED, sentence),
    )
    return drop_id


# Each version: how long after its day it was first seen, what its engagement is divided by, and Pinterest's status.
Version = tuple[str, int, str | None]

_SUPERSEDE = """
INSERT INTO daily_metric_revision (
    profile_id, day, revision, observed_at, last_seen_at, superseded_at, engagement, impression, save, data_status
)
SELECT profile_id, day, $3, day + $4::text::interval, day + $4::text::interval, day + $5::text::interval,
       engagement / $6::integer, impression, save, $7
FROM daily_metric
WHERE day BETWEEN $1 AND $2
"""
_PRESENT = """
UPDATE daily_metric
SET revision = $3, updated_at = day + $4::text::interval, engagement = engagement / $5::integer, data_status = $6
WHERE day BETWEEN $1 AND $2
"""


async def restate(database: Database, first: date, last: date, *versions: Version) -> None:
    """Give the days of all profiles these versions instead of the one that they have; the last is the present one."""
    for revision, (version, following) in enumerate(pairwise(versions), start=1):
        seen_after, divisor, status = version
        await database.execute(_SUPERSEDE, first, last, revision, seen_after, following[0], divisor, status)
    await database.execute(_PRESENT, first, last, len(versions), *versions[-1])
