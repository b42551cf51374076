"""Reads whole tables, of any length, without holding them: as text by COPY, or in rows by a cursor of the server."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from collector.models.export import Choice, Column, Kind, Table
from collector.store.pool import Database

# A table of ten million rows takes a minute; one that hangs is noticed all the same.
_LONGEST_SECONDS = 6 * 3600.0
# Each is a Python object for a moment: more at once take memory, and are no faster.
_ROWS_AT_ONCE: Final = 2_000

_COUNTS = ("impression", "engagement", "save", "pin_click", "outbound_click")
_DAILY = (
    Column("profile", Kind.TEXT),
    Column("client", Kind.TEXT),
    Column("day", Kind.DATE),
    Column("settled", Kind.FLAG),
    Column("impression", Kind.WHOLE),
    *(column for name in _COUNTS[1:] for column in (Column(name, Kind.WHOLE), Column(f"{name}_rate", Kind.FRACTION))),
    Column("data_status", Kind.TEXT),
    Column("source", Kind.TEXT),
    Column("revision", Kind.WHOLE),
    Column("known_since", Kind.TIME),
    Column("extra", Kind.JSON),
)
_ACCOUNT = (
    Column("profile", Kind.TEXT),
    Column("client", Kind.TEXT),
    Column("observed_at", Kind.TIME),
    Column("followers", Kind.WHOLE),
    Column("counters", Kind.JSON),
)
_PINS = (
    Column("profile", Kind.TEXT),
    Column("client", Kind.TEXT),
    Column("client_ref", Kind.TEXT),
    Column("state", Kind.TEXT),
    Column("publish_at", Kind.TIME),
    Column("published_at", Kind.TIME),
    Column("title", Kind.TEXT),
    Column("description", Kind.TEXT),
    Column("link", Kind.TEXT),
    Column("board_id", Kind.TEXT),
    Column("media_urls", Kind.LIST),
    Column("pin_url", Kind.TEXT),
    Column("pinterest_pin_id", Kind.TEXT),
    Column("attempts", Kind.WHOLE),
    Column("last_error", Kind.TEXT),
    *(Column(name, Kind.WHOLE) for name in _COUNTS),
    Column("results_since", Kind.TIME),
)
_DROPS = (
    Column("profile", Kind.TEXT),
    Column("client", Kind.TEXT),
    Column("metric", Kind.TEXT),
    Column("first_day", Kind.DATE),
    Column("detected_day", Kind.DATE),
    Column("last_day", Kind.DATE),
    Column("observed", Kind.FRACTION),
    Column("expected", Kind.FRACTION),
    Column("expected_low", Kind.FRACTION),
    Column("lost_share", Kind.FRACTION),
    Column("open", Kind.FLAG),
    Column("closed_on", Kind.DATE),
    Column("close_reason", Kind.TEXT),
    Column("inhibited", Kind.FLAG),
    Column("sentence", Kind.TEXT),
)
COLUMNS: Final = {Table.DAILY: _DAILY, Table.ACCOUNT: _ACCOUNT, Table.PINS: _PINS, Table.DROPS: _DROPS}

# Client $1, days $2 to $3, and for days as of $4.
_OF_CLIENT = "($1::text IS NULL OR client = $1)"
_SOURCES = {
    Table.ACCOUNT: """
        SELECT
            f.name AS profile, f.client, s.*, s.extra AS counters,
            (s.observed_at AT TIME ZONE 'UTC')::date AS from_day
        FROM account_snapshot s
        JOIN profile f ON f.id = s.profile_id
    """,
    Table.PINS: """
        SELECT
            f.name AS profile, f.client, p.*, (p.publish_at AT TIME ZONE 'UTC')::date AS from_day, r.impression,
            pin_engagement(r.save, r.pin_click, r.outbound_click) AS engagement, r.save, r.pin_click, r.outbound_click,
            r.observed_at AS results_since
        FROM pin p
        JOIN profile f ON f.id = p.profile_id
        LEFT JOIN pin_result r ON r.profile_id = p.profile_id AND r.pin_id = p.id
    """,
    Table.DROPS: "SELECT d.*, d.last_day AS from_day FROM engagement_drop d",
}
_LAST = {Table.ACCOUNT: "from_day", Table.PINS: "from_day", Table.DROPS: "first_day"}
_ORDER = {
    Table.ACCOUNT: "profile, observed_at",
    Table.PINS: "publish_at, id",
    Table.DROPS: "first_day, profile, metric",
}


def _profiles(text: Callable[[str], str]) -> str:
    """Return the CTE of the profiles: what is done to their names is done once for each, and not for each day."""
    return f"""
        WITH chosen AS MATERIALIZED (
            SELECT id, {text("name")} AS profile, {text("client")} AS client, settled_through, settle_days
            FROM profile
            WHERE {_OF_CLIENT}
        )
    """


def _days(choice: Choice, shown: Callable[[Column], str], text: Callable[[str], str]) -> str:
    """Return the statement for days; those of one client are in order, others as they come, or all would be sorted."""
    source, since, through = "daily_metric", "updated_at", "p.settled_through"
    if choice.as_of is not None:
        source, since = "daily_metric_as_of($4::timestamptz)", "observed_at"
        through = "least(p.settled_through, ($4::timestamptz AT TIME ZONE 'UTC')::date - coalesce(p.settle_days, 3))"
    columns = ", ".join(shown(column) if column.name not in {"profile", "client"} else column.name for column in _DAILY)
    return f"""
        {_profiles(text)}
        SELECT {columns}
        FROM (
            SELECT
                p.profile, p.client, m.*, m.{since} AS known_since,
                coalesce(is_settled(m.day, {through}, m.data_status), false) AS settled
            FROM chosen p
            JOIN {source} m ON m.profile_id = p.id
            WHERE ($2::date IS NULL OR m.day >= $2)
              AND ($3::date IS NULL OR m.day <= $3)
        ) AS found
        {"" if choice.client is None else "ORDER BY profile, day"}
    """


def _statement(table: Table, choice: Choice, shown: Callable[[Column], str], text: Callable[[str], str]) -> str:
    if table is Table.DAILY:
        return _days(choice, shown, text)
    return f"""
        SELECT {", ".join(map(shown, COLUMNS[table]))}
        FROM ({_SOURCES[table]}) AS found
        WHERE {_OF_CLIENT}
          AND ($2::date IS NULL OR from_day >= $2)
          AND ($3::date IS NULL OR {_LAST[table]} <= $3)
        ORDER BY {_ORDER[table]}
    """


def _harmless(text: str) -> str:
    """Return the SQL that puts a ``'`` before what a spreadsheet would calculate: = + - @, a tab, a return."""
    # All of them come before letters: most texts are told by one comparison, and this is done millions of times.
    risky = f"ascii({text}) <= 64 AND ascii({text}) = ANY ('{{61,43,45,64,9,13}}'::integer[])"
    return f"CASE WHEN {risky} THEN '''' || {text} ELSE {text} END"


def _in_csv(column: Column) -> str:
    name = column.name
    match column.kind:
        case Kind.TEXT:
            return f"{_harmless(name)} AS {name}"
        case Kind.LIST:
            joined = f"array_to_string({name}, '|')"
            return f"{_harmless(joined)} AS {name}"
        case Kind.FLAG:
            return f"CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' END AS {name}"
        case Kind.WHOLE | Kind.FRACTION | Kind.DATE | Kind.TIME | Kind.JSON:
            return name


def _as_is(column: Column) -> str:
    return column.name


class ExportStore:
    """Reads tables; each method is one statement, so what it reads belongs together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def as_csv(self, table: Table, choice: Choice, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write a table as CSV with a header; a text that a spreadsheet would calculate has a ``'`` before it."""
        await self._copy(_statement(table, choice, _in_csv, _harmless), choice, write, format="csv", header=True)

    async def as_json(self, table: Table, choice: Choice, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write a table as lines, each a JSON object."""
        rows = _statement(table, choice, _as_is, str)
        # In JSON no control character stands for itself, so nothing is quoted.
        form = {"format": "csv", "delimiter": "\x02", "quote": "\x01"}
        await self._copy(f"SELECT row_to_json(t) FROM ({rows}) AS t", choice, write, **form)

    async def rows(self, table: Table, choice: Choice) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """Yield a table in some rows at a time."""
        statement = _statement(table, choice, _as_is, str)
        async with self._database.transaction() as connection:
            cursor = await connection.cursor(statement, *_arguments(choice))
            while found := await cursor.fetch(_ROWS_AT_ONCE):
                yield [tuple(row) for row in found]

    async def about_rows(self, table: Table, choice: Choice) -> int:
        """Return how many rows the server expects a table to have."""
        statement = f"EXPLAIN (FORMAT JSON) {_statement(table, choice, _as_is, str)}"
        [plan] = json.loads(await self._database.fetchval(statement, *_arguments(choice)))
        return int(plan["Plan"]["Plan Rows"])

    async def _copy(
        self, statement: str, choice: Choice, write: Callable[[bytes], Awaitable[None]], **form: str | bool
    ) -> None:
        async with self._database.connection() as connection:
            await connection.copy_from_query(
                statement, *_arguments(choice), output=write, timeout=_LONGEST_SECONDS, **form
            )


def _arguments(choice: Choice) -> tuple[object, ...]:
    client, first, last, as_of = msgspec.structs.astuple(choice)
    return (client, first, last) if as_of is None else (client, first, last, as_of)
