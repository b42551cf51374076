"""Reads from a standby of the database while it is well, and from the primary otherwise.

Whoever looks need not know which: a standby that is away, or so far behind that people would notice, is not read from.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar

import asyncpg
import structlog

from collector.errors import DatabaseUnavailableError
from collector.store.pool import Database

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
# The fleet page asks for what was polled within a minute before it last looked.
MOST_LAG_SECONDS = 30.0
# One that broke a statement off may be in order a moment later, and would break the same one off again: to go on
# following the primary, it ends what reads for longer than half a minute.
_REST_SECONDS = 60.0

MAY_BE_OLD: ContextVar[bool] = ContextVar("may_be_old", default=False)
"""Whether what this task reads may be some seconds old; it writes nothing then."""

# Some transaction is committed every other second, since leaders renew their leases. What is no standby may be the
# primary, or have been promoted by itself and be left behind: there nobody leads any more.
_LAG = """
SELECT CASE
    WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())
    ELSE extract(epoch FROM now() - (SELECT max(lease_until) FROM leader))
END::double precision
"""


class Standby:
    """A standby, and whether it may be read from; :meth:`look` is for a loop."""

    def __init__(self, database: Database, *, most_lag_seconds: float = MOST_LAG_SECONDS) -> None:
        self._database = database
        self._most_lag_seconds = most_lag_seconds
        self._well: bool | None = None
        self._rests_until = 0.0

    @property
    def well(self) -> bool:
        return self._well is True

    async def look(self) -> None:
        """Find out whether it answers and is not far behind."""
        try:
            lag = await self._database.fetchval(_LAG)
        except DatabaseUnavailableError as error:
            self.failed(str(error))
            return
        except asyncpg.UndefinedTableError:
            self.failed("it does not have the tables of this database")
            return
        if lag is None:
            self.failed("it has followed no transaction yet")
        elif lag > self._most_lag_seconds:
            self.failed(f"it is {lag:.0f} s behind")
        elif not self.well and time.monotonic() >= self._rests_until:
            self._well = True
            log.info("pages are read from the standby")

    def failed(self, reason: str, *, rest_seconds: float = 0.0) -> None:
        """Read from the primary for so long, and until the next look after that finds it well."""
        if self._well is not False:
            log.warning("pages are read from the primary, not from the standby", reason=reason)
        self._well = False
        self._rests_until = max(self._rests_until, time.monotonic() + rest_seconds)


class StandbyFirst(Database):
    """The primary; for tasks that `MAY_BE_OLD` marks ``reads``, which leads to the standby, while that is well."""

    def __init__(self, primary: Database, standby: Standby, reads: Database) -> None:
        super().__init__(primary.pool, primary.dsn)
        self._primary = primary
        self._standby = standby
        self._reads = reads

    @property
    def lists(self) -> Database:
        return StandbyFirst(self._primary.lists, self._standby, self._reads.lists)

    @property
    def busy(self) -> int:
        return self._primary.busy + self._reads.busy

    @property
    def idle(self) -> int:
        return self._primary.idle + self._reads.idle

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with AsyncExitStack() as stack:
            connection = None
            if MAY_BE_OLD.get() and self._standby.well:
                with suppress(DatabaseUnavailableError):
                    connection = await stack.enter_async_context(self._of_standby())
            yield connection or await stack.enter_async_context(self._primary.connection())

    @asynccontextmanager
    async def _of_standby(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._reads.connection() as connection:
                yield connection
        except DatabaseUnavailableError as error:
            self._standby.failed(str(error), rest_seconds=_REST_SECONDS)
            raise


async def reading(work: Callable[[], Awaitable[object]]) -> object:
    """Do work that only reads, and for which something a little old will do."""
    MAY_BE_OLD.set(True)
    try:
        return await work()
    finally:
        MAY_BE_OLD.set(False)
