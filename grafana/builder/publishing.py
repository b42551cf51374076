"""Builds the dashboard of publishing: pins that wait, that went out and how late, that failed and why, and that come."""

from grafana_foundation_sdk.builders import barchart, stat, timeseries
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.builder import variables
from grafana.builder.board import Row, board
from grafana.builder.links import CLIENT_OF_ROW, FLEET, OPERATIONS, PUBLISHING, Link, keeping_clients, to
from grafana.builder.panels import (
    AGO,
    BAD,
    EXACT,
    GOOD,
    MINUTES,
    SECONDS,
    TIME,
    UNEASY,
    About,
    Column,
    columns,
    columns_over_time,
    lines,
    number,
    rows,
    stepped,
)
from grafana.builder.query import series, table
from grafana.builder.variables import CHOSEN_CLIENTS

_PINS = f"""
        FROM pin n
        JOIN profile p ON p.id = n.profile_id
        WHERE {CHOSEN_CLIENTS}
"""
# Without a condition on the profile, the join of all pins with their profiles is saved.
_OF_CLIENTS = "('' IN ($client) OR n.profile_id IN (SELECT p.id FROM profile p WHERE p.client IN ($client)))"
_TO_OPERATIONS = to(OPERATIONS, "Is the publisher well?")
_TO_FLEET = keeping_clients(FLEET, "How do these clients do?")
_PIN_LINK = Link("Open the pin at Pinterest", "${__data.fields.Link}", new_tab=True)


def _states() -> stat.Panel:
    about = About(
        "Queue by state",
        "Pins to be published in the time range, by what became of them.",
        "any is failed or unknown. An unknown pin may be live: it is looked for, and never sent again blindly.",
        "No pin in this time range",
    )
    states = ("queued", "sending", "published", "failed", "unknown", "cancelled")
    counts = ",\n            ".join(f"count(*) FILTER (WHERE n.state = '{state}') AS \"{state}\"" for state in states)
    query = f"""
        SELECT
            {counts}
        {_PINS}
          AND $__timeFilter(n.publish_at)
    """
    panel = number(about, table(query), EXACT, width=16, link=_TO_OPERATIONS)
    for name, colour in (("failed", BAD), ("unknown", UNEASY), ("published", GOOD)):
        quiet = GOOD if name == "published" else "text"
        panel.override_by_name(name, stepped((None, quiet), (1, colour)))
    return panel


def _oldest_due() -> stat.Panel:
    about = About(
        "Longest waiting",
        "How long the first pin that is due has been waiting, in lanes that are not paused.",
        "it is more than a few minutes: no publisher runs, or a lane is held by a cool-down.",
        "Nothing is due",
    )
    query = f"""
        SELECT extract(epoch FROM now() - min(greatest(n.publish_at, n.created_at))) AS "Waiting"
        {_PINS}
          AND n.state = 'queued'
          AND n.publish_at <= least(now(), $__timeTo())
          AND NOT EXISTS (
              SELECT
              FROM pin_lane l
              WHERE l.profile_id = n.profile_id
                AND l.paused_reason IS NOT NULL
          )
    """
    steps = ((None, GOOD), (300, UNEASY), (3600, BAD))
    return number(about, table(query), SECONDS, width=8, steps=steps, link=_TO_OPERATIONS)


def _by_day() -> timeseries.Panel:
    about = About(
        "Pins by day",
        "Pins by the UTC day on which they were to be published, and their state now.",
        "columns stop, or failed and unknown pins grow.",
        "No pin in this time range",
    )
    query = f"""
        SELECT
            day::timestamp AT TIME ZONE 'UTC' AS time,
            metric,
            pins
        FROM (
            SELECT
                (n.publish_at AT TIME ZONE 'UTC')::date AS day,
                n.state AS metric,
                count(*) AS pins
            FROM pin n
            WHERE {_OF_CLIENTS}
              AND $__timeFilter(n.publish_at)
            GROUP BY day, metric
        ) d
        ORDER BY time, metric
    """
    return columns_over_time(about, [series(query)], link=_TO_FLEET)


def _time_to_publish() -> timeseries.Panel:
    about = About(
        "Time to publish",
        "From when a pin was due until it was published, by UTC day: half of the pins took less than the lower line, "
        "95 of 100 less than the upper one.",
        "the upper line rises over an hour: lanes are paused, or pins had to be looked for.",
        "Nothing was published in this time range",
    )
    # Counted by whole seconds first, of which there are far fewer than pins; date_part, because extract counts in numeric.
    query = f"""
        SELECT
            day::timestamp AT TIME ZONE 'UTC' AS time,
            min(seconds) FILTER (WHERE up_to >= 0.5 * pins) / 60.0 AS "Median",
            min(seconds) FILTER (WHERE up_to >= 0.95 * pins) / 60.0 AS "95th percentile"
        FROM (
            SELECT
                w.day,
                w.seconds,
                sum(count(*)) OVER (PARTITION BY w.day ORDER BY w.seconds) AS up_to,
                sum(count(*)) OVER (PARTITION BY w.day) AS pins
            FROM pin n
            CROSS JOIN LATERAL (
                SELECT
                    (n.published_at AT TIME ZONE 'UTC')::date AS day,
                    greatest(0, date_part('epoch', n.published_at - greatest(n.publish_at, n.created_at))::integer) AS seconds
            ) w
            WHERE {_OF_CLIENTS}
              AND n.state = 'published'
              AND $__timeFilter(n.published_at)
            GROUP BY w.day, w.seconds
        ) s
        GROUP BY day
        ORDER BY time
    """
    return lines(about, [series(query)], MINUTES, link=_TO_OPERATIONS)


_FAILED = f"""
        FROM pin_attempt a
        JOIN pin n ON n.id = a.pin_id
        JOIN profile p ON p.id = n.profile_id
        WHERE {CHOSEN_CLIENTS}
          AND $__timeFilter(a.started_at)
          AND a.reason IS NOT NULL
          AND a.outcome <> 'published'
"""


def _failures_by_day() -> timeseries.Panel:
    about = About(
        "Failed attempts by day",
        "Attempts that did not publish their pin, or may not have, by reason. Many are tried again by themselves.",
        "a reason is new, or grows day by day.",
        "No attempt failed",
    )
    query = f"""
        SELECT
            date_trunc('day', a.started_at, 'UTC') AS time,
            a.reason AS metric,
            count(*) AS attempts
        {_FAILED}
        GROUP BY time, metric
        ORDER BY time, metric
    """
    return columns_over_time(about, [series(query)], link=_TO_OPERATIONS)


def _failures_by_reason() -> barchart.Panel:
    about = About(
        "Failed attempts by reason",
        "The same attempts over the whole time range. docs/pins.md says what each reason means, and what is done about it.",
        "spam_block, not_allowed or key_invalid is among them: somebody has to act.",
        "No attempt failed",
    )
    query = f"""
        SELECT
            a.reason AS "Reason",
            count(*) AS "Attempts"
        {_FAILED}
        GROUP BY a.reason
        ORDER BY count(*) DESC
        LIMIT 20
    """
    return columns(about, table(query), "Reason", horizontal=True, colour=BAD, link=_TO_OPERATIONS)


def _unknown() -> tables.Panel:
    about = About(
        "Unknown pins",
        "Pins whose fate is unknown, the oldest first: they may be live. Each is looked for in Ayrshare's history.",
        "one has no next look: it was not found, and somebody has to decide with `collector pins retry`.",
        "No pin is unknown",
    )
    query = f"""
        SELECT
            p.client AS "Client",
            p.name AS "Profile",
            n.client_ref AS "Pin",
            n.publish_at AS "Due",
            n.state_since AS "Unknown since",
            n.looks AS "Looks",
            n.next_look_at AS "Next look",
            n.last_error AS "Why"
        {_PINS}
          AND n.state = 'unknown'
          AND n.publish_at <= $__timeTo()
        ORDER BY n.state_since
        LIMIT 50
    """
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Due", unit=TIME, width=150),
        Column("Unknown since", unit=AGO, width=140),
        Column("Next look", unit=AGO, width=140),
        Column("Looks", width=80),
    ]
    return rows(about, table(query), looks, size=(24, 8), link=_TO_OPERATIONS)


def _paused() -> tables.Panel:
    about = About(
        "Paused lanes",
        "Profiles whose pins wait, and why, those with the most pins due first.",
        "the reason is not `paused`: the account must be linked again, or Pinterest was told that it is spam.",
        "No lane is paused",
    )
    query = f"""
        SELECT
            p.client AS "Client",
            p.name AS "Profile",
            l.paused_reason AS "Reason",
            l.paused_since AS "Since",
            count(n.id) AS "Pins due"
        FROM pin_lane l
        JOIN profile p ON p.id = l.profile_id
        LEFT JOIN pin n ON n.profile_id = l.profile_id AND n.state = 'queued' AND n.publish_at <= $__timeTo()
        WHERE l.paused_reason IS NOT NULL
          AND {CHOSEN_CLIENTS}
        GROUP BY l.profile_id, p.client, p.name
        ORDER BY "Pins due" DESC, l.paused_since
        LIMIT 50
    """
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Reason", width=130, states=True),
        Column("Since", unit=AGO, width=140),
        Column("Pins due", width=100),
    ]
    return rows(about, table(query), looks, size=(12, 9), link=_TO_OPERATIONS)


def _calendar() -> barchart.Panel:
    about = About(
        "The coming days",
        "Pins that are queued for each of the fourteen UTC days that begin with the end of the time range.",
        "a day is empty that should not be, or holds far more than the others.",
        "Nothing is queued",
    )
    query = f"""
        SELECT
            to_char($__timeTo()::date + d.place, 'Dy DD Mon') AS "Day",
            coalesce(q.pins, 0) AS "Pins"
        FROM generate_series(0, 13) AS d (place)
        LEFT JOIN (
            SELECT
                (n.publish_at AT TIME ZONE 'UTC')::date AS day,
                count(*) AS pins
            {_PINS}
              AND n.state = 'queued'
              AND n.publish_at >= $__timeTo()::timestamptz - interval '1 day'
              AND n.publish_at < $__timeTo()::timestamptz + interval '15 days'
            GROUP BY day
        ) q ON q.day = $__timeTo()::date + d.place
        ORDER BY d.place
    """
    return columns(about, table(query), "Day", link=_TO_FLEET)


def _next() -> tables.Panel:
    about = About(
        "Next pins",
        "The pins that are due first after the end of the time range.",
        "one of them should not go out: `collector pins cancel` takes it from the queue.",
        "Nothing is queued",
    )
    query = f"""
        SELECT
            p.client AS "Client",
            p.name AS "Profile",
            n.client_ref AS "Pin",
            n.publish_at AS "Due"
        {_PINS}
          AND n.state = 'queued'
          AND n.publish_at >= $__timeTo()
        ORDER BY n.publish_at, n.id
        LIMIT 50
    """
    looks = [Column("Client", link=CLIENT_OF_ROW), Column("Due", unit=TIME, width=160)]
    return rows(about, table(query), looks, size=(12, 9), link=_TO_FLEET)


def _latest() -> tables.Panel:
    about = About(
        "Published last",
        "The pins that were published last in the time range.",
        "a client expects a pin that is not here. A row without a link was published and Pinterest gave no address.",
        "Nothing was published in this time range",
    )
    query = f"""
        SELECT
            p.client AS "Client",
            p.name AS "Profile",
            n.client_ref AS "Pin",
            n.published_at AS "Published",
            n.pin_url AS "Link"
        {_PINS}
          AND n.state = 'published'
          AND $__timeFilter(n.published_at)
        ORDER BY n.published_at DESC
        LIMIT 50
    """
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Published", unit=TIME, width=160),
        Column("Link", link=_PIN_LINK),
    ]
    return rows(about, table(query), looks, size=(12, 9), link=_TO_FLEET)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        PUBLISHING,
        "Pinterest publishing",
        "The pin queue: what waits, what went out and how late, what failed and why, and what comes.",
        variables=[variables.clients()],
        since="now-30d",
        refresh="1m",
        rows=[
            Row("Queue", [_states(), _oldest_due(), _by_day(), _time_to_publish()]),
            Row("Failures", [_failures_by_day(), _failures_by_reason(), _unknown()]),
            Row("Coming", [_calendar(), _next()]),
            Row("Lanes and results", [_paused(), _latest()]),
        ],
    )
