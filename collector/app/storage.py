"""Makes what holds the data: the database, embedded or not, and the keys that encrypt profile keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from collector.config import Settings, require_secrets
from collector.crypto import KeyRing, generated_key
from collector.embedded import embedded
from collector.errors import ConfigurationError
from collector.migrate import check, migrate
from collector.store.address import place
from collector.store.contents import Connection
from collector.store.moved import moved_to
from collector.store.pool import Database, connected, open_database

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_dsn(settings: Settings, *, create: bool = False) -> AsyncIterator[str]:
    """Yield the address of the configured database, or of the embedded one, which then runs until the end.

    Raises:
        ConfigurationError: there is no embedded database, and none was to be made.

    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with embedded(settings.data_dir, bindir=settings.pg_bindir, create=create) as dsn:
        yield dsn


def where(settings: Settings) -> str:
    """Name the place of the data, without a password."""
    if settings.database_url is not None:
        return place(settings.database_url.get_secret_value())
    return f"the embedded database in {settings.data_dir.absolute()} (COLLECTOR_DATA_DIR)"


@asynccontextmanager
async def open_storage(
    settings: Settings, *, create: bool = False, apply_migrations: bool = False
) -> AsyncIterator[Database]:
    """Yield a database with a current schema; the embedded one is always brought up to date, and made for ``create``.

    Raises:
        ConfigurationError: there is no embedded database, and none was to be made; or it was moved.
        MigrationsPendingError: the schema is older, and nobody said to change it.
        DatabaseUnavailableError: the database cannot be reached.
    """
    async with open_dsn(settings, create=create) as dsn:
        async with connected(dsn) as connection:
            await _insist_on_current_schema(settings, connection, apply=apply_migrations)
            await _insist_on_not_moved(connection)
        async with open_database(dsn) as database:
            yield database


@asynccontextmanager
async def open_connection(settings: Settings) -> AsyncIterator[Connection]:
    """Yield one connection to a database with a current schema, be it moved or not, without a limit of time.

    Raises:
        CollectorError: see :func:`open_storage`.
    """
    async with open_dsn(settings) as dsn, connected(dsn) as connection:
        await _insist_on_current_schema(settings, connection)
        yield connection


async def _insist_on_current_schema(settings: Settings, connection: Connection, *, apply: bool = False) -> None:
    if apply or settings.database_url is None:
        await migrate(connection, on_apply=lambda name: log.info("applying migration", name=name))
    else:
        await check(connection)


async def _insist_on_not_moved(connection: Connection) -> None:
    if (moved := await moved_to(connection)) is not None:
        begun = f"this database was moved to {moved.place} on {moved.moved_at:%Y-%m-%d}, or a move began then"
        how = "set COLLECTOR_DATABASE_URL to it, move again, or go back with `collector move --undo`"
        raise ConfigurationError([f"{begun}; {how}"])


def key_ring(settings: Settings) -> KeyRing:
    """Return what encrypts the profile keys: the configured keys, or the one that belongs to the embedded database."""
    require_secrets(settings, api_key=False)
    return KeyRing(settings.encryption_keys or [generated_key(settings.data_dir)])
