"""Brings a database to the schema of ``migrations``, in one transaction and safe with several starters.

Tables come from numbered files, each applied once and compared by its checksum afterwards. Views and functions come
from ``migrations/views``, which are all made anew when one of them changed, or a table did.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import msgspec
import structlog

from collector.errors import MigrationError, MigrationsPendingError
from collector.telemetry import announced_wait

log = structlog.get_logger(__name__)

_HERE = Path(__file__).parent
# Beside the package in a checkout, inside it when installed.
FOLDER = next((folder for folder in (_HERE / "migrations", _HERE.parent / "migrations") if folder.is_dir()), _HERE)
VIEWS = "views"
# The last migration of the release before: programs that know it work on the schema of this one, beside this one.
WORKS_SINCE = "0022_leader.sql"

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_REQUIRES_TIMESCALEDB = re.compile(r"\A-- requires: timescaledb$", re.MULTILINE)
_CREATED = re.compile(r"^CREATE (?:OR REPLACE )?((?:VIEW|FUNCTION) \w+)", re.MULTILINE)

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    -- Of the views: what they consist of, in the order in which it was created.
    objects    text[] NOT NULL DEFAULT '{}'
)
"""
# Only the owner of the table may. An advisory lock could be taken, and kept, by anybody who can log in.
_LOCK = "LOCK TABLE schema_migration IN SHARE ROW EXCLUSIVE MODE"

_APPLIED = "SELECT name, sha256 FROM schema_migration ORDER BY name"
_RECORD = """
INSERT INTO schema_migration (name, sha256, objects) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now(), objects = excluded.objects
"""
# A row like those of migrations, so that programs of other versions find it: ``sha256`` is `WORKS_SINCE`.
_SINCE = "works_since"
_OBJECTS = "SELECT unnest(objects) FROM schema_migration WHERE name = $1"
# Dropping a view forgets who may read it; others than Grafana's role are an operator's choice.
_GRANTS = """
SELECT
    format('VIEW %I', c.relname) AS object,
    format('GRANT %s ON %I TO %s', a.privilege_type, c.relname, coalesce(quote_ident(r.rolname), 'PUBLIC')) AS statement
FROM pg_class c
CROSS JOIN LATERAL aclexplode(c.relacl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.relnamespace = current_schema::regnamespace
  AND c.relkind = 'v'
  AND a.grantee <> c.relowner
"""

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
    """One file of tables, or all views; ``requires_timescaledb`` ones wait until the server has the extension."""

    name: str
    sql: str
    sha256: str
    requires_timescaledb: bool


class Plan(msgspec.Struct, frozen=True):
    """What a database has (``applied``), lacks (``pending``), and cannot have without TimescaleDB (``waiting``).

    ``newer`` are of a version that came after this one, on whose schema this one works; it has the views, too.
    """

    applied: tuple[str, ...]
    newer: tuple[str, ...]
    pending: tuple[Migration, ...]
    waiting: tuple[Migration, ...]


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of tables in the order in which they apply."""
    return [_read(path) for path in sorted(folder.glob("*.sql"))]


def _read(path: Path) -> Migration:
    if not _NAME.fullmatch(path.name):
        raise MigrationError(f"{path} is not named like 0001_name.sql")
    sql = path.read_text(encoding="utf-8")
    return Migration(path.name, sql, _digest(sql), requires_timescaledb=bool(_REQUIRES_TIMESCALEDB.search(sql)))


def read_views(folder: Path = FOLDER, *, timescaledb: bool) -> Migration:
    """Return the views and functions; a file in ``views/timescaledb`` takes the place of its namesake there."""
    folders = (folder / VIEWS, folder / VIEWS / "timescaledb") if timescaledb else (folder / VIEWS,)
    files = {path.name: path for each in folders for path in each.glob("*.sql")}
    sql = "\n".join(files[name].read_text(encoding="utf-8") for name in sorted(files))
    return Migration(VIEWS, sql, _digest(sql), requires_timescaledb=False)


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


async def plan(connection: asyncpg.Connection, folder: Path = FOLDER) -> Plan:
    """Compare the database with the files; changes nothing.

    Raises:
        MigrationError: an applied migration was changed, or is of a version on whose schema this one does not work.
    """
    migrations = read_migrations(folder)
    exists = await connection.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL")
    applied = {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED)} if exists else {}
    since = applied.pop(_SINCE, None)
    newer = _compare(applied, {migration.name: migration for migration in migrations}, since)
    missing = [migration for migration in migrations if migration.name not in applied]
    available = any(m.requires_timescaledb for m in missing) and await connection.fetchval(_TIMESCALEDB_AVAILABLE)
    waiting = [m for m in missing if m.requires_timescaledb and not available]
    pending = [m for m in missing if m not in waiting]
    if newer:
        return Plan(tuple(applied), newer, (), tuple(waiting))
    views = read_views(folder, timescaledb=any(m.requires_timescaledb for m in migrations if m not in waiting))
    if pending or applied.get(VIEWS) != views.sha256:
        pending.append(views)
    return Plan(tuple(applied), (), tuple(pending), tuple(waiting))


def _compare(applied: dict[str, str], migrations: dict[str, Migration], since: str | None) -> tuple[str, ...]:
    """Return the migrations that only a newer version knows."""
    newer = tuple(name for name in applied if name != VIEWS and name not in migrations)
    if newer and (since not in migrations or any(name not in applied for name in _plain(migrations))):
        raise MigrationError(
            f"the database has migration {newer[0]}, which this version of the program does not know; "
            "run the version that applied it, or a newer one"
        )
    for name, digest in applied.items():
        if name in migrations and migrations[name].sha256 != digest:
            raise MigrationError(
                f"migration {name} was changed after it was applied; restore the file and put the change into a new one"
            )
    return newer


def _plain(migrations: dict[str, Migration]) -> list[str]:
    return [name for name, migration in migrations.items() if not migration.requires_timescaledb]


async def check(connection: asyncpg.Connection) -> None:
    """Do nothing when the schema is current, or newer and fit for this program.

    Raises:
        MigrationsPendingError: it is older than this program.
        MigrationError: see :func:`plan`.
    """
    pending = (await plan(connection)).pending
    if pending:
        names = ", ".join(migration.name for migration in pending)
        raise MigrationsPendingError(
            f"the database lacks {names} of this version; run `collector migrate` (or `collector run --migrate`)"
        )


async def migrate(
    connection: asyncpg.Connection,
    *,
    folder: Path = FOLDER,
    through: str | None = None,
    on_apply: Callable[[str], None] = lambda _name: None,
) -> list[str]:
    """Apply what is pending, all or nothing, and return its names; others who start at the same time wait.

    With ``through``, tables only, as they were after that migration.

    Raises:
        MigrationError: a statement failed, this user may not, or somebody else's view depends on one of ours; see
            also :func:`plan`.
    """
    connection.add_log_listener(_warn)
    try:
        await connection.execute("SET client_min_messages = warning")
        async with connection.transaction():
            await _insist_on_public(connection)
            await _lock(connection)
            pending = (await plan(connection, folder)).pending
            if through is not None:
                pending = tuple(each for each in pending if each.name != VIEWS and each.name <= through)
            if pending:
                await _apply_all(connection, pending, on_apply)
        return [migration.name for migration in pending]
    finally:
        connection.remove_log_listener(_warn)


async def _insist_on_public(connection: asyncpg.Connection) -> None:
    # Functions look for the tables there, whatever the caller's search_path is.
    if (schema := await connection.fetchval("SELECT current_schema")) != "public":
        raise MigrationError(
            f"tables would be made in {f'schema {schema}' if schema else 'no schema'}, and have to be in public: let "
            "the search_path of this user and database begin with it (ALTER ROLE, ALTER DATABASE ... SET search_path)"
        )


async def _lock(connection: asyncpg.Connection) -> None:
    with _permitted(), announced_wait("the other migration has ended", pid=connection.get_server_pid()):
        # To another that makes the same table "if not exists" means that it is refused, once we have made it.
        with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            async with connection.transaction():
                await connection.execute(_CREATE_TABLE)
        await connection.execute(_LOCK)


@contextmanager
def _permitted() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"this user may not change the tables: {error}; use the one that owns them, or let an administrator "
            "GRANT CREATE ON SCHEMA public TO it"
        ) from error


def _warn(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
    log.warning(message.message, hint=message.hint)


async def _apply_all(
    connection: asyncpg.Connection, pending: tuple[Migration, ...], on_apply: Callable[[str], None]
) -> None:
    grants = await connection.fetch(_GRANTS)
    # Before the tables, whose columns cannot change under a view.
    await _drop_views(connection)
    for migration in pending:
        on_apply(migration.name)
        await _apply(connection, migration)
    current = {row[0] for row in await connection.fetch(_OBJECTS, VIEWS)}
    for grant in grants:
        if grant["object"] in current:
            await connection.execute(grant["statement"])
    if any(migration.name == VIEWS for migration in pending):
        await connection.execute(_RECORD, _SINCE, WORKS_SINCE, [])


async def _drop_views(connection: asyncpg.Connection) -> None:
    objects = [row[0] for row in await connection.fetch(_OBJECTS, VIEWS)]
    try:
        for name in reversed(objects):
            with announced_wait(f"it has read the {name.lower()}", pid=connection.get_server_pid()):
                await connection.execute(f"DROP {name}")
    except asyncpg.DependentObjectsStillExistError as error:
        raise MigrationError(
            f"the views cannot be replaced as long as something else is built on them: {error.detail}; "
            "drop it, migrate, and create it again"
        ) from error


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    objects = _CREATED.findall(migration.sql) if migration.name == VIEWS else []
    try:
        await connection.execute(migration.sql)
        await connection.execute(_RECORD, migration.name, migration.sha256, objects)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.name} failed, and nothing was changed: {error}") from error
