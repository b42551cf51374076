"""Makes panels of missing days: the share of due days that are there."""

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders import table as tables

from grafana.builder.links import CLIENT_OF_ROW, OPERATIONS, to
from grafana.builder.panels import BAD, GOOD, SHARE, UNEASY, About, Column, lines, number, rows
from grafana.builder.query import series, table
from grafana.builder.variables import CHOSEN_CLIENTS

_TO_OPERATIONS = to(OPERATIONS, "Is the collector well?")

# Profiles that should have a day: from the first that was read to the newest one due, or to the last that was read if the
# profile is paused.
_COVERAGE = f"""
        WITH due AS (
            SELECT
                g.day::date AS day,
                sum(coalesce(s.profiles, 0)) OVER (ORDER BY g.day) AS profiles
            FROM generate_series(
                $__timeFrom()::date::timestamp,
                least($__timeTo()::date, newest_day_due((SELECT max(settle_days) FROM profile)))::timestamp,
                interval '1 day'
            ) AS g (day)
            LEFT JOIN (
                SELECT
                    greatest(v.day, $__timeFrom()::date) AS day,
                    sum(v.profiles) AS profiles
                FROM profile p
                CROSS JOIN LATERAL (
                    VALUES (p.first_day, 1), (CASE WHEN p.state = 'paused' THEN p.last_day + 1 END, -1)
                ) AS v (day, profiles)
                WHERE {CHOSEN_CLIENTS}
                  AND v.day <= $__timeTo()::date
                GROUP BY 1
            ) s ON s.day = g.day
        ),
        present AS (
            SELECT
                day,
                sum(profiles) AS profiles
            FROM client_day
            WHERE client IN ($client)
              AND $__timeFilter(day)
            GROUP BY day
        )
"""


def coverage() -> stat.Panel:
    """Return the share of due days that are there."""
    about = About(
        "Coverage",
        "Days that are there of those that are due, over the chosen clients and the time range. A day is due three days after it. "
        "Of a paused profile none is due after the last that was read.",
        "it is below 100 %. The table of gaps says whose days are missing and how long they can still be fetched.",
        "No day is due in this time range",
    )
    query = f"""
        {_COVERAGE}
        SELECT sum(least(coalesce(p.profiles, 0), d.profiles))::float8 / nullif(sum(d.profiles), 0) AS "Coverage"
        FROM due d
        LEFT JOIN present p ON p.day = d.day
    """
    steps = ((None, BAD), (0.98, UNEASY), (0.9999, GOOD))
    return number(about, table(query), SHARE, width=8, steps=steps, link=_TO_OPERATIONS)


def coverage_by_day() -> timeseries.Panel:
    """Return the same by day."""
    about = About(
        "Coverage by day",
        "Share of the profiles that have the day, of those that should.",
        "it falls for days that are due: polls fail, or Pinterest delivers nothing.",
        "No day is due in this time range",
    )
    query = f"""
        {_COVERAGE}
        SELECT
            d.day::timestamp AT TIME ZONE 'UTC' AS time,
            coalesce(p.profiles, 0)::float8 / nullif(d.profiles, 0) AS "Coverage"
        FROM due d
        LEFT JOIN present p ON p.day = d.day
        ORDER BY time
    """
    return lines(about, [series(query)], SHARE, link=_TO_OPERATIONS).max(1)


# Days up to lost_through are lost, by the rule of the views missing_day and profile_status.
_GAPS = f"""
    WITH present AS (
        SELECT
            p.id,
            count(*) AS days
        FROM profile p
        JOIN daily_metric m ON m.profile_id = p.id
        WHERE m.day >= greatest($__timeFrom()::date, $__timeTo()::date - 90)
          AND m.day <= $__timeTo()::date
          AND m.day <= newest_day_due(p.settle_days)
          AND {CHOSEN_CLIENTS}
        GROUP BY p.id
    ),
    short AS (
        SELECT
            p.id,
            p.name,
            p.client,
            d.since,
            d.until,
            (now() AT TIME ZONE 'UTC')::date - fetchable_days(p.window_days) AS lost_through,
            d.until - d.since + 1 - coalesce(c.days, 0) AS missing
        FROM profile p
        CROSS JOIN LATERAL (
            SELECT
                greatest(p.first_day, $__timeFrom()::date, $__timeTo()::date - 90) AS since,
                least(
                    newest_day_due(p.settle_days), $__timeTo()::date, CASE WHEN p.state = 'paused' THEN p.last_day END
                ) AS until
        ) d
        LEFT JOIN present c ON c.id = p.id
        WHERE p.first_day IS NOT NULL
          AND {CHOSEN_CLIENTS}
    ),
    gaps AS (
        SELECT
            s.*,
            greatest(0, least(s.until, s.lost_through) - s.since + 1) - c.days AS lost
        FROM short s
        CROSS JOIN LATERAL (
            SELECT count(*) AS days
            FROM daily_metric m
            WHERE m.profile_id = s.id
              AND m.day >= greatest($__timeFrom()::date, $__timeTo()::date - 90)
              AND m.day BETWEEN s.since AND least(s.until, s.lost_through)
        ) c
        WHERE s.missing > 0
    )
    SELECT
        g.client AS "Client",
        g.name AS "Profile",
        g.missing AS "Days missing",
        g.lost AS "Days lost",
        CASE WHEN g.missing > g.lost THEN (
            SELECT min(c.day::date)
            FROM generate_series(
                greatest(g.since, g.lost_through + 1)::timestamp, g.until::timestamp, interval '1 day'
            ) AS c (day)
            WHERE NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = g.id AND m.day = c.day::date)
        ) - g.lost_through END AS "Days until lost"
    FROM gaps g
    ORDER BY g.missing - g.lost DESC, g.missing DESC, g.client, g.name
    LIMIT 50
"""


def gaps() -> tables.Panel:
    """Return the profiles whose days are missing."""
    about = About(
        "Gaps",
        "Profiles with days missing among the last 90 in the time range, those with the most that can still be fetched first. "
        "Lost are the days that Ayrshare no longer serves; the last column counts down to the next of them.",
        "the next day is lost in a week or less.",
        "No day is missing",
    )
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Days missing", width=130),
        Column("Days lost", width=130, steps=((None, "text"), (1, BAD))),
        Column("Days until lost", width=140, steps=((None, BAD), (8, UNEASY), (30, GOOD))),
    ]
    return rows(about, table(_GAPS), looks, size=(24, 7), link=_TO_OPERATIONS)
