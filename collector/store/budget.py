"""Reads how near profiles are to what Ayrshare allows: calls, answers of 429, and posts of the month."""

from datetime import datetime

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile has used of what Ayrshare allows it.

    ``calls`` are those of the last five minutes, of which it may make ``calls_allowed``: as Ayrshare counted them in an
    answer that is as young, else the polls of the log. ``refusals`` are today's answers of 429 (UTC); 1,000 suspend a
    profile. ``posts`` are the calls of this month that sent a pin; ``quota_until`` is when the month's posts are there
    again, None where they are not used up.
    """

    profile_id: int
    profile: str
    client: str
    calls: int
    calls_allowed: int
    polls_24h: int
    refusals: int
    posts: int
    quota_until: datetime | None
    used_share: float


# Of profile ``p``, whose polls ``l`` has: Ayrshare's own count, where it is young, also has what others called.
_COUNTED = """
SELECT
    greatest(
        l.lately,
        CASE WHEN p.last_poll_at > now() - interval '5 minutes' THEN p.rate_limit_count END,
        0
    ) AS calls,
    CASE WHEN p.rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN p.rate_limited_count ELSE 0 END AS refusals
"""
# Of a profile that was ``used``. A pin that went back to the queue cost no post.
_POSTS = """
SELECT count(*) AS posts
FROM pin p
JOIN pin_attempt a ON a.pin_id = p.id
WHERE p.profile_id = used.profile_id
  AND a.started_at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  AND a.outcome IS DISTINCT FROM 'requeued'
"""


# The log is found by its time; of one profile, too, because its unchanged polls are in no other index.
def _budget(polls_of: str, profiles: str, limit: str) -> str:
    return f"""
        WITH polled AS (
            SELECT
                profile_id, count(*) AS day, count(*) FILTER (WHERE polled_at > now() - interval '5 minutes') AS lately
            FROM poll_log
            WHERE {polls_of}
              polled_at > now() - interval '24 hours'
            GROUP BY profile_id
        ),
        used AS (
            SELECT
                p.id AS profile_id, p.name AS profile, p.client, c.calls,
                coalesce(p.rate_limit_max, 300) AS calls_allowed,
                coalesce(l.day, 0) AS polls_24h,
                c.refusals,
                q.not_before AS quota_until,
                greatest(
                    c.calls / coalesce(nullif(p.rate_limit_max, 0), 300)::double precision,
                    c.refusals / 1000.0::double precision,
                    CASE WHEN q.profile_id IS NOT NULL THEN 1.0 END
                ) AS used_share
            FROM profile p
            LEFT JOIN polled l ON l.profile_id = p.id
            LEFT JOIN pin_lane q ON q.profile_id = p.id AND q.paused_reason = 'quota' AND q.not_before > now()
            CROSS JOIN LATERAL (
                {_COUNTED}
            ) c
            {profiles}
            ORDER BY used_share DESC, p.name
            {limit}
        )
        SELECT {names(Budget)}
        FROM used
        CROSS JOIN LATERAL (
            {_POSTS}
        ) s
        ORDER BY used_share DESC, profile
    """


_NEAREST = _budget("", "", "LIMIT $1")
# The id first: PostgreSQL reckons the time anew for each row that it compares.
_OF = _budget("profile_id = $1 AND", "WHERE p.id = $1", "")


async def nearest_budgets(database: Database, most: int) -> list[Budget]:
    """Return the profiles that are nearest to a limit, the nearest first."""
    return values(Budget, await database.fetch(_NEAREST, most))


async def budget_of(database: Database, profile_id: int) -> Budget | None:
    """Return what a profile has used; None where there is no such profile."""
    found = values(Budget, await database.fetch(_OF, profile_id))
    return found[0] if found else None
