"""What the program costs before it works: ``--help``, a start until it is ready, and the memory of a daemon at rest."""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from bench.support import API_KEY, ENCRYPTION_KEY, bench_dsn, emulator_process, identities, register
from collector.store.pool import Database, open_database

HELPS = 10
STARTS = 5
DAYS = 30
PORT = 19471
URL = f"http://127.0.0.1:{PORT}"
PROGRAM = str(Path(sys.executable).with_name("collector"))


async def main(sizes: list[int]) -> None:
    async with asyncio.timeout(1200):
        helps = [await help_milliseconds() for _ in range(HELPS)]
        print(f"collector --help            {statistics.median(helps):6.0f} ms, median of {HELPS}")
        with tempfile.TemporaryDirectory(prefix="collector-bench-") as folder:
            embedded = {"COLLECTOR_DATA_DIR": folder, "COLLECTOR_ROLES": "poller,publisher,exporter,detector"}
            starts = [await ready_seconds(embedded) for _ in range(1 + STARTS)]
        print(f"run until ready             {statistics.median(starts[1:]):6.2f} s, median of {STARTS}")
        print(f"  with making the database  {starts[0]:6.2f} s")
        for profiles in sizes:
            await rest(profiles)


async def help_milliseconds() -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(PROGRAM, "--help", stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return 1000 * (time.perf_counter() - started)


async def ready_seconds(variables: dict[str, str]) -> float:
    """Return the time from the start of the process to the first answer of /readyz that says so."""
    started = time.perf_counter()
    async with daemon(variables), aiohttp.ClientSession() as session:
        while not await ready(session):
            await asyncio.sleep(0.01)
        return time.perf_counter() - started


async def ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get(f"{URL}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def rest(profiles: int) -> None:
    async with (
        emulator_process(profiles=profiles, days=DAYS) as url,
        bench_dsn() as dsn,
        open_database(dsn) as database,
    ):
        await register(database, identities(profiles))
        variables = {"COLLECTOR_DATABASE_URL": dsn, "COLLECTOR_AYRSHARE_URL": url}
        async with daemon(variables) as process:
            await worked(database, profiles)
            held = {name: memory(process.pid, name) for name in ("Rss", "Pss", "Anonymous")}
            peak = most_memory(process.pid)
        told = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in held.items())
        print(f"every role at rest, {profiles:,} profiles: {told}; Rss was {peak:.0f} MiB at most")


async def worked(database: Database, profiles: int) -> None:
    """Wait until everything was polled, judged and put on the page, and a little more."""
    unread = "SELECT count(*) FROM profile WHERE last_success_at IS NULL"
    judged = "SELECT count(DISTINCT profile_id) FROM drop_verdict"
    while await database.fetchval(unread) or await database.fetchval(judged) < profiles - 1:
        await asyncio.sleep(0.5)
    async with aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.get(f"{URL}/metrics/profiles") as response:
                await response.read()
            await asyncio.sleep(5.0)


@asynccontextmanager
async def daemon(variables: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "COLLECTOR_AYRSHARE_URL": "http://127.0.0.1:9",
        "COLLECTOR_AYRSHARE_API_KEY": API_KEY.get_secret_value(),
        "COLLECTOR_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "COLLECTOR_HTTP_PORT": str(PORT),
        "COLLECTOR_MAX_REQUESTS_PER_SECOND": "10000",
        "COLLECTOR_LOG_LEVEL": "error",
    }
    if bindir := os.environ.get("COLLECTOR_PG_BINDIR"):
        environment["COLLECTOR_PG_BINDIR"] = bindir
    process = await asyncio.create_subprocess_exec(PROGRAM, "run", env=environment | variables)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def memory(pid: int, name: str) -> float:
    """Return MiB: ``Rss`` is all, ``Pss`` counts shared pages by their share, ``Anonymous`` leaves files out."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def most_memory(pid: int) -> float:
    """Return the most MiB that a process ever had resident."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, nargs="+", default=[1_000, 10_000], help="sizes of the fleet at rest")
    uvloop.run(main(parser.parse_args().profiles))
