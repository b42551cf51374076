"""Builds the dashboard of one client: its days beside the expected ones, drops, pins, profiles, and how a day was restated."""

from grafana_foundation_sdk.builders import barchart, timeseries
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import Dashboard, DynamicConfigValue

from grafana.builder import variables
from grafana.builder.board import Row, annotation, board
from grafana.builder.links import CLIENT, FLEET, OPERATIONS, to
from grafana.builder.panels import (
    AGO,
    BAD,
    DATE,
    EXACT,
    NEUTRAL,
    PALE,
    SHARE,
    UNEASY,
    About,
    Column,
    coloured,
    columns,
    lines,
    rows,
)
from grafana.builder.pins import PIN_MARKS, TO_PUBLISHING, pins, top_pins
from grafana.builder.query import nested, series, table
from grafana.builder.restated import restatements, versions
from grafana.builder.sums import DASHED, SETTLED_THROUGH, Scope, actions, impressions, rates, sums_of_the_week
from grafana.builder.variables import CHOSEN_PROFILES, CHOSEN_PROFILES_AS_P, chosen_metric

_TO_FLEET = to(FLEET, "All clients")
_TO_OPERATIONS = to(OPERATIONS, "Is the collector well?")

_EDGE = f"""
    SELECT least({SETTLED_THROUGH}, $__timeTo()::date) AS day
    FROM profile p
    WHERE {CHOSEN_PROFILES_AS_P}
"""
_CHOSEN = Scope(_EDGE, "profile_day c", CHOSEN_PROFILES, TO_PUBLISHING)

# Materialized, because the planner takes a verdict for one day, and would scan all of them for each.
_DAYS = f"""
    WITH edge AS {nested(_EDGE, 4)},
    band AS MATERIALIZED (
        SELECT
            c.profile_id,
            c.day,
            c.expected,
            c.expected_low
        FROM expected_day c
        WHERE {CHOSEN_PROFILES}
          AND $__timeFilter(c.day)
          AND '$metric' = 'engagement'
    ),
    d AS (
        SELECT
            c.day,
            c.day <= e.day AS settled,
            c.day + 1 <= e.day AS next_settled,
            sum({chosen_metric("c")}) AS value,
            count(c.engagement) AS profiles,
            count(b.expected) AS expecting,
            sum(b.expected) AS expected,
            sum(b.expected_low) AS expected_low
        FROM profile_day c
        CROSS JOIN edge e
        LEFT JOIN band b ON b.profile_id = c.profile_id AND b.day = c.day AND c.engagement IS NOT NULL
        WHERE {CHOSEN_PROFILES}
          AND $__timeFilter(c.day)
        GROUP BY c.day, e.day
    )
    SELECT
        d.day::timestamp AT TIME ZONE 'UTC' AS time,
        CASE WHEN d.settled THEN d.value END AS "Settled",
        CASE WHEN NOT d.next_settled THEN d.value END AS "Provisional",
        CASE WHEN d.expecting = d.profiles THEN d.expected END AS "Expected",
        CASE WHEN d.expecting = d.profiles THEN d.expected_low END AS "Lowest normal"
    FROM d
    ORDER BY time
"""


_COMPARED = f"""
    SELECT
        c.day::timestamp AT TIME ZONE 'UTC' AS time,
        c.client AS metric,
        {chosen_metric("c")} AS value
    FROM client_day c
    JOIN client_settled s ON s.client = c.client
    WHERE c.client = '$compare'
      AND c.client <> ''
      AND c.day <= s.settled_through
      AND $__timeFilter(c.day)
    ORDER BY time
"""


_CHOSEN_METRIC = "The chosen metric by day"


def _days() -> timeseries.Panel:
    about = About(
        _CHOSEN_METRIC,
        f"Solid up to the last settled day. {DASHED} A client to compare with ends there. Of engagements, the shaded band reaches from what was expected of the "
        "day down to the lowest that is still normal. It is missing on days on which a chosen profile has a number and no "
        "expectation: a young profile can be left out above. Red marks are drops of any metric, blue ones are pins.",
        "solid days lie below the band for two days or more: that is what opens a drop.",
        "No day of this client in this time range",
    )
    panel = lines(about, [series(_DAYS), series(_COMPARED, "B")], size=(24, 11), link=_TO_FLEET)
    quiet = [
        *coloured(PALE),
        DynamicConfigValue("custom.lineWidth", 1),
        DynamicConfigValue("custom.fillOpacity", 12),
    ]
    return (
        panel.override_by_name("Settled", coloured(NEUTRAL))
        .override_by_name("Provisional", coloured(NEUTRAL))
        .override_by_name("Expected", [*quiet, DynamicConfigValue("custom.fillBelowTo", "Lowest normal")])
        .override_by_name("Lowest normal", [*quiet[:2], DynamicConfigValue("custom.fillOpacity", 0)])
    )


def _weekdays() -> barchart.Panel:
    about = About(
        "Weekdays",
        "Mean of the chosen metric by weekday (UTC), over the settled days of the time range.",
        "never by itself: it is here to read the other charts with, and to choose days for pins.",
        "No settled day in this time range",
    )
    query = f"""
        WITH edge AS {nested(_EDGE, 8)}
        SELECT
            to_char(min(d.day), 'FMDay') AS "Weekday",
            avg(d.value) AS "Mean"
        FROM (
            SELECT
                c.day,
                sum({chosen_metric("c")}) AS value
            FROM profile_day c
            CROSS JOIN edge e
            WHERE {CHOSEN_PROFILES}
              AND c.day <= e.day
              AND $__timeFilter(c.day)
            GROUP BY c.day
        ) d
        GROUP BY extract(isodow FROM d.day)
        ORDER BY extract(isodow FROM d.day)
    """
    return columns(about, table(query), "Weekday", link=TO_PUBLISHING)


def _followers() -> timeseries.Panel:
    about = About(
        "Followers",
        "Followers of each profile, as Ayrshare last told on each UTC day; the first twenty profiles by name.",
        "a line falls by more than a few a day, or ends: the account is no longer read.",
        "No number of followers in this time range",
    )
    query = f"""
        SELECT
            date_trunc('day', s.observed_at, 'UTC') AS time,
            p.name AS metric,
            (array_agg(s.followers ORDER BY s.observed_at DESC))[1] AS followers
        FROM (
            SELECT
                p.id,
                p.name
            FROM profile p
            WHERE {CHOSEN_PROFILES_AS_P}
            ORDER BY p.name
            LIMIT 20
        ) p
        JOIN account_snapshot s ON s.profile_id = p.id
        WHERE $__timeFilter(s.observed_at)
          AND s.followers IS NOT NULL
        GROUP BY time, metric
        ORDER BY time, metric
    """
    # In full: in thousands, neighbouring marks of the axis would read the same.
    return lines(about, [series(query)], EXACT, link=_TO_OPERATIONS, zero=False)


def _profiles() -> tables.Panel:
    about = About(
        "Profiles",
        "The client's profiles, those in trouble first.",
        "one is not active, or its last settled day is older than the others'.",
        "No profile is chosen",
    )
    query = f"""
        SELECT
            p.name AS "Profile",
            p.state AS "State",
            p.state_reason AS "Why",
            (
                SELECT count(*)
                FROM engagement_drop e
                WHERE e.profile_id = p.id
                  AND e.told
            ) AS "Open drops",
            p.first_day::timestamp AT TIME ZONE 'UTC' AS "First day",
            p.settled_through::timestamp AT TIME ZONE 'UTC' AS "Last settled day",
            p.last_outcome AS "Last poll",
            p.last_success_at AS "Last read"
        FROM profile p
        WHERE {CHOSEN_PROFILES_AS_P}
          AND p.created_at <= $__timeTo()
        ORDER BY p.state = 'active', p.settled_through, p.name
        LIMIT 100
    """
    looks = [
        Column("State", states=True, width=110),
        Column("Last poll", states=True, width=110),
        Column("Open drops", width=110, steps=((None, "text"), (1, BAD))),
        Column("First day", unit=DATE, width=120),
        Column("Last settled day", unit=DATE, width=150),
        Column("Last read", unit=AGO, width=140),
    ]
    return rows(about, table(query), looks, size=(24, 8), link=_TO_OPERATIONS)


_DROPS = f"""
    SELECT
        c.profile AS "Profile",
        c.metric AS "Metric",
        CASE
            WHEN c.closed_on IS NOT NULL THEN c.close_reason
            WHEN p.state = 'paused' THEN 'paused'
            WHEN c.dismissed_at IS NOT NULL THEN 'not a problem'
            ELSE 'open'
        END AS "State",
        c.first_day::timestamp AT TIME ZONE 'UTC' AS "From",
        c.last_day::timestamp AT TIME ZONE 'UTC' AS "To",
        c.observed AS "A day",
        c.expected AS "Expected",
        -c.lost_share AS "Change",
        CASE WHEN c.inhibited THEN 'yes' ELSE 'no' END AS "With the fleet",
        c.sentence AS "In words",
        concat_ws(' ', c.why, 'Not a problem: ' || c.dismissed_note) AS "Why"
    FROM engagement_drop c
    JOIN profile p ON p.id = c.profile_id
    WHERE {CHOSEN_PROFILES}
      AND c.first_day <= $__timeTo()::date
      AND c.last_day >= $__timeFrom()::date
    ORDER BY c.last_day DESC, c.profile, c.metric
    LIMIT 50
"""


def _drops() -> tables.Panel:
    about = About(
        "Drops",
        "Drops that lasted into the time range, the newest first: how the metric fell, and what was expected.",
        "one is open. A drop that began with the whole fleet's is not the client's; one of a paused profile waits until it is resumed.",
        "No drop in this time range",
    )
    looks = [
        Column("Profile", width=170),
        Column("Metric", width=130),
        Column("State", width=120),
        Column("From", unit=DATE, width=110),
        Column("To", unit=DATE, width=110),
        Column("A day", decimals=1, width=90),
        Column("Expected", decimals=1, width=90),
        Column("Change", unit=SHARE, decimals=0, width=90, steps=((None, BAD), (-0.3, UNEASY))),
        Column("With the fleet", width=110),
        # The sentence takes the remaining width, and a second line if needed.
        Column("In words", wrapped=True),
        Column("Why", wrapped=True),
    ]
    return rows(about, table(_DROPS), looks, size=(24, 8), link=_TO_FLEET)


_DROP_MARKS = f"""
    SELECT
        c.first_day::timestamp AT TIME ZONE 'UTC' AS time,
        (c.last_day + 1)::timestamp AT TIME ZONE 'UTC' AS timeend,
        c.sentence AS text,
        c.metric AS tags
    FROM engagement_drop c
    WHERE {CHOSEN_PROFILES}
      AND c.first_day <= $__timeTo()::date
      AND c.last_day >= $__timeFrom()::date
    ORDER BY time
    LIMIT 200
"""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        CLIENT,
        "Pinterest client",
        "One client: its days beside what was expected of them, its drops, pins and profiles.",
        variables=[
            variables.client(),
            variables.profiles(),
            variables.metric(),
            variables.compared(),
            variables.day(),
        ],
        annotations=[annotation("Drops", BAD, _DROP_MARKS), annotation("Pins", NEUTRAL, PIN_MARKS)],
        # The other charts show other metrics, on which marks of drops would not belong.
        annotated=_CHOSEN_METRIC,
        since="now-90d",
        refresh="5m",
        rows=[
            Row("This week", sums_of_the_week(_CHOSEN)),
            Row("By day", [_days(), impressions(_CHOSEN), actions(_CHOSEN), rates(_CHOSEN), _weekdays()]),
            Row("Drops", [_drops()]),
            Row("Profiles", [_profiles()]),
            Row("Audience and pins", [_followers(), pins(), top_pins()]),
            Row("Restatements", [restatements(), versions()]),
        ],
    )
