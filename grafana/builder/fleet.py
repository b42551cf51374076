"""Builds the dashboard of the fleet: all clients, the largest changes, and missing days."""

from grafana_foundation_sdk.builders import stat, statushistory
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.builder import variables
from grafana.builder.board import Row, annotation, board
from grafana.builder.coverage import coverage, coverage_by_day, gaps
from grafana.builder.links import CLIENT, CLIENT_OF_ROW, FLEET, OPERATIONS, PUBLISHING, keeping_clients, to
from grafana.builder.panels import (
    AGO,
    BAD,
    DATE,
    EXACT,
    GOOD,
    NEUTRAL,
    SHARE,
    About,
    Column,
    heat,
    number,
    rows,
    stepped,
)
from grafana.builder.query import nested, series, table
from grafana.builder.sums import CHANGE, SETTLED_THROUGH, Scope, actions, impressions, rates, sums_of_the_week
from grafana.builder.variables import CHOSEN_CLIENTS, chosen_metric

_PAGE_ROWS = 25
_TO_CLIENT = to(CLIENT, "Look at one client")
_TO_OPERATIONS = to(OPERATIONS, "Is the collector well?")

# The view has the last settled day of the fleet. That of several clients follows the rule for one: a client that is no longer
# read must not stop the others.
_EDGE = f"""
    SELECT least(
        coalesce(
            (SELECT settled_through FROM client_settled WHERE client = '' AND '' IN ($client)),
            {SETTLED_THROUGH}
        ),
        $__timeTo()::date
    ) AS day
    FROM profile p
    WHERE {CHOSEN_CLIENTS}
"""
_CHOSEN = Scope(
    edge=_EDGE,
    source="client_day c",
    condition="c.client IN ($client)",
    link=keeping_clients(PUBLISHING, "What was published?"),
)


# Only profiles with all fourteen days are compared: one that was paused, lags, is young or has a hole would look like a change.
_TWO_WEEKS = f"""
    WITH edge AS {nested(_EDGE, 4)},
    compared AS (
        SELECT
            p.client,
            sum({chosen_metric("c")}) FILTER (WHERE c.day > e.day - 7) AS now,
            sum({chosen_metric("c")}) FILTER (WHERE c.day <= e.day - 7) AS before
        FROM profile p
        JOIN daily_metric c ON c.profile_id = p.id
        CROSS JOIN edge e
        WHERE p.settled_through >= e.day
          AND c.day BETWEEN (SELECT day - 13 FROM edge) AND (SELECT day FROM edge)
          AND c.day > $__timeTo()::date - 100
          AND {CHOSEN_CLIENTS}
        GROUP BY p.id
        HAVING count({chosen_metric("c")}) = 14
    ),
    sums AS (
        SELECT
            client,
            sum(now) AS now,
            sum(before) AS before
        FROM compared
        GROUP BY client
    )
"""


def _movers(title: str, direction: str, worry: str) -> tables.Panel:
    about = About(
        title,
        "Clients by the change of the chosen metric between the last seven settled days and the seven before, "
        "the largest first. Only profiles with all fourteen days count, so that the same is compared.",
        worry,
        "No client moved in that direction",
    )
    tail = f"""
    SELECT
        client AS "Client",
        now AS "7 days",
        now - before AS "Change",
        (now - before)::float8 / nullif(before, 0) AS "Change, %"
    FROM sums
    WHERE now {">" if direction == "DESC" else "<"} before
    ORDER BY now - before {direction}, client
    LIMIT 10
    """
    return rows(
        about,
        table(_TWO_WEEKS + tail),
        [
            Column("Client", link=CLIENT_OF_ROW),
            Column("Change, %", unit=SHARE, decimals=1, width=110, steps=CHANGE),
            Column("Change", width=110),
            Column("7 days", width=110),
        ],
        size=(12, 10),
        link=_TO_CLIENT,
    )


# Clients in trouble first; the table and the heat map show the same page.
_PAGE = f"""
    SELECT
        p.client,
        count(*) AS profiles,
        count(*) FILTER (WHERE p.state NOT IN ('active', 'paused')) AS troubled,
        coalesce(sum(o.drops), 0) AS drops,
        {SETTLED_THROUGH} AS settled_through,
        min(p.last_success_at) FILTER (WHERE p.state <> 'paused') AS last_success_at
    FROM profile p
    LEFT JOIN (
        SELECT profile_id, count(*) AS drops
        FROM engagement_drop
        WHERE told
        GROUP BY profile_id
    ) o ON o.profile_id = p.id
    WHERE {CHOSEN_CLIENTS}
      AND strpos(lower(p.client), lower('$search')) > 0
    GROUP BY p.client
    ORDER BY troubled DESC, drops DESC, p.client
    LIMIT {_PAGE_ROWS}
    OFFSET {_PAGE_ROWS} * (greatest('0$page'::integer, 1) - 1)
"""

_PAGES = f"""
    SELECT generate_series(1, greatest(1, (count(DISTINCT p.client) + {_PAGE_ROWS - 1}) / {_PAGE_ROWS}))::text AS page
    FROM profile p
    WHERE {CHOSEN_CLIENTS}
      AND strpos(lower(p.client), lower('$search')) > 0
"""


_CLIENTS = f"""
    WITH page AS {nested(_PAGE, 4)}
    SELECT
        g.client AS "Client",
        t.trend AS "Trend",
        t.now AS "7 days",
        w.change AS "Change, %",
        g.drops AS "Open drops",
        g.troubled AS "Troubled",
        g.profiles AS "Profiles",
        least(g.settled_through, $__timeTo()::date)::timestamp AT TIME ZONE 'UTC' AS "Last settled day",
        g.last_success_at AS "Oldest read"
    FROM page g
    CROSS JOIN LATERAL (
        SELECT
            string_agg(
                substr('▁▂▃▄▅▆▇█', 1 + (7 * s.value / nullif(s.top, 0))::integer, 1), '' ORDER BY s.day
            ) AS trend,
            sum(s.value) FILTER (WHERE s.age < 7) AS now
        FROM (
            SELECT
                c.day,
                least(g.settled_through, $__timeTo()::date) - c.day AS age,
                {chosen_metric("c")} AS value,
                max({chosen_metric("c")}) OVER () AS top
            FROM client_day c
            WHERE c.client = g.client
              AND c.day > least(g.settled_through, $__timeTo()::date) - 28
              AND c.day <= least(g.settled_through, $__timeTo()::date)
        ) s
    ) t
    CROSS JOIN LATERAL (
        SELECT (sum(s.now) - sum(s.before))::float8 / nullif(sum(s.before), 0) AS change
        FROM (
            SELECT
                sum({chosen_metric("c")}) FILTER (WHERE c.day > least(g.settled_through, $__timeTo()::date) - 7) AS now,
                sum({chosen_metric("c")}) FILTER (WHERE c.day <= least(g.settled_through, $__timeTo()::date) - 7) AS before
            FROM profile_day c
            WHERE c.client = g.client
              AND c.day > least(g.settled_through, $__timeTo()::date) - 14
              AND c.day <= least(g.settled_through, $__timeTo()::date)
            GROUP BY c.profile_id
            HAVING count({chosen_metric("c")}) = 14
        ) s
    ) w
    ORDER BY g.troubled DESC, g.drops DESC, g.client
"""


def _clients() -> tables.Panel:
    about = About(
        "Clients",
        "Those in trouble first: profiles that cannot be read, then open drops. The trend is the chosen metric on the last 28 "
        "settled days, each client on its own scale; a day is settled when all active profiles have it. The change is that of "
        "the last seven of them from the seven before, of the profiles that have all fourteen. Paused profiles do not "
        "count for the oldest read. Further pages are at the head of the dashboard.",
        "somebody stays at the top. Troubled profiles are unlinked, suspended, or have a wrong key.",
        "No client has such a name",
    )
    looks = [
        Column("Client", link=CLIENT_OF_ROW),
        Column("Trend", width=300),
        Column("Change, %", unit=SHARE, decimals=1, width=110, steps=CHANGE),
        Column("Open drops", width=110, steps=((None, "text"), (1, BAD))),
        Column("Troubled", width=100, steps=((None, "text"), (1, BAD))),
        Column("Profiles", width=90),
        Column("7 days", width=110),
        Column("Last settled day", unit=DATE, width=150),
        Column("Oldest read", unit=AGO, width=150),
    ]
    return rows(about, table(_CLIENTS), looks, size=(24, 14), link=_TO_OPERATIONS)


def _heat_map() -> statushistory.Panel:
    about = About(
        "Engagement rate by client and day",
        "Engagements per impression of the clients of this page, one cell a settled day; a missing cell is a day that is not there.",
        "a row changes its colour from one day to the next, or has holes.",
        "No day of these clients in this time range",
    )
    query = f"""
        WITH page AS {nested(_PAGE, 8)}
        SELECT
            d.day::timestamp AT TIME ZONE 'UTC' AS time,
            g.client AS metric,
            sum(d.engagement)::float8 / nullif(sum(d.impression) FILTER (WHERE d.engagement IS NOT NULL), 0) AS rate
        FROM page g
        JOIN profile_day d ON d.client = g.client
        WHERE $__timeFilter(d.day)
          AND d.day <= g.settled_through
        GROUP BY d.day, g.client
        ORDER BY time, metric
    """
    return heat(about, series(query), SHARE, link=_TO_OPERATIONS)


def _open_drops() -> stat.Panel:
    about = About(
        "Open drops",
        "Drops of a client's own that are open at the end of the time range: a metric stays below what was expected of it. "
        "Those of paused profiles do not count, nor those of which somebody said that they are not a problem.",
        "it is not zero. Each has a sentence on the client's dashboard.",
        "No drop",
    )
    query = f"""
        SELECT count(*) AS "Open drops"
        FROM engagement_drop e
        JOIN profile p ON p.id = e.profile_id
        WHERE NOT e.inhibited
          AND e.dismissed_at IS NULL
          AND e.detected_day <= $__timeTo()::date
          AND (e.closed_on IS NULL OR e.closed_on > $__timeTo()::date)
          AND (p.state <> 'paused' OR p.state_since > $__timeTo())
          AND {CHOSEN_CLIENTS}
    """
    return number(about, table(query), EXACT, width=8, steps=((None, GOOD), (1, BAD)), link=_TO_CLIENT)


def _profiles() -> stat.Panel:
    about = About(
        "Profiles by state",
        "How many profiles there are of each state, among those registered by the end of the time range.",
        "any is unlinked, suspended or has a wrong key: its numbers stand still.",
        "No profile is registered",
    )
    query = f"""
        SELECT
            count(*) FILTER (WHERE p.state = 'active') AS "active",
            count(*) FILTER (WHERE p.state = 'paused') AS "paused",
            count(*) FILTER (WHERE p.state IN ('unlinked', 'suspended', 'key_invalid')) AS "in trouble"
        FROM profile p
        WHERE p.created_at <= $__timeTo()
          AND {CHOSEN_CLIENTS}
    """
    panel = number(about, table(query), EXACT, width=8, steps=((None, NEUTRAL),), link=_TO_OPERATIONS)
    return panel.override_by_name("in trouble", stepped((None, GOOD), (1, BAD)))


_FLEET_DROPS = """
    SELECT
        first_day::timestamp AT TIME ZONE 'UTC' AS time,
        (last_day + 1)::timestamp AT TIME ZONE 'UTC' AS timeend,
        sentence AS text
    FROM fleet_drop
    WHERE first_day <= $__timeTo()::date
      AND last_day >= $__timeFrom()::date
"""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    movers_up = _movers(
        "Movers up", "DESC", "a jump is too good: bought traffic, or a pin that went viral and will fall."
    )
    movers_down = _movers(
        "Movers down", "ASC", "a client is here that is not in a drop yet: it takes a few days to be sure."
    )
    return board(
        FLEET,
        "Pinterest fleet",
        "How all clients are doing, who moved, and whose days are missing.",
        variables=[variables.clients(), variables.metric(), variables.search("Client has"), variables.page(_PAGES)],
        annotations=[annotation("Fleet drops", BAD, _FLEET_DROPS)],
        since="now-90d",
        refresh="5m",
        rows=[
            Row("This week", [*sums_of_the_week(_CHOSEN), coverage(), _open_drops(), _profiles()]),
            Row("By day", [impressions(_CHOSEN), actions(_CHOSEN), rates(_CHOSEN), coverage_by_day()]),
            Row("Movers", [movers_up, movers_down]),
            Row("Clients", [_clients(), _heat_map()]),
            Row("Gaps", [gaps()]),
        ],
    )  # fmt: skip
