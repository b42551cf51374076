"""A pool of connections whose outages are one error, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from collector.errors import ConfigurationError, DatabaseUnavailableError

# What an outage was seen to raise, by the moment at which it comes.
_OUTAGE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, until it is promoted
    asyncpg.InternalClientError,  # a connection that the server ended just as it was to be used
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
# For connecting, and for statements still running when the pool is closed.
_PATIENCE_SECONDS = 3.0

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # "database is not currently accepting connections"
)


@contextmanager
def translated(place: str = "the database") -> Iterator[None]:
    """Turn the driver's signs of an outage into :class:`DatabaseUnavailableError`."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError([f"COLLECTOR_DATABASE_URL: {_reason(error)}"]) from None
    except (*_OUTAGE, *_REFUSED) as error:
        if isinstance(error, ValueError):
            # The driver's word for an argument that it cannot encode: trying again would not help.
            raise
        raise DatabaseUnavailableError(f"{place} cannot be used: {_reason(error)}") from error


def _place(dsn: str) -> str:
    """Name the database of an address, without the password in it."""
    url = urlsplit(dsn)
    host = url.hostname or parse_qs(url.query).get("host", ["this machine"])[0]
    port = f":{url.port}" if url.port else ""
    return f"the database {url.path.strip('/') or 'postgres'} at {host}{port} (COLLECTOR_DATABASE_URL)"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Database:
    """Runs statements on a pool; each method is one round trip and one transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @property
    def busy(self) -> int:
        """How many connections are in use."""
        busy: int = self._pool.get_size() - self._pool.get_idle_size()
        return busy

    @property
    def idle(self) -> int:
        """How many connections are open and wait for something to do."""
        idle: int = self._pool.get_idle_size()
        return idle

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        with translated():
            rows: list[asyncpg.Record] = await self._pool.fetch(sql, *arguments)
        return rows

    async def fetchrow(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        with translated():
            return await self._pool.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: object) -> Any:  # noqa: ANN401 -- the statement decides
        with translated():
            return await self._pool.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement and return how many rows it touched; none where it is not about rows."""
        with translated():
            status: str = await self._pool.execute(sql, *arguments)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection inside a transaction: committed at the end, rolled back by an exception."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection of its own, for statements that cannot run inside a transaction."""
        with translated():
            async with self._pool.acquire() as connection:
                yield connection

    async def listen(self, channel: str, on_notification: Callable[[], None]) -> None:
        """Call ``on_notification`` now and at every NOTIFY, on a connection of its own, until that is lost.

        Raises:
            DatabaseUnavailableError: it was lost; notifications may have been missed.

        """
        lost = asyncio.Event()

        def notified(*_notification: object) -> None:
            on_notification()

        with translated():
            async with self._pool.acquire() as connection:
                connection.add_termination_listener(lambda _connection: lost.set())
                await connection.add_listener(channel, notified)
                try:
                    on_notification()
                    await lost.wait()
                finally:
                    # Asking for an UNLISTEN could fail in as many ways as connections break.
                    connection.terminate()
        raise DatabaseUnavailableError("the connection that waits for notifications was lost")

    def sizes(self) -> tuple[int, int]:
        """Return how many connections there are, and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield one connection without a limit on how long a statement takes, for migrations.

    Raises:
        DatabaseUnavailableError: the database cannot be reached or refuses us.

    """
    with translated(_place(dsn)):
        connection = await asyncpg.connect(
            dsn, timeout=_PATIENCE_SECONDS, server_settings={"application_name": "collector", "timezone": "UTC"}
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=_PATIENCE_SECONDS)


async def _leave(_connection: asyncpg.Connection) -> None:
    """Give a connection back as it is: nothing here changes a session, and the usual reset is a round trip."""


@asynccontextmanager
async def open_database(dsn: str, *, max_size: int = 8) -> AsyncIterator[Database]:
    """Connect to ``dsn``.

    Raises:
        DatabaseUnavailableError: the database cannot be reached or refuses us.

    """
    with translated(_place(dsn)):
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max_size,
            timeout=_PATIENCE_SECONDS,
            command_timeout=60.0,
            reset=_leave,
            server_settings={
                "application_name": "collector",
                "timezone": "UTC",
                "jit": "off",
                "client_min_messages": "warning",
            },
        )
    try:
        yield Database(pool)
    finally:
        await _close(pool)


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await pool.close()
    except (*_OUTAGE, TimeoutError):
        pool.terminate()
