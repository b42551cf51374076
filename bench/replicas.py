"""How polls a second grow with replicas: 1, 2 and 4 pollers of four calls at once, whose answers take 200 ms.

So the pollers, and neither the machine nor the database, are the limit: each can make 20 polls a second. Every profile
is due from the start. Polls are counted between two moments, by the log of polls.
"""

import argparse
import asyncio
import os
from contextlib import AsyncExitStack

import aiohttp
import uvloop

from bench.startup import daemon
from bench.support import bench_dsn, describe, emulator_process, identities, register
from collector.store.pool import Database, open_database

ANSWER_SECONDS = 0.2
CONCURRENCY = 4
DAYS = 30
_WARM_UP_SECONDS = 8.0
_RATE = CONCURRENCY / ANSWER_SECONDS
# Nobody is asked for the account's name, which would be a second call.
_ALL_DUE = """
UPDATE profile
SET next_poll_at = now() - interval '1 minute', lease_owner = NULL, lease_until = NULL, account_name_asked_at = now()
"""
_POLLS = "SELECT count(*) FROM poll_log"
_TWICE = "SELECT count(*) - count(DISTINCT profile_id) FROM poll_log"


async def slow_down(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        fault = {"fault": "latency", "seconds": ANSWER_SECONDS}
        async with session.post(f"{url}/_emulator/faults", json=fault) as response:
            response.raise_for_status()


async def polls_a_second(database: Database, dsn: str, url: str, replicas: int, seconds: float) -> float:
    """Let so many processes poll, and return how many polls a second they made together; no profile is polled twice."""
    await database.fetch("TRUNCATE poll_log")
    await database.execute(_ALL_DUE)
    variables = {
        "COLLECTOR_DATABASE_URL": dsn,
        "COLLECTOR_AYRSHARE_URL": url,
        "COLLECTOR_ROLES": "poller",
        "COLLECTOR_HTTP_PORT": "0",
        "COLLECTOR_POLL_CONCURRENCY": str(CONCURRENCY),
    }
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as resources:
        for _ in range(replicas):
            await resources.enter_async_context(daemon(variables))
        while await database.fetchval(_POLLS) < replicas * _RATE:
            await asyncio.sleep(0.2)
        await asyncio.sleep(_WARM_UP_SECONDS)
        began, before = loop.time(), await database.fetchval(_POLLS)
        await asyncio.sleep(seconds)
        rate = (await database.fetchval(_POLLS) - before) / (loop.time() - began)
    assert await database.fetchval(_TWICE) == 0, "a profile was polled twice"
    return float(rate)


async def main(counts: list[int], seconds: float) -> None:
    profiles = int(max(counts) * _RATE * (2 * _WARM_UP_SECONDS + seconds + 5.0))
    async with (
        emulator_process(profiles=profiles, days=DAYS) as url,
        bench_dsn() as dsn,
        open_database(dsn) as database,
    ):
        await describe(database)
        await register(database, identities(profiles))
        await slow_down(url)
        rates = [await polls_a_second(database, dsn, url, count, seconds) for count in counts]
    print(
        f"{profiles:,} profiles due, {CONCURRENCY} calls at once a process, answers of {1000 * ANSWER_SECONDS:.0f} ms"
    )
    print("| replicas | polls a second | times one |\n|---:|---:|---:|")
    for count, rate in zip(counts, rates, strict=True):
        print(f"| {count} | {rate:.1f} | {rate / rates[0]:.2f} |")
    print(f"load of the last minute, all programs of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    uvloop.run(main(options.replicas, options.seconds))
