"""Reads one client or one profile by day, with what happened on the days: one statement for each part of a page."""

from datetime import date, datetime

import msgspec

from collector.store.columns import names, values
from collector.store.drop_list import DropRow
from collector.store.pool import Database


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


_PROFILE = """
SELECT
    c.day, m.impression, m.engagement, m.save, m.pin_click, m.outbound_click,
    coalesce(m.settled, c.day <= p.settled_through, false) AS settled,
    m.source IS NOT NULL AS imported,
    coalesce(m.revision, 0) AS revisions,
    b.expected, b.expected_low
FROM (SELECT generate_series($2::date, $3::date, interval '1 day')::date AS day) c
CROSS JOIN (SELECT settled_through FROM profile WHERE id = $1) p
LEFT JOIN (
    SELECT day, impression, engagement, save, pin_click, outbound_click, settled, revision, source
    FROM profile_day
    WHERE profile_id = $1
      AND day BETWEEN $2 AND $3
) m ON m.day = c.day
LEFT JOIN (
    SELECT day, expected::double precision, expected_low::double precision
    FROM expected_day
    WHERE profile_id = $1
) b ON b.day = c.day
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


# A statement each for a profile and for a client: with "$1 IS NULL OR ..." the plan that is kept would read all.
def _drops(whose: str) -> str:
    return f"""
        SELECT {names(DropRow)}
        FROM engagement_drop
        WHERE {whose} = $1
          AND last_day >= $2
        ORDER BY first_day DESC, profile
        LIMIT 50
    """


def _pins(whose: str) -> str:
    return f"""
        SELECT (p.published_at AT TIME ZONE 'UTC')::date AS day, count(*) AS pins
        FROM profile f
        JOIN pin p ON p.profile_id = f.id
        WHERE f.{whose} = $1
          AND p.state = 'published'
          AND p.published_at >= $2::date
        GROUP BY 1
    """


# The view missing_day compares day by day, for which TimescaleDB would unpack the days of everybody.
def _missing(whose: str) -> str:
    return f"""
        SELECT
            p.id AS profile_id, p.name AS profile, c.day,
            c.day + fetchable_days(p.window_days) <= (now() AT TIME ZONE 'UTC')::date AS lost
        FROM profile p
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(m.day), '{{}}') AS days
            FROM daily_metric m
            WHERE m.profile_id = p.id
              AND m.day >= $2
        ) h
        CROSS JOIN LATERAL (
            SELECT generate_series(greatest(p.first_day, $2), newest_day_due(p.settle_days), interval '1 day')::date
                AS day
        ) c
        WHERE p.{whose} = $1
          AND p.first_day IS NOT NULL
          AND c.day <> ALL (h.days)
        ORDER BY c.day DESC, p.name
        LIMIT 200
    """


_PROFILES_DROPS, _CLIENTS_DROPS = _drops("profile_id"), _drops("client")
_PROFILES_PINS, _CLIENTS_PINS = _pins("id"), _pins("client")
_PROFILES_MISSING, _CLIENTS_MISSING = _missing("id"), _missing("client")

_VERSIONS = f"""
SELECT {names(DayVersion)}
FROM daily_metric_version
WHERE profile_id = $1
  AND day = $2
ORDER BY revision
"""

_CLIENT_OF = "SELECT client FROM profile WHERE id = $1"
_NAMED = "SELECT id FROM profile WHERE name = $1"
_PROFILES_OF = "SELECT count(*) FROM profile WHERE client = $1"


class TimelineStore:
    """Reads what the pages of a client and of a profile show; of both, ``profile_id`` or ``client`` is given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def client_of(self, profile_id: int) -> str | None:
        """Return the client of a profile; None where there is no such profile."""
        found: str | None = await self._database.fetchval(_CLIENT_OF, profile_id)
        return found

    async def named(self, name: str) -> int | None:
        """Return the id of the profile of this name."""
        found: int | None = await self._database.fetchval(_NAMED, name)
        return found

    async def profiles_of(self, client: str) -> int:
        return int(await self._database.fetchval(_PROFILES_OF, client))

    async def of_profile(self, profile_id: int, first: date, last: date) -> list[TimelineDay]:
        """Return every day from ``first`` to ``last``, also those that are not there."""
        return values(TimelineDay, await self._database.fetch(_PROFILE, profile_id, first, last))

    async def of_client(self, client: str, first: date, last: date) -> list[TimelineDay]:
        """Return every day from ``first`` to ``last``, also those that are not there."""
        return values(TimelineDay, await self._database.fetch(_CLIENT, client, first, last))

    async def drops(self, profile_id: int | None, client: str | None, since: date) -> list[DropRow]:
        """Return the drops that reach ``since`` or later, the newest first."""
        statement = _CLIENTS_DROPS if profile_id is None else _PROFILES_DROPS
        found = await self._database.fetch(statement, client if profile_id is None else profile_id, since)
        return values(DropRow, found)

    async def pins(self, profile_id: int | None, client: str | None, since: date) -> list[PinDay]:
        statement = _CLIENTS_PINS if profile_id is None else _PROFILES_PINS
        found = await self._database.fetch(statement, client if profile_id is None else profile_id, since)
        return values(PinDay, found)

    async def missing(self, profile_id: int | None, client: str | None, since: date) -> list[MissingDay]:
        statement = _CLIENTS_MISSING if profile_id is None else _PROFILES_MISSING
        found = await self._database.fetch(statement, client if profile_id is None else profile_id, since)
        return values(MissingDay, found)

    async def versions(self, profile_id: int, day: date) -> list[DayVersion]:
        """Return all that was ever known of a day, the oldest first."""
        return values(DayVersion, await self._database.fetch(_VERSIONS, profile_id, day))
