"""Reads and writes whole tables, whatever they are: with the same rows in them, two databases are the same.

Rows travel as the text of COPY, which every version of PostgreSQL reads, between plain tables and hypertables alike: a
backup is no dump of chunks, so neither the extension nor its version has to be the same.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from graphlib import TopologicalSorter
from typing import TypeAlias

import asyncpg

from collector.models.backup import Contents, Sequence, TableContents

Connection: TypeAlias = asyncpg.Connection

# What belongs to the database itself, and to the processes that use it.
_LEFT_OUT = ("schema_migration", "writer_lock", "daemon", "leader", "moved_to")
# A backup of a hundred million rows takes hours.
_LONGEST_SECONDS = 24 * 3600.0

_TABLES = """
SELECT
    c.relname AS name,
    ARRAY(
        SELECT attname::text
        FROM pg_attribute
        WHERE attrelid = c.oid
          AND attnum > 0
          AND NOT attisdropped
          AND attgenerated = ''
        ORDER BY attnum
    ) AS columns,
    ARRAY(
        SELECT DISTINCT f.confrelid::regclass::text
        FROM pg_constraint f
        WHERE f.conrelid = c.oid
          AND f.contype = 'f'
          AND f.confrelid <> c.oid
    ) AS needs
FROM pg_class c
WHERE c.relnamespace = current_schema::regnamespace
  AND c.relkind = 'r'
  AND c.relname <> ALL ($1::text[])
  AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
    )
ORDER BY c.relname
"""
_SEQUENCES = """
SELECT c.relname AS table, a.attname AS column, pg_sequence_last_value(s.name::regclass) AS last
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
CROSS JOIN LATERAL (SELECT pg_get_serial_sequence(quote_ident(c.relname), a.attname) AS name) s
WHERE c.relname = ANY ($1::text[])
  AND c.relnamespace = current_schema::regnamespace
  AND a.attidentity <> ''
ORDER BY 1, 2
"""
# Of ours: a hypertable has one of its own.
_HAS_TRIGGERS = """
SELECT EXISTS (
    SELECT
    FROM pg_trigger t
    JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = quote_ident($1)::regclass
      AND p.pronamespace = current_schema::regnamespace
)
"""
_SET_SEQUENCE = "SELECT setval(pg_get_serial_sequence(quote_ident($1), $2), $3)"
_MIGRATIONS = "SELECT name, sha256 FROM schema_migration WHERE name NOT IN ('views', 'works_since')"
_DOUBT = """
WITH doubtful AS (
    UPDATE pin
    SET state = 'unknown',
        state_since = now(),
        attempts = attempts + 1,
        next_look_at = now(),
        last_error = 'it was due after the backup was made, and may have been published since'
    WHERE state = 'queued'
      AND publish_at <= now()
    RETURNING id, attempts, last_error
),
attempted AS (
    INSERT INTO pin_attempt (pin_id, attempt, owner, started_at, ended_at, outcome, reason, detail)
    SELECT id, attempts, 'restore', $1, now(), 'unknown', 'restored', last_error
    FROM doubtful
)
SELECT count(*) FROM doubtful
"""
# The text of a row must be the same wherever it is made.
_SAME_TEXT = """
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
"""


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """See the database as it is now until the end, whatever is written meanwhile."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_SAME_TEXT)
        yield


@asynccontextmanager
async def one_writing(connection: Connection) -> AsyncIterator[None]:
    """Write all that is written until the end, or nothing."""
    async with connection.transaction():
        await connection.execute(_SAME_TEXT)
        yield


async def contents(connection: Connection, *, version: str) -> Contents:
    """Describe the database, in a snapshot; every row is read for it."""
    tables = {row["name"]: row for row in await connection.fetch(_TABLES, _LEFT_OUT)}
    order = TopologicalSorter({name: row["needs"] for name, row in tables.items()}).static_order()
    found = [await _table(connection, name, tables[name]["columns"]) for name in order]
    return Contents(
        version=version,
        taken_at=await connection.fetchval("SELECT now()"),
        migrations=dict(await connection.fetch(_MIGRATIONS)),
        tables=found,
        sequences=[Sequence(*row) for row in await connection.fetch(_SEQUENCES, list(tables))],
    )


async def layout(connection: Connection) -> set[str]:
    """Return what a backup of the database has: each ``table.column``, and ``sequence of table.column``."""
    tables = await connection.fetch(_TABLES, _LEFT_OUT)
    numbered = await connection.fetch(_SEQUENCES, [row["name"] for row in tables])
    return {f"{row['name']}.{column}" for row in tables for column in row["columns"]} | {
        f"sequence of {row['table']}.{row['column']}" for row in numbered
    }


def layout_of(found: Contents) -> set[str]:
    """Return what :func:`layout` does, of a backup."""
    return {f"{table.name}.{column}" for table in found.tables for column in table.columns} | {
        f"sequence of {each.table}.{each.column}" for each in found.sequences
    }


async def is_empty(connection: Connection) -> bool:
    """Tell whether no profile is registered, be there tables or not."""
    if not await connection.fetchval("SELECT to_regclass('profile') IS NOT NULL"):
        return True
    return not await connection.fetchval("SELECT EXISTS (SELECT FROM profile)")


async def read_table(connection: Connection, table: TableContents, write: Callable[[bytes], Awaitable[None]]) -> None:
    """Hand a table out in pieces, each some whole lines; a line is a row."""
    rows = f"SELECT {_columns(table)} FROM {_quoted(table.name)}"
    await connection.copy_from_query(rows, output=write, format="text", timeout=_LONGEST_SECONDS)


async def fill_table(connection: Connection, table: TableContents, pieces: AsyncIterable[bytes]) -> TableContents:
    """Write a table's rows as they are, without what usually follows from a row, and return what it has then."""
    copied = connection.copy_to_table(
        table.name, source=pieces, columns=table.columns, format="text", timeout=_LONGEST_SECONDS
    )
    if await connection.fetchval(_HAS_TRIGGERS, table.name):
        await connection.execute(f"ALTER TABLE {_quoted(table.name)} DISABLE TRIGGER USER")
        await copied
        await connection.execute(f"ALTER TABLE {_quoted(table.name)} ENABLE TRIGGER USER")
    else:
        await copied
    return await _table(connection, table.name, table.columns)


async def set_sequence(connection: Connection, sequence: Sequence) -> None:
    """Go on numbering where the other database did."""
    if sequence.last is not None:
        await connection.execute(_SET_SEQUENCE, sequence.table, sequence.column, sequence.last)


async def doubt_due_pins(connection: Connection, taken_at: datetime) -> int:
    """Make unknown what may have been published since a backup, so that it is looked for first; return how many."""
    return int(await connection.fetchval(_DOUBT, taken_at))


async def analyze(connection: Connection) -> None:
    """Let the planner know what is in tables that were just filled."""
    await connection.execute("ANALYZE", timeout=_LONGEST_SECONDS)


async def _table(connection: Connection, name: str, columns: list[str]) -> TableContents:
    found = TableContents(name, columns, 0, "")
    row = await connection.fetchrow(
        f"""
        SELECT count(*), coalesce(sum(('x' || left(md5(whole::text), 15))::bit(60)::bigint), 0)::text
        FROM (SELECT {_columns(found)} FROM {_quoted(name)}) AS whole
        """,
        timeout=_LONGEST_SECONDS,
    )
    return TableContents(name, columns, *row)


def _columns(table: TableContents) -> str:
    return ", ".join(map(_quoted, table.columns))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
