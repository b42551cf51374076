"""A PostgreSQL server of a scenario's own, which asks for a password and may be killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from collector.embedded import embedded
from collector.migrate import migrate
from collector.store.pool import Database, connected, open_database
from tests.support.databases import BINDIR
from tests.support.proxy import Streams

USER = "agency"
PASSWORD = "Db-Password-7Kq2mVx9"
_MAKE_USER = f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"


async def prepare(folder: Path) -> None:
    """Make a migrated database, from which each scenario takes a copy."""
    async with embedded(folder, bindir=BINDIR) as dsn, connected(dsn) as connection:
        await connection.execute(_MAKE_USER)
        await migrate(connection)
    rules = folder / "postgres" / "cluster" / "pg_hba.conf"
    rules.write_text(f"local all {USER} scram-sha-256\n{rules.read_text()}")


class Server:
    """A running server; ``owner`` is a way in that no proxy disturbs, as another user than the daemons'."""

    def __init__(self, folder: Path, dsn: str, owner: Database) -> None:
        self.owner = owner
        self.owner_dsn = dsn
        self._folder = folder
        self._socket = f"{parse_qs(urlsplit(dsn).query)['host'][0]}/.s.PGSQL.5432"

    async def connect(self) -> Streams:
        return await asyncio.open_unix_connection(self._socket)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server, which is started again by itself if it ends."""
        text = (self._folder / "postgres" / "cluster" / "postmaster.pid").read_text()
        os.kill(int(text.split()[0]), number)

    def log(self) -> str:
        return (self._folder / "postgres" / "log").read_text(errors="replace")

    async def sessions(self) -> int:
        """Count the connections of daemons and commands."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1"
        return int(await self.owner.fetchval(sql, USER))

    async def terminate(self) -> None:
        await self.owner.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", USER)

    async def dump(self) -> str:
        """Return every row of every table as text."""
        rows = await self.owner.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                                      " AND relkind = 'r'")  # fmt: skip
        parts = []
        for row in rows:
            found = await self.owner.fetch(f'SELECT t::text AS line FROM public."{row["relname"]}" AS t')
            parts += [each["line"] for each in found]
        return "\n".join(parts)


@asynccontextmanager
async def running(prepared: Path, folder: Path) -> AsyncIterator[Server]:
    """Yield a copy of the prepared server in ``folder``."""
    copying = await asyncio.create_subprocess_exec("cp", "-a", str(prepared), str(folder))
    assert await copying.wait() == 0
    async with embedded(folder, bindir=BINDIR) as dsn, open_database(dsn) as owner:
        yield Server(folder, dsn, owner)


async def until_it_answers(server: Server) -> None:
    """Wait until a server that was killed takes statements again."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Exception):  # it may be down now
                await server.owner.fetchval("SELECT 1")
                return
            await asyncio.sleep(0.1)
