"""Whose days are missing: days present of days due."""

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders import table as tables

from grafana.builder.links import CLIENT_OF_ROW, OPERATIONS, to
from grafana.builder.panels import BAD, GOOD, SHARE, UNEASY, About, Column, lines, number, rows
from grafana.builder.query import series, table
from grafana.builder.variables import CHOSEN_CLIENTS

_TO_OPERATIONS = to(OPERATIONS, "Is the collector well?")

# Profiles that should have a day: from the first that was read to the newest one due.
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
                    greatest(p.first_day, $__timeFrom()::date) AS day,
                    count(*) AS profiles
                FROM profile p
                WHERE {CHOSEN_CLIENTS}
                  AND p.first_day <= $__timeTo()::date
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
    """Return the share of the days due that are there."""
    about = About(
        "Coverage",
        "Days that are there of those that are due, over the chosen clients and the time range. A day is due three days after it.",
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
    return number(about, table(query), SHARE, width=8, steps=steps, links=[_TO_OPERATIONS])


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
    return lines(about, [series(query)], SHARE, links=[_TO_OPERATIONS]).max(1)


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
    gaps AS (
        SELECT
            p.id,
            p.name,
            p.client,
            p.window_days,
            d.since,
            d.until,
            d.until - d.since + 1 - coalesce(c.days, 0) AS missing
        FROM profile p
        CROSS JOIN LATERAL (
            SELECT
                greatest(p.first_day, $__timeFrom()::date, $__timeTo()::date - 90) AS since,
                least(newest_day_due(p.settle_days), $__timeTo()::date) AS until
        ) d
        LEFT JOIN present c ON c.id = p.id
        WHERE p.first_day IS NOT NULL
          AND {CHOSEN_CLIENTS}
    )
    SELECT
        g.client AS "Client",
        g.name AS "Profile",
        g.missing AS "Days missing",
        (
            SELECT min(c.day::date)
            FROM generate_series(g.since::timestamp, g.until::timestamp, interval '1 day') AS c (day)
            WHERE NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = g.id AND m.day = c.day::date)
        ) + fetchable_days(g.window_days) - (now() AT TIME ZONE 'UTC')::date AS "Days until lost"
    FROM gaps g
    WHERE g.missing > 0
    ORDER BY g.missing DESC, g.client, g.name
    LIMIT 50
"""


def gaps() -> tables.Panel:
    """Return the profiles whose days are missing."""
    about = About(
        "Gaps",
        "Profiles with days missing among the last 90 in the time range, the most first.",
        "days can still be fetched for a week or less: after that Ayrshare no longer serves them.",
        "No day is missing",
    )
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Days missing", width=130),
        Column("Days until lost", width=140, steps=((None, BAD), (8, UNEASY), (30, GOOD))),
    ]
    return rows(about, table(_GAPS), looks, size=(24, 7), links=[_TO_OPERATIONS])
