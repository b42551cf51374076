"""The daemon or its database is killed: nothing is lost, and work continues by itself."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from collector.embedded import embedded
from collector.migrate import migrate
from collector.store.pool import connected, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.databases import BINDIR
from tests.support.profiles import ENCRYPTION_KEY, register

DEADLINE = 45.0


@asynccontextmanager
async def daemon(dsn: str, ayrshare: Ayrshare, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "COLLECTOR_DATABASE_URL": dsn,
        "COLLECTOR_AYRSHARE_URL": ayrshare.url,
        "COLLECTOR_AYRSHARE_API_KEY": ayrshare.config.api_key,
        "COLLECTOR_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "COLLECTOR_HTTP_PORT": "0",
        "COLLECTOR_REQUEST_TIMEOUT": "1",
        "COLLECTOR_LEASE_TIME": "2",
        "COLLECTOR_POLL_CONCURRENCY": "4",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", "run", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_stored(dsn: str, days: int) -> None:
    """Wait until so many days are in the table, whatever happens to the database meanwhile."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with suppress(Exception):  # it may be down now
                async with connected(dsn) as connection:
                    if await connection.fetchval("SELECT count(*) FROM daily_metric") >= days:
                        return
            await asyncio.sleep(0.05)


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[str]:
    """A server that the test may kill."""
    async with embedded(tmp_path / "own", bindir=BINDIR) as dsn:
        async with connected(dsn) as connection:
            await migrate(connection)
        yield dsn


async def test_a_killed_daemon_loses_nothing_and_the_next_one_carries_on(own_server: str, ayrshare: Ayrshare) -> None:
    async with open_database(own_server) as database:
        await register(database, ayrshare, 50)
    await ayrshare.fault("*", "latency", seconds=0.2)
    async with daemon(own_server, ayrshare) as first:
        await until_stored(own_server, 10 * 30)
        first.kill()
        assert await first.wait() == -signal.SIGKILL
    async with connected(own_server) as connection:
        stored = await connection.fetchval("SELECT count(*) FROM daily_metric")
        assert stored % 30 == 0, "a profile is stored whole or not at all"
        assert stored < 50 * 30, "it must have been killed in the middle"
        assert await connection.fetchval("SELECT count(*) FROM profile WHERE lease_until IS NOT NULL") > 0
    async with daemon(own_server, ayrshare) as second:
        await until_stored(own_server, 50 * 30)
        second.terminate()
        assert await second.wait() == 0
    async with connected(own_server) as connection:
        polls = await connection.fetchval(
            "SELECT max(polls) FROM (SELECT count(*) AS polls FROM poll_log GROUP BY profile_id) p"
        )
        assert polls == 1, "a stored read is not repeated"


async def test_a_killed_database_comes_back_and_no_poll_is_lost(own_server: str, ayrshare: Ayrshare) -> None:
    async with open_database(own_server) as database:
        await register(database, ayrshare, 50)
        postmaster = await database.fetchval("SELECT pg_read_file('postmaster.pid')")
    await ayrshare.fault("*", "latency", seconds=0.2)
    async with daemon(own_server, ayrshare) as running:
        await until_stored(own_server, 10 * 30)
        os.kill(int(postmaster.split()[0]), signal.SIGKILL)
        await until_stored(own_server, 50 * 30)
        assert running.returncode is None
        running.terminate()
        async with asyncio.timeout(5.0):
            assert await running.wait() == 0
    async with connected(own_server) as connection:
        assert await connection.fetchval("SELECT count(*) FROM profile WHERE last_success_at IS NOT NULL") == 50
        versions = await connection.fetchval("SELECT count(*) FROM daily_metric_version")
        assert versions == 50 * 30, "nothing was stored twice"
