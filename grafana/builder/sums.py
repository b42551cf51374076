"""Makes panels of the five counts, summed by week and by day, of the scope of a dashboard."""

from collections.abc import Mapping
from dataclasses import dataclass

from grafana_foundation_sdk.builders import stat, timeseries

from grafana.builder.links import Link
from grafana.builder.panels import BAD, COUNT, GOOD, SHARE, UNEASY, About, coloured, lines, number
from grafana.builder.query import nested, series
from grafana.builder.variables import METRICS

# Thresholds of a change, as a share.
CHANGE = ((None, BAD), (-0.1, UNEASY), (0, GOOD))
DASHED = "Dashed days are provisional: Pinterest still restates them."
PER_IMPRESSION = " per impression"
# Of profiles ``p``, by the rule of the view client_settled: one that is no longer read must not stop the others.
SETTLED_THROUGH = "coalesce(min(p.settled_through) FILTER (WHERE p.state = 'active'), max(p.settled_through))"
# The same on every dashboard; none is red, because red means trouble.
_COLOURS = dict(zip(METRICS.values(), ("blue", "green", "purple", "orange", "yellow"), strict=True))
_RATES = [name for name in METRICS if name != "impression"]


@dataclass(frozen=True)
class Scope:
    """What is summed, in SQL: ``source`` has the alias ``c`` and a row for each ``c.day``.

    ``edge`` selects ``day``, the newest of the time range that is settled.
    """

    edge: str
    source: str
    condition: str
    link: Link


def week_over_week(scope: Scope, name: str, *, width: int) -> stat.Panel:
    """Return the sum of the last seven settled days, and its change from the seven before."""
    title = METRICS[name]
    about = About(
        f"{title}, 7 days",
        f"{title} of the last seven settled days in the time range. The percentage is the change from the seven days before.",
        "it falls by more than a tenth and no holiday explains it.",
        "No settled day in this time range",
    )
    query = f"""
        WITH edge AS {nested(scope.edge, 8)}
        SELECT
            (e.day - 7 * ((e.day - c.day) / 7))::timestamp AT TIME ZONE 'UTC' AS time,
            sum(c.{name}) AS "{title}"
        FROM {scope.source}
        CROSS JOIN edge e
        WHERE {scope.condition}
          AND c.day BETWEEN e.day - 13 AND e.day
          AND c.day > $__timeFrom()::date - 14
          AND c.day <= $__timeTo()::date
        GROUP BY time
        ORDER BY time
    """
    return number(about, series(query), width=width, change=True, link=scope.link)


def sums_of_the_week(scope: Scope) -> list[stat.Panel]:
    """Return the numbers of all metrics, which fill a row."""
    return [week_over_week(scope, name, width=width) for name, width in zip(METRICS, (5, 5, 5, 5, 4), strict=True)]


def impressions(scope: Scope) -> timeseries.Panel:
    """Return the impressions by day."""
    about = About(
        "Impressions by day",
        f"Sum by UTC day. {DASHED}",
        "the solid line leaves its usual weekly shape. The dashed end is nearly always lower, and means nothing yet.",
        "No day in this time range",
    )
    return trend(scope, about, {"Impressions": "d.impression"})


def actions(scope: Scope) -> timeseries.Panel:
    """Return the other counts by day."""
    about = About(
        "Actions by day",
        f"Engagements, saves, pin clicks and outbound clicks by UTC day. {DASHED}",
        "one of the solid lines parts from the others: a tracking or link problem shows in outbound clicks first.",
        "No day in this time range",
    )
    return trend(scope, about, {METRICS[name]: f"d.{name}" for name in _RATES})


def rates(scope: Scope) -> timeseries.Panel:
    """Return the counts per impression by day, made from the sums."""
    about = About(
        "Rates by day",
        f"The count per impression, made from the sums. {DASHED}",
        "a rate falls while impressions stand: the audience changed, or clicks are not counted.",
        "No day in this time range",
    )
    values = {f"{METRICS[name]}{PER_IMPRESSION}": f"d.{name} / nullif(d.impression, 0)::float8" for name in _RATES}
    return trend(scope, about, values, SHARE)


def trend(scope: Scope, about: About, values: Mapping[str, str], unit: str = COUNT) -> timeseries.Panel:
    """Return values by day: a solid line up to the last settled day, a dashed one after it.

    ``values`` are expressions over the day's sums ``d`` by the title of their line.
    """
    halves = ",\n            ".join(
        f'CASE WHEN d.settled THEN {value} END AS "{title}",\n            '
        f'CASE WHEN NOT d.next_settled THEN {value} END AS "{title}, provisional"'
        for title, value in values.items()
    )
    query = f"""
        WITH edge AS {nested(scope.edge, 8)},
        d AS (
            SELECT
                c.day,
                c.day <= e.day AS settled,
                c.day + 1 <= e.day AS next_settled,
                sum(c.impression) AS impression,
                sum(c.engagement) AS engagement,
                sum(c.save) AS save,
                sum(c.pin_click) AS pin_click,
                sum(c.outbound_click) AS outbound_click
            FROM {scope.source}
            CROSS JOIN edge e
            WHERE {scope.condition}
              AND $__timeFilter(c.day)
            GROUP BY c.day, e.day
        )
        SELECT
            d.day::timestamp AT TIME ZONE 'UTC' AS time,
            {halves}
        FROM d
        ORDER BY time
    """
    panel = lines(about, [series(query)], unit, link=scope.link)
    for title in values:
        # Also the series of the provisional days.
        panel.override_by_regexp(f"/^{title}/", coloured(_COLOURS[title.removesuffix(PER_IMPRESSION)]))
    return panel
