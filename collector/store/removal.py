"""Removes profiles with all that is known of them, in steps, and counts what there is of it before and after.

The log of polls goes first, day by day. After that a step is a transaction: its profiles are there with everything
else, or gone with everything. Whoever is killed in between runs it again for those that are left.
"""

from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
import msgspec

from collector.errors import RegistryError
from collector.store.columns import names, values
from collector.store.pool import Database

_AT_ONCE: Final = 20

TABLES: Final = (
    "pin_lane",  # before pins, as everybody locks them
    "pin",
    "pin_arrival",
    "pin_result",
    "pin_metric",
    "native_pin",
    "native_look",
    "daily_metric",
    "daily_metric_revision",
    "profile_import",
    "account_snapshot",
    "profile_state_change",
    "lost_day",
    "drop_episode",
    "drop_dismissal",
    "drop_verdict",
    "drop_band",
    "notice",
    "poll_log",
)
"""What has rows of a profile by its ``profile_id``; attempts at pins and tellings of notices go with those."""

# What is of a client, by the column that names it.
_OF_CLIENT: Final = {
    "client": "name",
    "api_token": "client",
    "notice": "client",
    "monthly_report": "client",
    "pin_upload": "client",
}


class Removable(msgspec.Struct, frozen=True):
    """A profile that can be removed."""

    id: int
    name: str
    client: str


_NAMED = f"SELECT {names(Removable)} FROM profile WHERE name = ANY ($1::text[]) ORDER BY name"
_OF = f"SELECT {names(Removable)} FROM profile WHERE client = $1 ORDER BY name"
_COUNT_DAYS = "SELECT count(*) FROM daily_metric WHERE profile_id = ANY ($1::bigint[])"
# As everybody locks them: whoever records what became of a pin has its lane and the pin, and needs the profile then.
_LOCK_LANES = "SELECT FROM pin_lane WHERE profile_id = ANY ($1::bigint[]) ORDER BY profile_id FOR UPDATE"
_LOCK_PINS = "SELECT FROM pin WHERE profile_id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE"
# Or a pin could be queued between looking and deleting.
_LOCK = "SELECT FROM profile WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE"
_OPEN_PINS = """
SELECT f.name, count(*)
FROM pin p
JOIN profile f ON f.id = p.profile_id
WHERE f.id = ANY ($1::bigint[])
  AND p.state IN ('queued', 'sending', 'unknown')
GROUP BY f.name
ORDER BY f.name
"""
# No index finds the polls of a profile, but one finds those of a day.
_POLL_DAYS = """
SELECT generate_series(date_trunc('day', min(polled_at)), now(), interval '1 day') AS since
FROM poll_log
"""
_DELETE_POLLS = """
DELETE FROM poll_log
WHERE polled_at >= $2
  AND polled_at < $2 + interval '1 day'
  AND profile_id = ANY ($1::bigint[])
"""
_DELETE = tuple(f"DELETE FROM {table} WHERE profile_id = ANY ($1::bigint[])" for table in TABLES if table != "poll_log")
_DELETE_NEWEST_POLLS = """
DELETE FROM poll_log
WHERE polled_at >= now() - interval '1 day'
  AND profile_id = ANY ($1::bigint[])
"""
# A choice for a name would else be that of the next profile of this name.
_DELETE_SENSITIVITY = """
DELETE FROM drop_sensitivity
WHERE scope = 'profile'
  AND name IN (SELECT name FROM profile WHERE id = ANY ($1::bigint[]))
"""
# Or what is being found out at this moment would come after the profile is gone.
_LOCK_NOTICES = "LOCK TABLE notice IN SHARE ROW EXCLUSIVE MODE"
_DELETE_PROFILES = "DELETE FROM profile WHERE id = ANY ($1::bigint[])"

# TimescaleDB keeps sums by profile in tables of its own, and would make them anew within the hour.
_HAS_AGGREGATES = "SELECT to_regclass('timescaledb_information.continuous_aggregates') IS NOT NULL"
_AGGREGATES = """
SELECT a.view_name AS name, format('%I.%I', a.materialization_hypertable_schema, a.materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates a
JOIN information_schema.columns c
    ON (c.table_schema, c.table_name, c.column_name)
     = (a.materialization_hypertable_schema, a.materialization_hypertable_name, 'profile_id')
"""

_EMPTY_CLIENT = "SELECT NOT EXISTS (SELECT FROM profile WHERE client = $1)"
# A table that was uploaded by somebody who sees all clients may have lines of this one.
_DELETE_UPLOADS = "DELETE FROM pin_upload WHERE client = $1 OR client IS NULL"
_DELETE_CLIENT = (
    *(f"DELETE FROM {table} WHERE {column} = $1" for table, column in _OF_CLIENT.items() if table != "pin_upload"),
    "DELETE FROM drop_sensitivity WHERE scope = 'client' AND name = $1",
)
_CLIENT_ROWS = f"""
SELECT {" + ".join(f"(SELECT count(*) FROM {table} WHERE {column} = $1)" for table, column in _OF_CLIENT.items())}
    + (SELECT count(*) FROM drop_sensitivity WHERE scope = 'client' AND name = $1)
"""


class RemovalStore:
    """Deletes profiles and counts their rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def named(self, profiles: Sequence[str]) -> list[Removable]:
        """Return those of the profiles that there are."""
        return values(Removable, await self._database.fetch(_NAMED, profiles))

    async def of_client(self, client: str) -> list[Removable]:
        return values(Removable, await self._database.fetch(_OF, client))

    async def days(self, ids: Sequence[int]) -> int:
        """Return how many days of metrics these profiles have."""
        return int(await self._database.fetchval(_COUNT_DAYS, ids))

    async def remove(
        self, ids: Sequence[int], advance: Callable[[int], None] = lambda _removed: None, *, open_pins: bool = False
    ) -> None:
        """Delete profiles with their keys and all of their rows; ``advance`` is told how many each step took.

        Raises:
            RegistryError: one has pins that are not published yet or whose fate is not known, and ``open_pins`` does
                not say that they go too. Before the first step no profile is gone then.

        """
        if not open_pins:
            _insist_on_settled(await self._database.fetch(_OPEN_PINS, ids))
        aggregates = list((await self.aggregates()).values())
        for (since,) in await self._database.fetch(_POLL_DAYS):
            await self._database.execute(_DELETE_POLLS, ids, since)
        for start in range(0, len(ids), _AT_ONCE):
            step = ids[start : start + _AT_ONCE]
            async with self._database.transaction() as connection:
                await _remove(connection, step, aggregates, open_pins=open_pins)
            advance(len(step))

    async def aggregates(self) -> dict[str, str]:
        """Return the continuous aggregates that have rows of profiles, and the table behind each."""
        if not await self._database.fetchval(_HAS_AGGREGATES):
            return {}
        return dict(await self._database.fetch(_AGGREGATES))

    async def counts(self, ids: Sequence[int]) -> dict[str, int]:
        """Return how many rows of these profiles each table has."""
        tables = ["profile", *TABLES, *await self.aggregates()]
        found = {}
        for table in tables:
            key = "id" if table == "profile" else "profile_id"
            statement = f"SELECT count(*) FROM {table} WHERE {key} = ANY ($1::bigint[])"
            found[table] = int(await self._database.fetchval(statement, ids))
        return found

    async def client_rows(self, client: str) -> int:
        """Return how many rows there are of a client itself: settings, tokens, notices, uploads."""
        return int(await self._database.fetchval(_CLIENT_ROWS, client))

    async def remove_uploads(self, client: str) -> None:
        """Delete uploaded tables that may name profiles of the client."""
        await self._database.execute(_DELETE_UPLOADS, client)

    async def remove_client(self, client: str) -> bool:
        """Delete what there is of a client itself, if it has no profile any more; return whether that is so."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_EMPTY_CLIENT, client):
                return False
            for statement in _DELETE_CLIENT:
                await connection.execute(statement, client)
        return True


async def _remove(
    connection: asyncpg.Connection, ids: Sequence[int], aggregates: Sequence[str], *, open_pins: bool
) -> None:
    for statement in (_LOCK_LANES, _LOCK_PINS, _LOCK):
        await connection.execute(statement, ids)
    if not open_pins:
        _insist_on_settled(await connection.fetch(_OPEN_PINS, ids))
    await connection.execute(_LOCK_NOTICES)
    for statement in (*_DELETE, _DELETE_NEWEST_POLLS, _DELETE_SENSITIVITY):
        await connection.execute(statement, ids)
    for table in aggregates:
        await connection.execute(f"DELETE FROM {table} WHERE profile_id = ANY ($1::bigint[])", ids)
    await connection.execute(_DELETE_PROFILES, ids)


def _insist_on_settled(unsettled: Sequence[asyncpg.Record]) -> None:
    if unsettled:
        listed = ", ".join(f"{name} has {count}" for name, count in unsettled)
        raise RegistryError(f"pins are not settled: {listed}; `collector pins cancel` them first")
