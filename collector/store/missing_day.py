"""Counts the days that are not there, for statements about many profiles."""


def missing_days(since: str) -> str:
    """Return SQL that counts how many days the profile ``p`` misses, of those from ``since`` to the newest due one."""
    return f"""
        SELECT greatest(0, b.due - b.since + 1 - (
            SELECT count(*)
            FROM daily_metric m
            WHERE m.profile_id = p.id
              AND m.day BETWEEN b.since AND b.due
        )) AS missing_days
        FROM (
            SELECT
                -- A profile that never had a day misses none; greatest() alone would ignore the NULL.
                CASE WHEN p.first_day IS NOT NULL THEN greatest(p.first_day, {since}) END AS since,
                newest_day_due(p.settle_days) AS due
        ) b
    """
