"""Measures polls per second, end to end, beside a bare client that only posts and reads the same answers.

Both read the same emulator, which runs in a process of its own and has its answers ready; rounds alternate, and the
result is the median of their ratios. ``fresh`` stores every day for the first time, ``unchanged`` finds all of them
stored already. The database is the embedded one (COLLECTOR_PG_BINDIR chooses the server).
"""

import argparse
import statistics
import time
from collections.abc import Sequence

import uvloop

from bench.bare import bare
from bench.support import API_KEY, KEYS, bench_database, empty, emulator_process, identities, register
from collector.ayrshare.client import open_client
from collector.loops.gate import Gate
from collector.memory import collect_seldom
from collector.poll.decision import Policy
from collector.poll.poller import Poller
from collector.poll.reader import Reader
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database

_DAYS = "SELECT count(*) FROM daily_metric"
_IDS = "SELECT id FROM profile ORDER BY id"


async def polled(url: str, database: Database, concurrency: int, ids: Sequence[int] = ()) -> float:
    """Return polls per second of one pass over these profiles, or all: claim, read, parse, store, bookkeeping."""
    collect_seldom()  # as the daemon does
    ids = ids or [row["id"] for row in await database.fetch(_IDS)]
    async with open_client(url=url, api_key=API_KEY, request_timeout=30.0, connections=concurrency) as client:
        outcomes: list[str] = []
        poller = Poller(
            Reader(client, KEYS, Policy(interval=21600.0, settle_days=3)),
            LeaseStore(database, owner="bench", seconds=120.0),
            MetricStore(database),
            Gate(1e9),
            concurrency=concurrency,
            on_result=lambda result: outcomes.append(result.outcome.value),
        )
        started = time.perf_counter()
        await poller.poll_named(ids)
        elapsed = time.perf_counter() - started
    assert len(outcomes) == len(ids), "every profile must have been polled"
    assert set(outcomes) <= {"ok", "unchanged"}, set(outcomes)
    return len(ids) / elapsed


async def forget(database: Database) -> None:
    """Reset the database to before the first poll."""
    await empty(database, "daily_metric", "daily_metric_revision", "account_snapshot", "poll_log")
    await database.fetch(
        "UPDATE profile SET first_day = NULL, last_day = NULL, answer_digest = NULL, answer_day = NULL"
    )
    await database.fetch("VACUUM profile")


async def main(profiles: int, days: int, rounds: int, concurrency: int) -> None:
    people = identities(profiles)
    keys = [key for _, key in people]
    async with emulator_process(profiles=profiles, days=days) as url, bench_database() as database:
        await register(database, people)
        await bare(url, API_KEY.get_secret_value(), keys, concurrency)  # the emulator makes its answers
        await polled(url, database, concurrency)  # the database grows its files
        rates: dict[str, list[float]] = {"bare": [], "fresh": [], "unchanged": []}
        for _ in range(rounds):
            rates["bare"].append(await bare(url, API_KEY.get_secret_value(), keys, concurrency))
            await forget(database)
            rates["fresh"].append(await polled(url, database, concurrency))
            assert await database.fetchval(_DAYS) == profiles * days, "every day must have been stored"
            rates["unchanged"].append(await polled(url, database, concurrency))
    print(f"{profiles} profiles x {days} days, {concurrency} at once, {rounds} rounds; medians (least to most)")
    for name, values in rates.items():
        ratios = [value / other for value, other in zip(values, rates["bare"], strict=True)]
        spread = f"({min(values):.0f} to {max(values):.0f})"
        print(f"{name:<10} {statistics.median(values):7.0f} polls/s {spread:<16} ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=2000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    uvloop.run(main(options.profiles, options.days, options.rounds, options.concurrency))
