"""Applies ``migrations/*.sql``: forward only, checksummed, each in one transaction, safe with several starters."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import structlog

from collector.errors import MigrationError, MigrationsPendingError

log = structlog.get_logger(__name__)

_HERE = Path(__file__).parent
# Beside the package in a checkout, inside it when installed.
FOLDER = next((folder for folder in (_HERE / "migrations", _HERE.parent / "migrations") if folder.is_dir()), _HERE)

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_REQUIRES_TIMESCALEDB = re.compile(r"\A-- requires: timescaledb$", re.MULTILINE)

# Any number will do as long as nothing else in the database uses it.
_LOCK_KEY = 0x70696E74

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

_APPLIED = "SELECT name, sha256 FROM schema_migration ORDER BY name"

# Creating the extension in a server that has not preloaded it ends the connection, so being on disk is not enough.
_TIMESCALEDB_AVAILABLE = """
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
    OR (
        EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND EXISTS (
            SELECT FROM pg_settings
            WHERE name = 'shared_preload_libraries'
              AND setting LIKE '%timescaledb%'
        )
    )
"""


class Migration(msgspec.Struct, frozen=True):
    """One file; ``requires_timescaledb`` ones wait until the server has the extension."""

    name: str
    sql: str
    sha256: str
    requires_timescaledb: bool


class Plan(msgspec.Struct, frozen=True):
    """What a database has (``applied``), lacks (``pending``), and cannot have without TimescaleDB (``waiting``)."""

    applied: tuple[str, ...]
    pending: tuple[Migration, ...]
    waiting: tuple[Migration, ...]


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of ``folder`` in the order in which they apply."""
    return [_read(path) for path in sorted(folder.glob("*.sql"))]


def _read(path: Path) -> Migration:
    if not _NAME.fullmatch(path.name):
        raise MigrationError(f"{path} is not named like 0001_name.sql")
    sql = path.read_text(encoding="utf-8")
    digest = hashlib.sha256(sql.encode()).hexdigest()
    return Migration(path.name, sql, digest, requires_timescaledb=bool(_REQUIRES_TIMESCALEDB.search(sql)))


async def plan(connection: asyncpg.Connection, migrations: list[Migration] | None = None) -> Plan:
    """Compare the database with the files; changes nothing.

    Raises:
        MigrationError: an applied migration was changed, or its file is missing.

    """
    migrations = read_migrations() if migrations is None else migrations
    exists = await connection.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL")
    applied = {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED)} if exists else {}
    _compare(applied, {migration.name: migration for migration in migrations})
    missing = [migration for migration in migrations if migration.name not in applied]
    timescaledb = any(m.requires_timescaledb for m in missing) and await connection.fetchval(_TIMESCALEDB_AVAILABLE)
    return Plan(
        applied=tuple(applied),
        pending=tuple(m for m in missing if timescaledb or not m.requires_timescaledb),
        waiting=tuple(m for m in missing if m.requires_timescaledb and not timescaledb),
    )


def _compare(applied: dict[str, str], migrations: dict[str, Migration]) -> None:
    for name, digest in applied.items():
        if name not in migrations:
            raise MigrationError(
                f"the database has migration {name}, which this version of the program does not know; "
                "run the version that applied it, or a newer one"
            )
        if migrations[name].sha256 != digest:
            raise MigrationError(
                f"migration {name} was changed after it was applied; restore the file and put the change into a new one"
            )


async def check(connection: asyncpg.Connection) -> None:
    """Do nothing when the schema is current.

    Raises:
        MigrationsPendingError: it is older than this program.
        MigrationError: see :func:`plan`.

    """
    pending = (await plan(connection)).pending
    if pending:
        names = ", ".join(migration.name for migration in pending)
        raise MigrationsPendingError(
            f"the database lacks {names}; run `collector migrate` (or `collector run --migrate`)"
        )


async def migrate(
    connection: asyncpg.Connection,
    *,
    migrations: list[Migration] | None = None,
    on_apply: Callable[[str], None] = lambda _name: None,
) -> list[str]:
    """Apply what is pending, in order, and return its names; others who start at the same time wait."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    connection.add_log_listener(_warn)
    try:
        await connection.execute("SET client_min_messages = warning")
        await connection.execute(_CREATE_TABLE)
        pending = (await plan(connection, migrations)).pending
        for migration in pending:
            on_apply(migration.name)
            await _apply(connection, migration)
        return [migration.name for migration in pending]
    finally:
        connection.remove_log_listener(_warn)
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


def _warn(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
    log.warning(message.message, hint=message.hint)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.name} failed, and nothing of it was kept: {error}") from error
