"""Tells whether this process can do its work, and if not, what is wrong."""

import asyncio
from collections.abc import Callable

from collector.errors import CollectorError, DatabaseUnavailableError
from collector.loops.every import Heartbeats
from collector.migrate import check
from collector.store.clock import clock_offset, clock_problem, machine_time
from collector.store.pool import Database

_PATIENCE_SECONDS = 2.0
_READ_ONLY = "the database is read-only: it is a standby, or default_transaction_read_only is on"


class Health:
    """Asks the database, its schema and clock, the loops, and ``hold`` whether and why calls to Ayrshare are held."""

    def __init__(self, database: Database, heartbeats: Heartbeats, *, hold: Callable[[], str | None]) -> None:
        self._database = database
        self._heartbeats = heartbeats
        self._hold = hold

    async def problems(self) -> list[str]:
        """Return what keeps this process from its work, for the operator; an empty list is readiness."""
        problems = await self._database_problems()
        problems += [
            f"the loop {name!r} has not done its work for {seconds:.0f} s"
            for name, seconds in sorted(self._heartbeats.late().items())
        ]
        if (hold := self._hold()) is not None:
            problems.append(hold)
        return problems

    async def _database_problems(self) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.connection() as connection:
                await check(connection)
                read_only = await connection.fetchval("SELECT current_setting('transaction_read_only')::boolean")
                offset = await connection.fetchval(f"SELECT {clock_offset(1)}", machine_time())
        except TimeoutError:
            return [f"the database does not answer within {_PATIENCE_SECONDS:g} s"]
        except DatabaseUnavailableError as error:
            return [str(error)]
        except CollectorError as error:
            return [f"the schema: {error}"]
        # Writing may be impossible where reading is not: no room on the disk, say.
        writing = _READ_ONLY if read_only else self._heartbeats.outage.problem
        return [problem for problem in (writing, clock_problem(offset)) if problem is not None]
