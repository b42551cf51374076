"""Profiles with settled days, some of which fell, for the tests of the detector."""

from datetime import UTC, datetime, timedelta

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

TODAY = datetime.now(UTC).date()
SETTLED = TODAY - timedelta(days=3)
DAYS = 150

# A weekday rhythm with noise that depends on nothing but the day and the profile.
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
