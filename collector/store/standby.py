"""Reads from a standby of the database while it is well, and from the primary otherwise.

Whoever looks need not know which: a standby that is away, or so far behind that people would notice, is not read from.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar

import asyncpg
import structlog

from collector.errors import DatabaseUnavailableError
from collector.store.pool import Database

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
# The fleet page asks for what was polled within a minute before it last looked.
MOST_LAG_SECONDS = 30.0

MAY_BE_OLD: ContextVar[bool] = ContextVar("may_be_old", default=False)
"""Whether what this task reads may be some seconds old; it writes nothing then."""

# Some transaction is committed every other second, since leaders renew their leases.
_LAG = """
SELECT CASE
    WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())
    ELSE 0
END::double precision
"""


class Standby:
    """A standby, and whether it may be read from; :meth:`look` is for a loop."""

    def __init__(self, database: Database, *, most_lag_seconds: float = MOST_LAG_SECONDS) -> None:
        self._database = database
        self._most_lag_seconds = most_lag_seconds
        self._well: bool | None = None

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
        if lag is None:
            self.failed("it has followed no transaction yet")
        elif lag > self._most_lag_seconds:
            self.failed(f"it is {lag:.0f} s behind")
        elif not self.well:
            self._well = True
            log.info("pages are read from the standby")

    def failed(self, reason: str) -> None:
        """Read from the primary until the next look finds it well."""
        if self._well is not False:
            log.warning("pages are read from the primary, not from the standby", reason=reason)
        self._well = False


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
            database = self._reads if MAY_BE_OLD.get() and self._standby.well else self._primary
            try:
                connection = await stack.enter_async_context(database.connection())
            except DatabaseUnavailableError as error:
                if database is self._primary:
                    raise
                self._standby.failed(str(error))
                connection = await stack.enter_async_context(self._primary.connection())
            yield connection


async def reading(work: Callable[[], Awaitable[object]]) -> object:
    """Do work that only reads, and for which something a little old will do."""
    MAY_BE_OLD.set(True)
    try:
        return await work()
    finally:
        MAY_BE_OLD.set(False)
