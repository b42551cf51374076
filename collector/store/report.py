"""Reads what the reports of many clients need: one statement for each part, whatever the number of clients."""

from collections.abc import Sequence
from datetime import date

import msgspec

from collector.models.drop import CloseReason
from collector.store.columns import names, values
from collector.store.overview import COUNTS
from collector.store.pool import Database

_SUMS = f"ARRAY[{', '.join(f'sum(d.{each})::bigint' for each in COUNTS)}]"
_SETTLED = "coalesce(is_settled(d.day, p.settled_through, d.data_status), false)"


class ReportedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile; days before ``seam_day`` are of another Pinterest account."""

    id: int
    name: str
    client: str
    seam_day: date | None


class MonthSums(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A profile's month that begins with ``month``; one with a seam comes twice, the days before it as ``former``.

    ``sums`` and ``counts`` have a value for each of `COUNTS`: the sum, and how many days have a number.
    """

    profile_id: int
    month: date
    former: bool
    days: int
    provisional: int
    imported: int
    sums: list[int | None]
    counts: list[int]


class ClientDay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A day of all profiles of a client; ``sums`` have a value for each of `COUNTS`."""

    client: str
    day: date
    provisional: bool
    sums: list[int | None]


class ReportedDrop(msgspec.Struct, frozen=True, kw_only=True):
    """A drop of a profile's own; ``observed`` and ``expected`` are means a day from ``first_day`` to ``last_day``.

    ``last_pin_on`` is the day of the last pin that was published before it ended.
    """

    client: str
    profile: str
    metric: str
    first_day: date
    last_day: date
    observed: float
    expected: float
    usual_since: date | None
    closed_on: date | None
    close_reason: CloseReason | None
    last_pin_on: date | None


class PublishedDay(msgspec.Struct, frozen=True):
    """How many pins of a client were published on a day."""

    client: str
    day: date
    pins: int


class BestPin(msgspec.Struct, frozen=True, kw_only=True):
    """A pin that was published in the period, with its totals since then; ``text`` is its title, or its description.

    ``picture_url`` is where its image was when it was queued, or the cover of its video.
    """

    client: str
    profile: str
    text: str
    pin_url: str | None
    picture_url: str | None
    published_on: date
    impression: int | None
    engagement: int
    save: int | None
    outbound_click: int | None


class Followers(msgspec.Struct, frozen=True):
    """Followers of a profile at the end of a period, and before its beginning."""

    profile_id: int
    then: int | None
    now: int | None


_CLIENTS = "SELECT DISTINCT client FROM profile ORDER BY client"
_TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date"
_PROFILES = f"""
SELECT {names(ReportedProfile)}
FROM profile
WHERE client = ANY ($1::text[])
ORDER BY client, name
"""
_MONTHS = f"""
SELECT
    d.profile_id, date_trunc('month', d.day::timestamp)::date AS month,
    coalesce(d.day < p.seam_day, false) AS former,
    count(*) AS days,
    count(*) FILTER (WHERE NOT {_SETTLED}) AS provisional,
    count(d.source) AS imported,
    {_SUMS} AS sums,
    ARRAY[{", ".join(f"count(d.{each})" for each in COUNTS)}] AS counts
FROM daily_metric d
JOIN profile p ON p.id = d.profile_id
WHERE d.profile_id = ANY ($1::bigint[])
  AND d.day BETWEEN $2 AND $3
GROUP BY 1, 2, 3
"""
# What a profile that is not read any more left provisional stays so for ever.
_DAYS = f"""
SELECT
    p.client, d.day,
    coalesce(bool_or(NOT {_SETTLED}) FILTER (WHERE p.state = 'active'), false) AS provisional,
    {_SUMS} AS sums
FROM daily_metric d
JOIN profile p ON p.id = d.profile_id
WHERE d.profile_id = ANY ($1::bigint[])
  AND d.day BETWEEN $2 AND $3
GROUP BY 1, 2
"""
_DROPS = f"""
SELECT {names(ReportedDrop)}
FROM (
    SELECT
        e.*,
        (
            SELECT max((n.published_at AT TIME ZONE 'UTC')::date)
            FROM pin n
            WHERE n.profile_id = e.profile_id
              AND n.state = 'published'
              AND n.published_at < e.last_day + 1
        ) AS last_pin_on
    FROM engagement_drop e
    WHERE e.profile_id = ANY ($1::bigint[])
      AND e.first_day <= $3
      AND e.last_day >= $2
      AND NOT e.inhibited
      AND e.dismissed_at IS NULL
) d
ORDER BY client, first_day, profile, metric
"""
_FLEET_DROPS = "SELECT first_day, last_day FROM fleet_drop WHERE first_day <= $2 AND last_day >= $1 ORDER BY first_day"
_PINS = """
SELECT p.client, (n.published_at AT TIME ZONE 'UTC')::date AS day, count(*) AS pins
FROM pin n
JOIN profile p ON p.id = n.profile_id
WHERE n.profile_id = ANY ($1::bigint[])
  AND n.state = 'published'
  AND n.published_at >= $2::date
  AND n.published_at < $3::date + 1
GROUP BY 1, 2
"""

# A pin's own link is an address of Pinterest; of anything else no link is made.
_BEST_PINS = f"""
SELECT {names(BestPin)}
FROM (
    SELECT
        t.client, t.profile, t.impression, t.engagement, t.save, t.outbound_click,
        CASE WHEN t.pin_url LIKE 'https://%' THEN t.pin_url END AS pin_url,
        coalesce(nullif(p.thumbnail_url, ''), p.media_urls[1]) AS picture_url,
        (t.published_at AT TIME ZONE 'UTC')::date AS published_on,
        coalesce(nullif(t.title, ''), left(p.description, 80)) AS text,
        row_number() OVER (PARTITION BY t.client ORDER BY t.engagement DESC, t.pin_id) AS place
    FROM top_pin t
    JOIN pin p ON p.id = t.pin_id
    WHERE t.profile_id = ANY ($1::bigint[])
      AND t.published_at >= $2::date
      AND t.published_at < $3::date + 1
      AND t.engagement > 0
) t
WHERE place <= $4
ORDER BY client, place
"""


def _counted(since: str, before: str) -> str:
    return f"""
        SELECT a.followers
        FROM account_snapshot a
        WHERE a.profile_id = p.id
          AND a.observed_at >= {since}
          AND a.observed_at < {before}
          AND a.followers IS NOT NULL
        ORDER BY a.observed_at DESC
        LIMIT 1
    """


# One of a week before the end is near enough.
_FOLLOWERS = f"""
SELECT
    p.id AS profile_id,
    ({_counted("$2::date - 7", "$2::date")}) AS then,
    ({_counted("$3::date - 6", "$3::date + 1")}) AS now
FROM profile p
WHERE p.id = ANY ($1::bigint[])
"""


class ReportStore:
    """Reads the numbers of clients between two days; profiles are given by their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def today(self) -> date:
        """Return the UTC day by the database's clock."""
        found: date = await self._database.fetchval(_TODAY)
        return found

    async def clients(self) -> list[str]:
        return [client for (client,) in await self._database.fetch(_CLIENTS)]

    async def profiles(self, clients: Sequence[str]) -> list[ReportedProfile]:
        return values(ReportedProfile, await self._database.fetch(_PROFILES, clients))

    async def months(self, ids: Sequence[int], first: date, last: date) -> list[MonthSums]:
        """Return the months that have days, in no order."""
        return values(MonthSums, await self._database.fetch(_MONTHS, ids, first, last))

    async def days(self, ids: Sequence[int], first: date, last: date) -> list[ClientDay]:
        """Return the days that some profile of their client has, in no order."""
        return values(ClientDay, await self._database.fetch(_DAYS, ids, first, last))

    async def drops(self, ids: Sequence[int], first: date, last: date) -> list[ReportedDrop]:
        """Return drops that reach into the days; neither those of the whole fleet nor dismissed ones."""
        return values(ReportedDrop, await self._database.fetch(_DROPS, ids, first, last))

    async def fleet_drops(self, first: date, last: date) -> list[tuple[date, date]]:
        """Return the first and the last days of drops of the whole fleet that reach into the days."""
        return [(row["first_day"], row["last_day"]) for row in await self._database.fetch(_FLEET_DROPS, first, last)]

    async def pins(self, ids: Sequence[int], first: date, last: date) -> list[PublishedDay]:
        return values(PublishedDay, await self._database.fetch(_PINS, ids, first, last))

    async def best_pins(self, ids: Sequence[int], first: date, last: date, limit: int) -> list[BestPin]:
        """Return at most ``limit`` pins of each client, those with the most engagements first."""
        return values(BestPin, await self._database.fetch(_BEST_PINS, ids, first, last, limit))

    async def followers(self, ids: Sequence[int], first: date, last: date) -> list[Followers]:
        return values(Followers, await self._database.fetch(_FOLLOWERS, ids, first, last))
