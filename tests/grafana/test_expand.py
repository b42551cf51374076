"""A query is expanded as Grafana does it: variables, then macros."""

from datetime import UTC, datetime, timedelta

import pytest

from grafana.queries import expand
from grafana.queries.expand import Choice, ExpansionError, Window

WINDOW = Window(datetime(2026, 11, 1, 12, 30, tzinfo=UTC), datetime(2026, 11, 25, 6, 0, 0, 250000, tzinfo=UTC))
ODD = 'O\'Hara $1 "x" ${client}'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$__timeFilter(m.day)", "m.day BETWEEN '2026-11-01T12:30:00Z' AND '2026-11-25T06:00:00.25Z'"),
        ("$__timeFrom()::date", "'2026-11-01T12:30:00Z'::date"),
        ("now() < $__timeTo()", "now() < '2026-11-25T06:00:00.25Z'"),
        ("client IN ($client)", "client IN ('O''Hara $1 \"x\" ${client}','b')"),
        ("client IN (${client})", "client IN ('O''Hara $1 \"x\" ${client}','b')"),
        ("client IN ([[client]])", "client IN ('O''Hara $1 \"x\" ${client}','b')"),
        ("name = '$one'", "name = 'O''Hara $1 \"x\" ${client}'"),
        ("'' IN ($all)", "'' IN ('')"),
        ("'' IN (${all:csv})", "'' IN ('')"),
        ("${one:percentencode}", "O%27Hara%20%241%20%22x%22%20%24%7Bclient%7D"),
        ("${client:regex}", '(O\'Hara \\$1 "x" \\$\\{client\\}|b)'),
        ("SELECT 1 WHERE a ~ '^b$'", "SELECT 1 WHERE a ~ '^b$'"),
    ],
)
def test_sql_is_what_the_postgresql_data_source_would_run(query: str, expected: str) -> None:
    chosen = {"client": Choice.several(ODD, "b"), "one": Choice.one(ODD), "all": Choice.everything("''")}
    assert expand.sql(query, WINDOW, chosen) == expected


@pytest.mark.parametrize("query", ["$nobody", "$__timeGroup(day, 1d)", "${one:sqlstring}", "${one:glob}"])
def test_what_is_not_known_is_an_error(query: str) -> None:
    with pytest.raises(ExpansionError):
        expand.sql(query, WINDOW, {"one": Choice.one("a")})


@pytest.mark.parametrize(
    ("hours", "query", "expected"),
    [
        (1, "rate(x[$__rate_interval])", "rate(x[60s])"),
        (1, "x[$__interval]", "x[15s]"),
        (24, "rate(x[${__rate_interval}])", "rate(x[101s])"),
        (24, "increase(x[$__range])", "increase(x[86400s])"),
        (1, 'x{instance=~"$instance"}', 'x{instance=~"(a\\\\.b:9470|c)"}'),
        (1, 'x{instance=~"$all"}', 'x{instance=~".+"}'),
    ],
)
def test_promql_is_what_the_prometheus_data_source_would_send(hours: int, query: str, expected: str) -> None:
    window = Window(WINDOW.end - timedelta(hours=hours), WINDOW.end)
    chosen = {"instance": Choice.several("a.b:9470", "c"), "all": Choice.everything(".+")}
    assert expand.promql(query, window, chosen) == expected


def test_a_window_has_a_length_and_a_time_zone() -> None:
    with pytest.raises(ExpansionError):
        Window(WINDOW.end, WINDOW.start)
    with pytest.raises(ExpansionError):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 -- that is the mistake


def test_the_variables_of_a_query_are_found_and_its_macros_are_not_variables() -> None:
    assert expand.used("$client ${metric:raw} $__timeFilter(day) $__interval [[page]]") == {"client", "metric", "page"}
