"""Makes the panel of how Pinterest restated a day: its numbers as they were known on the days after it."""

from textwrap import indent

from grafana_foundation_sdk.builders import barchart
from grafana_foundation_sdk.builders import table as tables

from grafana.builder.links import FLEET, to
from grafana.builder.panels import TIME, About, Column, columns, rows
from grafana.builder.query import table
from grafana.builder.variables import CHOSEN_PROFILES_AS_P, chosen_metric

_TO_FLEET = to(FLEET, "All clients")

# A version is superseded after it was seen: TimescaleDB leaves out the chunks of the ledger that are older than the day.
_REVISIONS = f"""
        FROM profile p
        JOIN daily_metric_version r ON r.profile_id = p.id
        WHERE {CHOSEN_PROFILES_AS_P}
          AND r.day = nullif('$day', '')::date
          AND r.observed_at >= nullif('$day', '')::date
          AND r.observed_at <= $__timeTo()
          AND (r.superseded_at >= nullif('$day', '')::date OR r.superseded_at IS NULL)
"""


def restatements() -> barchart.Panel:
    about = About(
        "How $day was restated",
        "The chosen metric of that day, over the chosen profiles, as it was known so many days after it; a bar for each "
        "day on which a version was seen. A profile that was first read later counts with its first version before that.",
        "it still changes after the day was settled: COLLECTOR_SETTLE_DAYS is too low.",
        "No version of that day",
    )
    query = f"""
        WITH version AS (
            SELECT
                r.profile_id,
                r.revision,
                (r.observed_at AT TIME ZONE 'UTC')::date - r.day AS age,
                {chosen_metric("r")} AS value
            {indent(_REVISIONS, "    ").strip()}
        ),
        known AS (
            SELECT
                CASE WHEN lag(v.age) OVER w IS NOT NULL THEN v.age END AS since,
                lead(v.age) OVER w AS until,
                v.value
            FROM version v
            WINDOW w AS (PARTITION BY v.profile_id ORDER BY v.revision)
        )
        SELECT
            CASE s.age WHEN 0 THEN 'same day' WHEN 1 THEN '1 day' ELSE s.age || ' days' END AS "After",
            sum(k.value) AS "Known"
        FROM (SELECT DISTINCT age FROM version) s
        JOIN known k ON coalesce(k.since <= s.age, true) AND coalesce(k.until > s.age, true)
        GROUP BY s.age
        ORDER BY s.age
        LIMIT 100
    """
    return columns(about, table(query), "After", link=_TO_FLEET)


def versions() -> tables.Panel:
    about = About(
        "Versions of $day",
        "Every version of that day, the newest first.",
        "a number becomes smaller: Pinterest took something back.",
        "No version of that day",
    )
    query = f"""
        SELECT
            p.name AS "Profile",
            r.revision AS "Version",
            r.observed_at AS "Seen",
            r.impression AS "Impressions",
            r.engagement AS "Engagements",
            r.save AS "Saves",
            r.pin_click AS "Pin clicks",
            r.outbound_click AS "Outbound clicks",
            r.data_status AS "Pinterest says"
        {_REVISIONS}
        ORDER BY r.observed_at DESC, p.name
        LIMIT 100
    """
    looks = [Column("Seen", unit=TIME, width=150), Column("Version", width=80)]
    return rows(about, table(query), looks, size=(12, 9), link=_TO_FLEET)
