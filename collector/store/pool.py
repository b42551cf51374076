"""Runs statements on a pool of connections."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from collector.errors import DatabaseUnavailableError, DataRefusedError
from collector.store.address import explained, for_driver, place, pooled, tls
from collector.store.translation import reason_of, translated

# For connecting, and for statements still running when the pool is closed.
_PATIENCE_SECONDS = 3.0
_STATEMENT_SECONDS = 60.0
_PAGES_SIZE = 4
_LISTS_SIZE = 3
# For the server to confirm that a statement was cancelled, or a transaction rolled back.
_CANCEL_SECONDS = 1.0
# A connection that was not used for so long may be lost, and is if it says nothing for so long.
_IDLE_SECONDS = 10.0
_SILENT_SECONDS = 2.0
# A connection on which nothing is said is tried this often: when a router forgets it, neither end is told.
_LISTENING_SECONDS = 60.0
# What every session has, and a pooler too passes on.
_SESSION = {"application_name": "collector", "timezone": "UTC"}
# The server's side of that: without them it keeps the locks of whoever was lost for two hours.
_SERVER_GIVES_UP = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Encodes COPY as it encodes arguments: what cannot be encoded is refused data, not whatever the codec raised.

    One that is lost is closed without an error: nobody waits for the answer of those that the pool replaces.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 -- asyncpg's own
        super().__init__(*arguments, **options)
        self.used()

    def used(self) -> None:
        self._used_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        return time.monotonic() - self._used_at

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- asyncpg's own
        with suppress(TimeoutError):
            await super().close(timeout=_CANCEL_SECONDS if timeout is None else timeout)

    async def copy_records_to_table(self, *arguments: Any, **options: Any) -> str:  # noqa: ANN401 -- asyncpg's own
        try:
            status: str = await super().copy_records_to_table(*arguments, **options)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataRefusedError(reason_of(error)) from error
        return status


class Database:
    """Runs statements on a pool; each method is one round trip and one transaction."""

    def __init__(self, pool: asyncpg.Pool, dsn: str, lists: "Database | None" = None, *, standby: bool = False) -> None:
        self.pool = pool
        self.dsn = dsn
        self._lists = lists
        self._noted = not standby

    @asynccontextmanager
    async def beside(self) -> AsyncIterator["Database"]:
        """Yield other pools to the same database, for whoever reads pages: nobody else waits for their connections."""
        async with open_for_pages(self.dsn) as opened:
            yield opened

    @property
    def lists(self) -> "Database":
        """The same database for statements with filters that are seldom all set: on pages, they are planned each time.

        The plan that is kept would be for all filters, and read everything. To plan a statement that finds rows by
        their key takes longer than to run it.
        """
        return self._lists or self

    @property
    def busy(self) -> int:
        """How many connections are in use."""
        busy: int = self.pool.get_size() - self.pool.get_idle_size()
        return busy + (self._lists.busy if self._lists is not None else 0)

    @property
    def idle(self) -> int:
        """How many connections are open and wait for something to do."""
        idle: int = self.pool.get_idle_size()
        return idle + (self._lists.idle if self._lists is not None else 0)

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows

    async def fetchrow(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *arguments)

    async def fetchval(self, sql: str, *arguments: object) -> Any:  # noqa: ANN401 -- the statement decides
        async with self.connection() as connection:
            return await connection.fetchval(sql, *arguments)

    async def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement and return how many rows it touched; none where it is not about rows."""
        async with self.connection() as connection:
            status: str = await connection.execute(sql, *arguments)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection inside a transaction: committed at the end, rolled back by an exception."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                await _roll_back(connection, transaction)
                raise
            await transaction.commit()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection of its own, for statements that cannot run inside a transaction."""
        with translated(connecting=True, noted=self._noted):
            connection = await self._acquire()
        with translated(noted=self._noted):
            try:
                yield connection
            except TimeoutError:
                await self._suspect_all()
                raise
            finally:
                await self._release(connection)

    async def _acquire(self) -> asyncpg.Connection:
        """Return a connection; one that was idle is tried: if it is lost, a statement waits for all of its time."""
        connection = await self.pool.acquire()
        if connection.idle_seconds < _IDLE_SECONDS:
            return connection
        try:
            await connection.execute("SELECT 1", timeout=_SILENT_SECONDS)
        except TimeoutError:
            await self._suspect_all()
            await self._release(connection)
            return await self.pool.acquire()
        except BaseException:
            await self._release(connection)
            raise
        return connection

    async def _release(self, connection: asyncpg.Connection) -> None:
        # One that does not confirm is cut off; that is no error beside the cancellation.
        try:
            await self.pool.release(connection, timeout=_CANCEL_SECONDS)
        except TimeoutError:
            await self._suspect_all()

    async def _suspect_all(self) -> None:
        """Use no present connection again: if others are lost too, each would cost a statement all of its time."""
        await self.pool.expire_connections()

    async def listen(self, channel: str, on_notification: Callable[[], None]) -> None:
        """Call ``on_notification`` now and at every NOTIFY, on a connection of its own, until that is lost.

        A pooler keeps notifications for itself: through one, it is called now, and never again.

        Raises:
            DatabaseUnavailableError: it was lost; notifications may have been missed.
        """
        lost = asyncio.Event()
        if pooled(self.dsn):
            on_notification()
            await lost.wait()

        def notified(*_notification: object) -> None:
            on_notification()

        async with self.connection() as connection:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(channel, notified)
            try:
                on_notification()
                while not lost.is_set():
                    try:
                        async with asyncio.timeout(_LISTENING_SECONDS):
                            await lost.wait()
                    except TimeoutError:
                        await connection.execute("SELECT 1")
            finally:
                # Asking for an UNLISTEN could fail in as many ways as connections break.
                connection.terminate()
        raise DatabaseUnavailableError("the connection that waits for notifications was lost")


async def _roll_back(connection: asyncpg.Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """End a transaction that failed, or its connection where that is not possible: the driver would wait for ever."""
    try:
        async with asyncio.timeout(_CANCEL_SECONDS):
            await transaction.rollback()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()


@asynccontextmanager
async def connected(dsn: str, named: str = "COLLECTOR_DATABASE_URL") -> AsyncIterator[asyncpg.Connection]:
    """Yield one connection without a limit on how long a statement takes, for migrations.

    ``named`` is what holds the address.

    Raises:
        DatabaseUnavailableError: the database cannot be reached or refuses us.
    """
    with translated(place(dsn, named), connecting=True), explained(dsn):
        connection = await asyncpg.connect(
            for_driver(dsn),
            timeout=_PATIENCE_SECONDS,
            server_settings=_SESSION,
            **_statements(dsn),
            **tls(dsn),
        )
    with translated(place(dsn, named)):
        try:
            yield connection
        finally:
            await connection.close(timeout=_PATIENCE_SECONDS)


async def _leave(connection: asyncpg.Connection) -> None:
    """Give a connection back as it is: nothing here changes a session, and the usual reset is a round trip."""
    connection.used()


@asynccontextmanager
async def open_database(
    dsn: str,
    *,
    max_size: int = 8,
    statement_seconds: float = _STATEMENT_SECONDS,
    plan_each_time: bool = False,
    lists: Database | None = None,
    standby: bool = False,
) -> AsyncIterator[Database]:
    """Connect to ``dsn``, to a ``standby`` when there is something to ask; a statement may take so many seconds.

    ``plan_each_time`` keeps no plan, which is what ``lists`` are for, other connections to the same database.

    Raises:
        DatabaseUnavailableError: the database cannot be reached or refuses us.
    """
    with translated(place(dsn), connecting=True, noted=not standby), explained(dsn):
        pool = await asyncpg.create_pool(
            for_driver(dsn),
            connection_class=_Connection,
            min_size=int(not standby),
            max_size=max_size,
            timeout=_PATIENCE_SECONDS,
            command_timeout=statement_seconds,
            reset=_leave,
            server_settings=_settings(dsn, plan_each_time=plan_each_time),
            **_statements(dsn),
            **tls(dsn),
        )
    try:
        yield Database(pool, dsn, lists, standby=standby)
    finally:
        await _close(pool)


@asynccontextmanager
async def open_for_pages(dsn: str, *, standby: bool = False) -> AsyncIterator[Database]:
    """Connect to ``dsn`` for whoever reads pages. Raises ``DatabaseUnavailableError``, but not for a ``standby``."""
    async with (
        open_database(dsn, max_size=_LISTS_SIZE, plan_each_time=True, standby=standby) as lists,
        open_database(dsn, max_size=_PAGES_SIZE, lists=lists, standby=standby) as opened,
    ):
        yield opened


def _settings(dsn: str, *, plan_each_time: bool) -> dict[str, str]:
    """Return the settings of a session. A pooler's sessions are its own: it has them of its ``connect_query``."""
    if pooled(dsn):
        return _SESSION
    return {
        **_SESSION,
        "jit": "off",
        "client_min_messages": "warning",
        "plan_cache_mode": "force_custom_plan" if plan_each_time else "auto",
        **_SERVER_GIVES_UP,
    }


def _statements(dsn: str) -> dict[str, int]:
    """Keep no prepared statement where the next transaction may run in another session."""
    return {"statement_cache_size": 0} if pooled(dsn) else {}


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await pool.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        pool.terminate()
