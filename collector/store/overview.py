"""Sums the fleet up for the console: a row a client, the fleet's days, and what is open.

The statement about clients visits two weeks of every profile, and three months of its index. At 10,000 profiles it
takes a second, so it is run beside requests and not in them.
"""

from datetime import date, datetime
from typing import Final

import msgspec

from collector.store.columns import names, values
from collector.store.missing_day import missing_days
from collector.store.pool import Database

COUNTS: Final = ("impression", "engagement", "save", "pin_click", "outbound_click")
"""The metrics that can be summed, in the order of every list here."""


class ClientSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A client's profiles by what is wrong with them, and its last settled week.

    ``week`` are sums over all profiles. ``compared`` and ``before`` are this week's and the former week's sums over the
    profiles that have every day of both, so that a gap or a new profile is no change. All are in the order of `COUNTS`.
    """

    client: str
    profiles: int
    paused: int
    unlinked: int
    suspended: int
    key_invalid: int
    failing: int
    replaced: int
    never_read: int
    missing_days: int
    open_drops: int
    read_at: datetime | None
    week: list[int]
    compared: list[int]
    before: list[int]

    @property
    def refused(self) -> dict[str, int]:
        """How many profiles are in each state in which Ayrshare refuses to read them."""
        return {"unlinked": self.unlinked, "suspended": self.suspended, "key_invalid": self.key_invalid}

    @property
    def troubled(self) -> int:
        """How many things want somebody's attention."""
        return self.open_drops + sum(self.refused.values()) + self.failing + self.replaced + (self.missing_days > 0)


class FleetDay(msgspec.Struct, frozen=True):
    """Sums over all profiles of a day, in the order of `COUNTS`."""

    day: date
    counts: list[int | None]


class OpenDrop(msgspec.Struct, frozen=True, kw_only=True):
    """A drop that lasts, for a list; ``lost`` is what was expected and did not come, all days together."""

    profile_id: int
    profile: str
    client: str
    metric: str
    first_day: date
    last_day: date
    observed: float
    expected: float
    lost: float
    sentence: str


class FleetDropNote(msgspec.Struct, frozen=True):
    """A drop of a large share of the fleet."""

    first_day: date
    last_day: date
    open: bool
    sentence: str


class TroubledState(msgspec.Struct, frozen=True):
    """How many profiles are in a state that keeps their data from coming, and since when the first of them."""

    state: str
    profiles: int
    since: datetime


class ProfileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A profile in a list, with its last settled week and the one before; ``whole`` tells that both have every day."""

    id: int
    name: str
    client: str
    tags: list[str]
    state: str
    state_since: datetime
    last_outcome: str | None
    consecutive_failures: int
    account_changed: bool
    last_success_at: datetime | None
    next_poll_at: datetime | None
    open_drops: int
    week: int | None
    before: int | None
    whole: bool
    days: list[float | None]


class ProfileWish(msgspec.Struct, frozen=True, kw_only=True):
    """Which profiles a list shows; ``text`` is in the name, the client, the refId or a tag."""

    client: str | None = None
    state: str | None = None
    text: str | None = None
    limit: int = 50
    offset: int = 0


_FLEET_SETTLED = "SELECT settled_through FROM client_settled WHERE client = ''"


def _sums(which: str) -> str:
    return ", ".join(f"coalesce(sum(w.{metric}_{which}), 0)::bigint" for metric in COUNTS)


def _whole(which: str) -> str:
    return ", ".join(f"coalesce(sum(w.{metric}_{which}) FILTER (WHERE w.whole), 0)::bigint" for metric in COUNTS)


_WEEKS = ",\n        ".join(
    f"sum(m.{metric}) FILTER (WHERE m.day > $1::date - 7) AS {metric}_now, "
    f"sum(m.{metric}) FILTER (WHERE m.day <= $1::date - 7) AS {metric}_then"
    for metric in COUNTS
)

_CLIENTS = f"""
SELECT
    p.client,
    count(*) AS profiles,
    count(*) FILTER (WHERE p.state = 'paused') AS paused,
    count(*) FILTER (WHERE p.state = 'unlinked') AS unlinked,
    count(*) FILTER (WHERE p.state = 'suspended') AS suspended,
    count(*) FILTER (WHERE p.state = 'key_invalid') AS key_invalid,
    count(*) FILTER (WHERE p.state = 'active' AND p.consecutive_failures >= 3) AS failing,
    count(*) FILTER (WHERE p.account_changed_at IS NOT NULL) AS replaced,
    count(*) FILTER (WHERE p.last_success_at IS NULL) AS never_read,
    coalesce(sum(g.missing_days), 0)::bigint AS missing_days,
    coalesce(sum(o.open_drops), 0)::bigint AS open_drops,
    min(p.last_success_at) FILTER (WHERE p.state <> 'paused') AS read_at,
    ARRAY[{_sums("now")}] AS week,
    ARRAY[{_whole("now")}] AS compared,
    ARRAY[{_whole("then")}] AS before
FROM profile p
CROSS JOIN LATERAL (
    {missing_days("$1::date - 87")}
) g
CROSS JOIN LATERAL (
    SELECT
        {_WEEKS},
        count(m.impression) = 14 AS whole
    FROM daily_metric m
    WHERE m.profile_id = p.id
      AND m.day > $1::date - 14
      AND m.day <= least($1::date, p.settled_through)
      AND is_settled_status(m.data_status)
) w
LEFT JOIN (
    SELECT profile_id, count(*) AS open_drops
    FROM engagement_drop
    WHERE told
    GROUP BY profile_id
) o ON o.profile_id = p.id
GROUP BY p.client
"""

_DAYS = f"""
SELECT day, ARRAY[{", ".join(COUNTS)}] AS counts
FROM fleet_day
WHERE day > $1::date - 90
  AND day <= $1::date
ORDER BY day
"""

_SPARKS = """
SELECT p.client, m.day, sum(m.engagement)::double precision AS engagement
FROM profile p
JOIN daily_metric m ON m.profile_id = p.id
WHERE p.client = ANY ($1::text[])
  AND m.day > $2::date - 28
  AND m.day <= $2::date
GROUP BY p.client, m.day
"""

_OPEN_DROPS = f"""
SELECT {names(OpenDrop)}
FROM (
    SELECT *, (expected - observed) * (last_day - first_day + 1) AS lost
    FROM engagement_drop
    WHERE told
      AND ($1::text IS NULL OR client = $1)
) d
ORDER BY lost DESC, profile
LIMIT $2
"""

_FLEET_DROPS = f"SELECT {names(FleetDropNote)} FROM fleet_drop WHERE last_day >= $1 ORDER BY first_day"

_TROUBLES = """
SELECT state, count(*) AS profiles, min(state_since) AS since
FROM profile
WHERE state NOT IN ('active', 'paused')
GROUP BY state
ORDER BY state
"""

_MATCHING = """
SELECT DISTINCT client
FROM profile
WHERE strpos(lower(concat_ws(' ', name, client, ref_id, array_to_string(tags, ' '))), lower($1)) > 0
"""

_CHOSEN = """
FROM profile
WHERE ($1::text IS NULL OR client = $1)
  AND (
      $2::text IS NULL
      OR state = $2
      OR ($2 = 'failing' AND state = 'active' AND consecutive_failures >= 3)
      OR ($2 = 'trouble' AND (state NOT IN ('active', 'paused') OR consecutive_failures >= 3))
  )
  AND (
      $3::text IS NULL
      OR strpos(lower(concat_ws(' ', name, client, ref_id, array_to_string(tags, ' '))), lower($3)) > 0
  )
"""
# Only ids are sorted and passed over: whole rows take twice as long.
_PROFILES = f"""
SELECT
    p.id, p.name, p.client, p.tags, p.state, p.state_since, p.last_outcome, p.consecutive_failures,
    p.account_changed_at IS NOT NULL AS account_changed, p.last_success_at, p.next_poll_at,
    (
        SELECT count(*)
        FROM engagement_drop e
        WHERE e.profile_id = p.id
          AND e.told
    ) AS open_drops,
    d.week, d.before, d.whole, d.days
FROM (
    SELECT id AS chosen_id
    {_CHOSEN}
    ORDER BY {{order}}
    LIMIT $4 OFFSET $5
) s
JOIN profile p ON p.id = s.chosen_id
CROSS JOIN LATERAL (
    SELECT
        sum(m.engagement) FILTER (WHERE c.day > $6::date - 7)::bigint AS week,
        sum(m.engagement) FILTER (WHERE c.day BETWEEN $6::date - 13 AND $6::date - 7)::bigint AS before,
        count(m.engagement) FILTER (WHERE c.day > $6::date - 14) = 14 AS whole,
        array_agg(m.engagement::double precision ORDER BY c.day) AS days
    FROM (SELECT generate_series($6::date - 27, $6::date, interval '1 day')::date AS day) c
    LEFT JOIN (
        SELECT day, engagement
        FROM daily_metric
        WHERE profile_id = p.id
          AND day > $6::date - 28
          AND day <= $6::date
    ) m ON m.day = c.day
) d
ORDER BY {{order}}
"""
# A seven with how many people would want it.
_ORDERS = {
    "name": "name",
    "client": "client, name",
    "state": "(state = 'active'), state, name",
    "read": "last_success_at NULLS FIRST, name",
}
PROFILE_ORDERS: Final = tuple(_ORDERS)


class OverviewStore:
    """Reads what the fleet's pages show."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lists = database.lists

    async def settled_through(self) -> date | None:
        """Return the newest day that is settled for nearly the whole fleet."""
        found: date | None = await self._database.fetchval(_FLEET_SETTLED)
        return found

    async def clients(self, settled: date) -> list[ClientSummary]:
        """Return every client, in no order; the week ends on ``settled``."""
        return values(ClientSummary, await self._database.fetch(_CLIENTS, settled))

    async def days(self, settled: date) -> list[FleetDay]:
        """Return the fleet's last 90 days up to ``settled``; days that nobody has are not there."""
        return values(FleetDay, await self._database.fetch(_DAYS, settled))

    async def sparks(self, clients: list[str], settled: date) -> dict[str, dict[date, float | None]]:
        """Return the engagements of the last 28 days of each of these clients."""
        found: dict[str, dict[date, float | None]] = {client: {} for client in clients}
        for client, day, engagement in await self._database.fetch(_SPARKS, clients, settled):
            found[client][day] = engagement
        return found

    async def open_drops(self, limit: int, client: str | None = None) -> list[OpenDrop]:
        """Return the drops that last, the most costly first, without those of the whole fleet."""
        return values(OpenDrop, await self._lists.fetch(_OPEN_DROPS, client, limit))

    async def fleet_drops(self, since: date) -> list[FleetDropNote]:
        return values(FleetDropNote, await self._database.fetch(_FLEET_DROPS, since))

    async def troubles(self) -> list[TroubledState]:
        return values(TroubledState, await self._database.fetch(_TROUBLES))

    async def matching(self, text: str) -> set[str]:
        """Return the clients that have ``text`` in their name, or in that of one of their profiles."""
        return {client for (client,) in await self._database.fetch(_MATCHING, text)}

    async def profiles(self, wish: ProfileWish, order: str, settled: date) -> list[ProfileRow]:
        """Return a page of profiles, sorted by one of `PROFILE_ORDERS`."""
        statement = _PROFILES.format(order=_ORDERS[order])
        return values(ProfileRow, await self._lists.fetch(statement, *msgspec.structs.astuple(wish), settled))

    async def count_profiles(self, wish: ProfileWish) -> int:
        return int(await self._lists.fetchval(f"SELECT count(*) {_CHOSEN}", wish.client, wish.state, wish.text))
