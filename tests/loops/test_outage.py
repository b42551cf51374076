"""What an outage of the database writes into the log, and what readiness says of it meanwhile."""

import asyncio
from collections.abc import Callable, MutableMapping
from pathlib import Path
from signal import SIGTERM
from typing import Any, cast

from structlog.testing import capture_logs

from collector.loops.every import Heartbeats, every
from collector.store.pool import Database, open_database
from collector.web.health import Health
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY
from tests.support.program import PATIENCE_SECONDS, Program

_LOOPS = ("one", "two", "three")


def name_of(dsn: str) -> str:
    return dsn.partition("?")[0].rpartition("/")[2]


async def shut(server: Database, dsn: str) -> None:
    await server.execute(f"ALTER DATABASE {name_of(dsn)} ALLOW_CONNECTIONS false")
    await server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name_of(dsn))


async def open_again(server: Database, dsn: str) -> None:
    await server.execute(f"ALTER DATABASE {name_of(dsn)} ALLOW_CONNECTIONS true")


def events(logs: list[MutableMapping[str, Any]], beginning: str) -> list[MutableMapping[str, Any]]:
    return [each for each in logs if each["event"].startswith(beginning)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(empty_dsn: str, server_dsn: str) -> None:
    heartbeats = Heartbeats()
    with capture_logs() as logs:
        async with open_database(server_dsn) as server, open_database(empty_dsn) as database:
            work = [every(0.05, name, lambda: database.fetchval("SELECT 1"), heartbeats) for name in _LOOPS]
            tasks = [asyncio.create_task(each) for each in work]
            await shut(server, empty_dsn)
            await until(lambda: len(heartbeats.outage._waiting) == len(_LOOPS))
            await open_again(server, empty_dsn)
            await until(lambda: bool(events(logs, "up: ")))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    [down], [up] = events(logs, "down: "), events(logs, "up: ")
    assert "is not currently accepting connections" in down["reason"] or "terminat" in down["reason"]
    assert up["seconds"] > 0
    assert len(logs) == 2


async def test_the_log_of_a_daemon_has_no_traceback_of_an_outage(
    empty_dsn: str, server_dsn: str, ayrshare: Ayrshare, tmp_path: Path
) -> None:
    collector = Program(
        tmp_path, DATABASE_URL=empty_dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY, AYRSHARE_URL=ayrshare.url,
        AYRSHARE_API_KEY=ayrshare.config.api_key, HTTP_PORT="0",
    )  # fmt: skip
    lines: list[str] = []
    async with open_database(server_dsn) as server, collector.started("run", "--migrate") as daemon:
        log = cast("asyncio.StreamReader", daemon.stderr)

        async def line(beginning: str) -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not lines or beginning not in lines[-1]:
                    lines.append((await log.readline()).decode())

        await line("running")
        await shut(server, empty_dsn)
        await line("down: the database cannot be used")
        await open_again(server, empty_dsn)
        await line("up: the database works again")
        daemon.send_signal(SIGTERM)
        await line("stopped")
    text = "".join(lines)
    assert "Traceback" not in text
    assert "asyncpg" not in text
    assert text.count("down: ") == text.count("up: ") == 1


async def test_a_database_that_is_read_only_is_named_at_once(dsn: str) -> None:
    async with open_database(f"{dsn}&default_transaction_read_only=on") as database:
        [problem] = await Health(database, Heartbeats(), hold=lambda: None).problems()
    assert problem == "the database is read-only: it is a standby, or default_transaction_read_only is on"


async def test_a_full_disk_is_named_as_soon_as_a_loop_meets_it(database: Database) -> None:
    heartbeats = Heartbeats()
    full = 'could not extend file "base/5/16411": No space left on device'

    async def write() -> None:
        await database.execute(f"DO $$ BEGIN RAISE EXCEPTION '{full}' USING ERRCODE = '53100'; END $$")

    task = asyncio.create_task(every(60.0, "presence", write, heartbeats))
    health = Health(database, heartbeats, hold=lambda: None)
    await until(lambda: heartbeats.outage.problem is not None)
    [problem] = await health.problems()
    task.cancel()
    assert problem.startswith(f"the database cannot be used: {full}; since 20")
