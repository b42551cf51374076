"""Reads how late, and by how much, numbers were restated."""

import msgspec

from collector.store.columns import values
from collector.store.pool import Database


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """What still happened to numbers that were ``age_days`` old.

    Of ``days`` days that were known by then, ``moved`` had other numbers later. The shares are what was added and taken
    away in all, each day for itself, of what the numbers came to.
    """

    age_days: int
    days: int
    moved: int
    impression_share: float | None
    engagement_share: float | None


# Enough for a per mille, and read in seconds however large the fleet is.
_MOST_PROFILES = 1000
_DAYS = 30

_TODAY = "(now() AT TIME ZONE 'UTC')::date"


def _in_span(day: str) -> str:
    """Return the condition for days that are old enough to have been followed, and no older than need be."""
    return f"{day} > {_TODAY} - $2::integer - {_DAYS} AND {day} <= {_TODAY} - $2::integer"


# A day is followed when it was read until it was so old ($2), and no change of it is without a date. What a day's
# changes after some age add up to is by how much it was wrong at that age. OFFSET 0, as in every join of days: or
# TimescaleDB would read those of everybody.
_MOVEMENT = f"""
WITH chosen AS MATERIALIZED (
    SELECT id, (last_success_at AT TIME ZONE 'UTC')::date AS read_on, seam_day
    FROM profile
    WHERE last_success_at IS NOT NULL
      AND ($1::text IS NULL OR client = $1)
    ORDER BY hashint8(id)
    LIMIT {_MOST_PROFILES}
),
change AS MATERIALIZED (
    SELECT r.*
    FROM chosen c
    CROSS JOIN LATERAL (
        SELECT *
        FROM restatement r
        WHERE r.profile_id = c.id
          AND {_in_span("r.day")}
          AND r.observed_at > now() - ($2::integer + {_DAYS}) * interval '1 day'
          AND r.moved
        OFFSET 0
    ) r
),
followed AS MATERIALIZED (
    SELECT
        m.profile_id, m.day, m.impression, m.engagement, (m.first_seen_at AT TIME ZONE 'UTC')::date - m.day AS seen_age
    FROM chosen c
    CROSS JOIN LATERAL (
        SELECT *
        FROM daily_metric m
        WHERE m.profile_id = c.id
          AND {_in_span("m.day")}
        OFFSET 0
    ) m
    WHERE m.day + $2::integer <= c.read_on
      AND m.source IS NULL
      AND (c.seam_day IS NULL OR m.day >= c.seam_day)
      AND (m.profile_id, m.day) NOT IN (SELECT profile_id, day FROM change WHERE NOT dated)
),
late AS (
    SELECT
        a.age, c.profile_id, c.day,
        abs(sum(coalesce(c.impression, 0) - coalesce(c.impression_before, 0))) AS impression,
        abs(sum(coalesce(c.engagement, 0) - coalesce(c.engagement_before, 0))) AS engagement
    FROM change c
    CROSS JOIN LATERAL generate_series(0, least(c.age_days - 1, $3::integer)) AS a (age)
    GROUP BY a.age, c.profile_id, c.day
)
SELECT
    a.age AS age_days, count(f.day) AS days, count(l.day) AS moved,
    (coalesce(sum(l.impression), 0) / nullif(sum(f.impression), 0))::double precision AS impression_share,
    (coalesce(sum(l.engagement), 0) / nullif(sum(f.engagement), 0))::double precision AS engagement_share
FROM generate_series(0, $3::integer) AS a (age)
LEFT JOIN followed f ON f.seen_age <= a.age
LEFT JOIN late l ON l.age = a.age AND l.profile_id = f.profile_id AND l.day = f.day
GROUP BY a.age
ORDER BY a.age
"""


class RestatementStore:
    """Reads restatements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def movement(self, client: str | None, followed_days: int, oldest: int) -> list[Movement]:
        """Return what still happened to numbers of each age, up to ``oldest``.

        It is counted on days that were followed until they were ``followed_days`` old, 30 of them for each profile, of
        1,000 profiles at most.
        """
        return values(Movement, await self._database.fetch(_MOVEMENT, client, followed_days, oldest))
