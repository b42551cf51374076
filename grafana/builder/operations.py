"""Builds the dashboard of operations: the health of the collector, and its use of Ayrshare's limits."""

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import Dashboard, DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.builder import variables
from grafana.builder.board import Row, board
from grafana.builder.links import CLIENT, CLIENT_OF_ROW, FLEET, OPERATIONS, PUBLISHING, cell, to
from grafana.builder.panels import (
    BAD,
    COUNT,
    EXACT,
    GOOD,
    SECONDS,
    SHARE,
    UNEASY,
    About,
    Column,
    Target,
    columns_over_time,
    lines,
    number,
    rows,
)
from grafana.builder.query import instant, promql, table

_MINE = 'instance=~"$instance"'
_TO_FLEET = to(FLEET, "Whose data is missing?")
_YES_NO = ((None, BAD), (1, GOOD))
_TO_PUBLISHING = to(PUBLISHING, "What about the pins?")


def _increase(metric: str, label: str) -> str:
    return f"sum by ({label}) (increase({metric}{{{_MINE}}}[$__rate_interval]))"


def _percentiles(metric: str, *labels: str) -> list[Target]:
    by = ", ".join(("le", *labels))
    legend = "".join(f" {{{{{label}}}}}" for label in labels)
    return [
        promql(
            f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket{{{_MINE}}}[$__rate_interval])))",
            f"{words}{legend}",
            ref_id,
        )
        for share, words, ref_id in (
            (0.5, "median", "A"),
            (0.95, "95th percentile", "B"),
            (0.99, "99th percentile", "C"),
        )
    ]


def _replicas() -> stat.Panel:
    return number(
        About(
            "Replicas",
            "Replicas of the collector that Prometheus reaches.",
            "it is lower than what you run.",
            "Prometheus reaches no replica",
        ),
        instant(f'sum(up{{job="pinterest-collector", {_MINE}}})', "replicas"),
        EXACT,
        steps=_YES_NO,
        link=_TO_FLEET,
    )


def _databases() -> stat.Panel:
    return number(
        About(
            "Replicas with a database",
            "Replicas that reach the database.",
            "it is lower than the number of replicas. Nothing is lost: results wait, and days are read again.",
            "No replica tells",
        ),
        instant(f"sum(collector_database_up{{{_MINE}}})", "with a database"),
        EXACT,
        steps=_YES_NO,
        link=_TO_FLEET,
    )


def _api_key() -> stat.Panel:
    return number(
        About(
            "API key refused",
            "1 while Ayrshare refuses the agency's API key. Every poll is held then, and one a minute tries.",
            "it is 1: put the right key into COLLECTOR_AYRSHARE_API_KEY and restart.",
            "No replica tells",
        ),
        instant(f"max(collector_api_key_refused{{{_MINE}}})", "refused"),
        EXACT,
        steps=((None, GOOD), (1, BAD)),
        link=_TO_PUBLISHING,
    )


def _due() -> stat.Panel:
    return number(
        About(
            "Profiles due",
            "Profiles whose next poll is due, in the whole fleet.",
            "it grows from hour to hour: the pace is too slow for the fleet, or polls hang.",
            "No replica tells",
        ),
        instant(f"max(collector_profiles_due{{{_MINE}}})", "due"),
        EXACT,
        link=_TO_FLEET,
    )


def _lag() -> stat.Panel:
    return number(
        About(
            "Poll lag",
            "How long the profile that waited longest is overdue.",
            "it is over an hour. Raise COLLECTOR_MAX_REQUESTS_PER_SECOND or start another replica.",
            "No replica tells",
        ),
        instant(f"max(collector_poll_lag_seconds{{{_MINE}}})", "lag"),
        SECONDS,
        steps=((None, GOOD), (900, UNEASY), (3600, BAD)),
        link=_TO_FLEET,
    )


def _succeeded() -> stat.Panel:
    return number(
        About(
            "Polls that succeeded",
            "Share of the polls in the time range that brought data or found none changed.",
            "it is below 99 %. The outcomes below say what came instead.",
            "No poll in this time range",
        ),
        instant(
            f"""
            (sum(increase(collector_polls_total{{{_MINE}, outcome=~"ok|unchanged"}}[$__range])) or vector(0))
              / sum(increase(collector_polls_total{{{_MINE}}}[$__range]))
            """,
            "succeeded",
        ),
        SHARE,
        steps=((None, BAD), (0.95, UNEASY), (0.99, GOOD)),
        link=_TO_FLEET,
    )


def _outcomes() -> timeseries.Panel:
    return columns_over_time(
        About(
            "Polls by outcome",
            "How the polls of each interval ended. ok brought something, unchanged nothing new.",
            "another outcome than these two stays. docs/operations.md says what each means and what is done by itself.",
            "No poll in this time range",
        ),
        [promql(_increase("collector_polls_total", "outcome"), "{{outcome}}")],
        link=_TO_FLEET,
    )


def _durations() -> timeseries.Panel:
    return lines(
        About(
            "Duration of a poll",
            "Reading and parsing one profile: half of the polls took less than the lowest line, 99 of 100 less than the highest.",
            "the highest line nears COLLECTOR_REQUEST_TIMEOUT: Ayrshare is slow, and polls will time out.",
            "No poll in this time range",
        ),
        _percentiles("collector_poll_duration_seconds"),
        SECONDS,
        link=_TO_FLEET,
    )


def _backlog() -> timeseries.Panel:
    return lines(
        About(
            "Lag and profiles due",
            "How long the first due profile waits (left), and how many are due (right).",
            "the lag grows steadily: more is due than the replicas can read.",
            "No replica tells",
        ),
        [
            promql(f"max(collector_poll_lag_seconds{{{_MINE}}})", "lag"),
            promql(f"max(collector_profiles_due{{{_MINE}}})", "due", "B"),
        ],
        SECONDS,
        link=_TO_FLEET,
    ).override_by_name("due", [DynamicConfigValue("unit", COUNT), DynamicConfigValue("custom.axisPlacement", "right")])


def _changes() -> timeseries.Panel:
    return columns_over_time(
        About(
            "Days by change",
            "Days that were compared with what is stored: new, changed (restated by Pinterest), or unchanged.",
            "changed stays high: Pinterest restates more than usual, and COLLECTOR_SETTLE_DAYS may be too low.",
            "No day was compared in this time range",
        ),
        [promql(_increase("collector_rows_total", "change"), "{{change}}")],
        link=_TO_FLEET,
    )


def _requests() -> timeseries.Panel:
    return columns_over_time(
        About(
            "Requests to Ayrshare by status",
            "HTTP status of the answers, or what kept a request from having one.",
            "429, 401 or 5xx is more than a thin line.",
            "No request in this time range",
        ),
        [promql(_increase("collector_api_requests_total", "status"), "{{status}}")],
        link=_TO_PUBLISHING,
    )


def _request_durations() -> timeseries.Panel:
    return lines(
        About(
            "Duration of requests",
            "From sending to the last byte of the answer, by endpoint.",
            "an endpoint parts from its usual level.",
            "No request in this time range",
        ),
        _percentiles("collector_api_request_duration_seconds", "endpoint"),
        SECONDS,
        link=_TO_PUBLISHING,
    )


def _refusals() -> tables.Panel:
    return rows(
        About(
            "Answers of 429 today",
            "The twenty profiles with the most answers of 429 on this UTC day. Ayrshare suspends a profile at 1,000 within a day.",
            "one is above 200. It is polled by something else as well, or its pins are sent too fast.",
            "No profile is known",
        ),
        instant("topk(20, max by (client, profile) (collector_profile_rate_limited_today))").format(
            PromQueryFormat.TABLE
        ),
        [
            Column("Time", hidden=True),
            Column("client", title="Client", link=to(CLIENT, "Open the client", client=cell("client"))),
            Column("profile", title="Profile"),
            Column("Value", title="Answers", steps=((None, GOOD), (200, UNEASY), (700, BAD)), width=140),
        ],
        size=(12, 10),
        link=_TO_FLEET,
    )


def _budget() -> tables.Panel:
    return rows(
        About(
            "API budget by profile",
            "The twenty profiles that used most of Ayrshare's 300 requests in five minutes, as their last answer in the "
            "time range said.",
            "one is above four fifths. Its next poll waits until the five minutes are over.",
            "No answer told of a limit in this time range",
        ),
        table("""
            SELECT
                client AS "Client",
                name AS "Profile",
                rate_limit_count AS "Used",
                rate_limit_max AS "Allowed",
                rate_limit_count::float8 / nullif(rate_limit_max, 0) AS "Share"
            FROM profile
            WHERE rate_limit_max > 0
              AND $__timeFilter(last_poll_at)
            ORDER BY "Share" DESC, client, name
            LIMIT 20
        """),
        [
            Column("Client", link=CLIENT_OF_ROW),
            Column("Share", unit=SHARE, steps=((None, GOOD), (0.5, UNEASY), (0.8, BAD)), width=110),
        ],
        size=(12, 10),
        link=_TO_FLEET,
    )


def _connections() -> timeseries.Panel:
    return lines(
        About(
            "Database connections",
            "Connections of each replica's pool: busy ones run a statement.",
            "busy stays at the top: statements are slow, or the replica does too much at once.",
            "No replica tells",
        ),
        [promql(f"sum by (instance, state) (collector_database_connections{{{_MINE}}})", "{{instance}} {{state}}")],
        link=_TO_FLEET,
    )


def _loops() -> timeseries.Panel:
    return lines(
        About(
            "Age of the loops",
            "How long ago each loop of each replica last did its work. expiry comes once an hour.",
            "another loop than expiry is over two minutes old.",
            "No loop has ever done its work",
        ),
        [
            promql(
                f"""
                max by (instance, loop) (
                  timestamp(collector_loop_last_success_timestamp_seconds{{{_MINE}}})
                    - collector_loop_last_success_timestamp_seconds{{{_MINE}}}
                )
                """,
                "{{instance}} {{loop}}",
            )
        ],
        SECONDS,
        link=_TO_PUBLISHING,
    )


def _failures() -> timeseries.Panel:
    return columns_over_time(
        About(
            "Failed passes of loops",
            "Passes of each loop that failed. It tries again by itself.",
            "a loop fails again and again; the log says why.",
            "No pass failed",
        ),
        [promql(_increase("collector_loop_failures_total", "loop"), "{{loop}}")],
        link=_TO_PUBLISHING,
    )


def _leftovers() -> timeseries.Panel:
    return columns_over_time(
        About(
            "Left out, lost, or late",
            "Things in answers that could not be used, by reason, and results dropped because another replica had "
            "taken the profile over.",
            "a reason is new: Ayrshare has changed what it sends.",
            "Nothing was left out",
        ),
        [
            promql(_increase("collector_payload_problems_total", "reason"), "{{reason}}"),
            promql(f"sum(increase(collector_leases_lost_total{{{_MINE}}}[$__rate_interval]))", "lease lost", "B"),
        ],
        link=_TO_FLEET,
    )


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        OPERATIONS,
        "Pinterest operations",
        "Is the collector well, and does it keep within what Ayrshare allows?",
        variables=[variables.instances()],
        since="now-24h",
        refresh="30s",
        rows=[
            Row("Now", [_replicas(), _databases(), _api_key(), _due(), _lag(), _succeeded()]),
            Row("Polls", [_outcomes(), _durations(), _backlog(), _changes()]),
            Row("API budget", [_requests(), _request_durations(), _refusals(), _budget()]),
            Row("Inside", [_connections(), _loops(), _failures(), _leftovers()]),
        ],
    )
