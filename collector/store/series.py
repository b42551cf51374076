"""Reads metrics over time: of a profile or of a client, by day, week or month, as they are or as they were known."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database


class Granularity(StrEnum):
    """How long a period is; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over the days of a period that were asked for.

    ``settled`` tells that no number of it will move; a period is not settled before its last day is. ``days`` counts
    the days with a number of impressions, ``profiles`` those that have any, and ``imported`` the days of profiles that
    another program recorded. Rates of a single day of one profile are Pinterest's, all others are made from the sums.
    """

    profile: str | None
    first_day: date
    last_day: date
    settled: bool
    days: int
    profiles: int
    impression: int | None
    engagement: int | None
    engagement_rate: float | None
    save: int | None
    save_rate: float | None
    pin_click: int | None
    pin_click_rate: float | None
    outbound_click: int | None
    outbound_click_rate: float | None
    imported: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which days, and how they are summed. ``as_of`` None is now; ``settled_only`` leaves provisional days out.

    ``each_profile`` gives a series for each profile instead of one of their sums.
    """

    first_day: date
    last_day: date
    granularity: Granularity = Granularity.DAY
    settled_only: bool = False
    as_of: datetime | None = None
    each_profile: bool = False


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose metrics: profiles by their ids, and the newest day that is settled for all that are read.

    ``settled_through`` is None as long as nothing is.
    """

    profile_ids: list[int]
    settled_through: date | None


_OF_CLIENT = """
SELECT
    coalesce(array_agg(p.id ORDER BY p.name), '{}') AS profile_ids,
    coalesce(min(p.settled_through) FILTER (WHERE p.state = 'active'), max(p.settled_through)) AS settled_through
FROM profile p
WHERE p.client = $1
"""
_OF_PROFILE = """
SELECT ARRAY[p.id] AS profile_ids, p.settled_through
FROM profile p
WHERE p.name = $1
  AND ($2::text IS NULL OR p.client = $2)
"""

_RATES = ", ".join(
    # Of one row the rate that was read: Pinterest rounds, and counts what it counts.
    f"CASE WHEN count(*) = 1 THEN min(m.{metric}_rate) "
    f"ELSE sum(m.{metric})::double precision / nullif(sum(m.impression), 0) END AS {metric}_rate"
    for metric in ("engagement", "save", "pin_click", "outbound_click")
)
_SUMS = ", ".join(
    f"sum(m.{metric})::bigint AS {metric}"
    for metric in ("impression", "engagement", "save", "pin_click", "outbound_click")
)
_LENGTHS = {Granularity.DAY: "1 day", Granularity.WEEK: "1 week", Granularity.MONTH: "1 month"}


def _statement(span: Span) -> str:
    """Return the statement for ids $1, days $2 to $3, a limit $4, the newest settled day $5, settled only $6, as of $7.

    As of a moment, a day counts as settled that was old enough then.
    """
    unit, length = span.granularity.value, _LENGTHS[span.granularity]
    source = "daily_metric_as_of($7)" if span.as_of is not None else "daily_metric"
    through = (
        "least(b.through, ($7 AT TIME ZONE 'UTC')::date - coalesce(p.settle_days, 3))"
        if span.as_of is not None
        else "b.through"
    )
    profile = "m.name" if span.each_profile else "NULL::text"
    return f"""
SELECT {names(Period)}
FROM (
    SELECT
        {profile} AS profile,
        date_trunc('{unit}', m.day::timestamp)::date AS first_day,
        (date_trunc('{unit}', m.day::timestamp) + interval '{length}' - interval '1 day')::date AS last_day,
        coalesce(
            bool_and(m.settled)
            AND (date_trunc('{unit}', m.day::timestamp) + interval '{length}' - interval '1 day')::date
                <= min(m.through),
            false
        ) AS settled,
        count(DISTINCT m.day) FILTER (WHERE m.impression IS NOT NULL) AS days,
        count(DISTINCT m.profile_id) AS profiles,
        count(m.source)::integer AS imported,
        {_SUMS}, {_RATES}
    FROM (
        SELECT p.name, d.*, t.through, coalesce(is_settled(d.day, t.through, d.data_status), false) AS settled
        FROM profile p
        CROSS JOIN LATERAL (SELECT coalesce($5::date, p.settled_through) AS through) b
        CROSS JOIN LATERAL (SELECT {through} AS through) t
        JOIN {source} d ON d.profile_id = p.id
        WHERE p.id = ANY ($1::bigint[])
          AND d.day BETWEEN $2::date AND $3::date
    ) m
    WHERE m.settled OR NOT $6::boolean
    GROUP BY {profile}, date_trunc('{unit}', m.day::timestamp)
) AS periods
ORDER BY profile, first_day
LIMIT $4
"""


class SeriesStore:
    """Reads series of metrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_profile(self, name: str, client: str | None) -> Subject | None:
        """Return a profile, if there is one of this name, and of this client unless that is None."""
        found = values(Subject, await self._database.fetch(_OF_PROFILE, name, client))
        return found[0] if found else None

    async def of_client(self, client: str) -> Subject | None:
        """Return all profiles of a client, by name; None when it has none."""
        [found] = values(Subject, await self._database.fetch(_OF_CLIENT, client))
        return found if found.profile_ids else None

    async def read(self, profile_ids: Sequence[int], through: date | None, span: Span, limit: int) -> list[Period]:
        """Return periods in order, of the profiles one after the other; at most ``limit``.

        ``through`` is the newest day that is settled for the sums; None goes by each profile's own.
        """
        arguments = (profile_ids, span.first_day, span.last_day, limit, through, span.settled_only)
        as_of = () if span.as_of is None else (span.as_of,)
        return values(Period, await self._database.fetch(_statement(span), *arguments, *as_of))
