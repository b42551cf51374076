"""Reads one client or one profile by day, with what happened on the days: one statement for each part of a page."""

from datetime import date, datetime

import msgspec

from collector.store.columns import Value, names, values
from collector.store.drop_list import DropRow
from collector.store.pool import Database


class NamedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile and its newest settled day."""

    id: int
    name: str
    client: str
    settled_through: date | None


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """A profile, or all profiles of a client, and its name for people; ``profile_id`` None is a client."""

    name: str
    client: str
    profile_id: int | None = None


class TimelineDay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A day with its counts, None where it is not there or has no number.

    ``expected`` and ``expected_low`` are of engagement; of a client they are the sums over its profiles, and only there
    when each of its profiles has them. ``revisions`` counts the versions of a day; of a client it is the most.
    ``imported`` tells that another program recorded it; of a client, for any of its profiles.
    """

    day: date
    impression: int | None
    engagement: int | None
    save: int | None
    pin_click: int | None
    outbound_click: int | None
    settled: bool
    imported: bool
    revisions: int
    expected: float | None
    expected_low: float | None


class PinDay(msgspec.Struct, frozen=True):
    """How many pins went out on a day."""

    day: date
    pins: int


class MissingDay(msgspec.Struct, frozen=True):
    """A day that is not there; a ``lost`` one cannot be read any more."""

    profile_id: int
    profile: str
    day: date
    lost: bool


class DayVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A day as it was known from ``observed_at`` on; the present version was not superseded.

    ``last_seen_at`` is the last good poll that still had it, before the one that brought the next version. ``extra`` is
    a JSON object of numbers that have no column, ``source`` what an imported version is marked with.
    """

    revision: int
    observed_at: datetime
    last_seen_at: datetime | None
    superseded_at: datetime | None
    impression: int | None
    engagement: int | None
    engagement_rate: float | None
    save: int | None
    save_rate: float | None
    pin_click: int | None
    pin_click_rate: float | None
    outbound_click: int | None
    outbound_click_rate: float | None
    data_status: str | None
    extra: str | None
    source: str | None


# The band is taken from its arrays by place: to join its days to the others compares each with each. The detector
# stores arrays in an array, which unnest() lays flat, but a subscript does not.
_PROFILE = """
WITH band AS MATERIALIZED (
    SELECT
        since,
        ARRAY(SELECT e FROM unnest(expected) WITH ORDINALITY AS u (e, place) ORDER BY place) AS expected,
        ARRAY(SELECT l FROM unnest(low) WITH ORDINALITY AS u (l, place) ORDER BY place) AS low
    FROM drop_band
    WHERE profile_id = $1
)
SELECT
    c.day, m.impression, m.engagement, m.save, m.pin_click, m.outbound_click,
    coalesce(m.settled, c.day <= p.settled_through, false) AS settled,
    m.source IS NOT NULL AS imported,
    coalesce(m.revision, 0) AS revisions,
    b.expected, CASE WHEN b.expected IS NOT NULL THEN b.expected_low END AS expected_low
FROM (SELECT generate_series($2::date, $3::date, interval '1 day')::date AS day) c
CROSS JOIN (SELECT settled_through FROM profile WHERE id = $1) p
LEFT JOIN (
    SELECT day, impression, engagement, save, pin_click, outbound_click, settled, revision, source
    FROM profile_day
    WHERE profile_id = $1
      AND day BETWEEN $2 AND $3
) m ON m.day = c.day
LEFT JOIN band d ON true
CROSS JOIN LATERAL (
    SELECT
        nullif(d.expected[c.day - d.since + 1], 'NaN')::double precision AS expected,
        d.low[c.day - d.since + 1]::double precision AS expected_low
) b
ORDER BY c.day
"""

# What an unlinked profile left provisional stays so for ever, and must not make the client's days provisional.
_CLIENT = """
SELECT
    c.day, m.impression, m.engagement, m.save, m.pin_click, m.outbound_click,
    coalesce(m.settled, false) AS settled,
    coalesce(m.imported, false) AS imported,
    coalesce(m.revisions, 0) AS revisions,
    CASE WHEN b.profiles = m.profiles THEN b.expected END AS expected,
    CASE WHEN b.profiles = m.profiles THEN b.expected_low END AS expected_low
FROM (SELECT generate_series($2::date, $3::date, interval '1 day')::date AS day) c
LEFT JOIN (
    SELECT
        d.day,
        sum(d.impression)::bigint AS impression,
        sum(d.engagement)::bigint AS engagement,
        sum(d.save)::bigint AS save,
        sum(d.pin_click)::bigint AS pin_click,
        sum(d.outbound_click)::bigint AS outbound_click,
        coalesce(
            bool_and(coalesce(is_settled(d.day, p.settled_through, d.data_status), false))
                FILTER (WHERE p.state = 'active'),
            bool_and(coalesce(is_settled(d.day, p.settled_through, d.data_status), false))
        ) AS settled,
        bool_or(d.source IS NOT NULL) AS imported,
        max(d.revision) AS revisions,
        count(*) AS profiles
    FROM profile p
    JOIN daily_metric d ON d.profile_id = p.id
    WHERE p.client = $1
      AND d.day BETWEEN $2 AND $3
    GROUP BY d.day
) m ON m.day = c.day
LEFT JOIN (
    SELECT
        day, sum(expected)::double precision AS expected, sum(expected_low)::double precision AS expected_low,
        count(*) AS profiles
    FROM expected_day
    WHERE client = $1
      AND day BETWEEN $2 AND $3
    GROUP BY day
) b ON b.day = c.day
ORDER BY c.day
"""

# A statement for a client and one for a profile: the plan for an array of profiles would be made each time.
_DROPS = f"""
SELECT {names(DropRow)}
FROM engagement_drop
WHERE {{whose}} = $1
  AND last_day >= $2
ORDER BY first_day DESC, profile
LIMIT 50
"""

_PINS = """
SELECT (published_at AT TIME ZONE 'UTC')::date AS day, count(*) AS pins
FROM (SELECT t.profile_id, p.client, t.published_at, t.state FROM pin t JOIN profile p ON p.id = t.profile_id) pins
WHERE {whose} = $1
  AND state = 'published'
  AND published_at >= $2::date
GROUP BY 1
"""

# The view missing_day compares day by day, for which TimescaleDB would unpack the days of everybody.
_MISSING = """
SELECT
    p.profile_id, p.name AS profile, c.day,
    c.day + fetchable_days(p.window_days) <= (now() AT TIME ZONE 'UTC')::date AS lost
FROM (SELECT id AS profile_id, name, client, first_day, window_days, settle_days FROM profile) p
CROSS JOIN LATERAL (
    SELECT generate_series(greatest(p.first_day, $2), newest_day_due(p.settle_days), interval '1 day')::date AS day
    EXCEPT
    SELECT m.day
    FROM daily_metric m
    WHERE m.profile_id = p.profile_id
      AND m.day >= $2
) c
WHERE {whose} = $1
  AND p.first_day IS NOT NULL
ORDER BY c.day DESC, p.name
LIMIT 200
"""

_VERSIONS = f"""
SELECT {names(DayVersion)}
FROM daily_metric_version
WHERE profile_id = $1
  AND day = $2
ORDER BY revision
"""

_FIND = f"SELECT {names(NamedProfile)} FROM profile WHERE id = $1"
_NAMED = "SELECT id FROM profile WHERE name = $1"
_PROFILES_OF = "SELECT count(*) FROM profile WHERE client = $1"


class TimelineStore:
    """Reads what the pages of a client and of a profile show."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, profile_id: int) -> NamedProfile | None:
        """Return a profile; None where there is none of this id."""
        found = values(NamedProfile, await self._database.fetch(_FIND, profile_id))
        return found[0] if found else None

    async def named(self, name: str) -> int | None:
        """Return the id of the profile of this name."""
        found: int | None = await self._database.fetchval(_NAMED, name)
        return found

    async def count_profiles(self, client: str) -> int:
        """Return how many profiles a client has."""
        found: int = await self._database.fetchval(_PROFILES_OF, client)
        return found

    async def days(self, whose: Whose, first: date, last: date) -> list[TimelineDay]:
        """Return every day from ``first`` to ``last``, also those that are not there; of a client their sums."""
        statement = _CLIENT if whose.profile_id is None else _PROFILE
        return values(TimelineDay, await self._database.fetch(statement, whose.profile_id or whose.client, first, last))

    async def drops(self, whose: Whose, since: date) -> list[DropRow]:
        """Return the drops that reach ``since`` or later, the newest first."""
        return await self._since(DropRow, _DROPS, whose, since)

    async def pins(self, whose: Whose, since: date) -> list[PinDay]:
        """Return the days since ``since`` on which pins went out."""
        return await self._since(PinDay, _PINS, whose, since)

    async def missing(self, whose: Whose, since: date) -> list[MissingDay]:
        """Return the days since ``since`` that are due and not there, the newest first."""
        return await self._since(MissingDay, _MISSING, whose, since)

    async def _since(self, kind: type[Value], statement: str, whose: Whose, since: date) -> list[Value]:
        column = "client" if whose.profile_id is None else "profile_id"
        found = await self._database.fetch(statement.format(whose=column), whose.profile_id or whose.client, since)
        return values(kind, found)

    async def versions(self, profile_id: int, day: date) -> list[DayVersion]:
        """Return all that was ever known of a day, the oldest first."""
        return values(DayVersion, await self._database.fetch(_VERSIONS, profile_id, day))
