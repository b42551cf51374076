"""What a fleet costs as it grows: claim, fleet page, memory, start-up and polls a second, for several sizes in one run.

Each size gets a database of its own, as thirty days of polling leave it. Rounds of the sizes alternate, so that other
work on the machine slows all of them. The daemon is a process of its own with the roles poller and exporter, so is the
emulator; nothing is due while the page, memory and start-up are measured.
"""

import argparse
import asyncio
import os
import re
import socket
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
import uvloop

from bench.page import longest_wait
from bench.polls import polled
from bench.startup import daemon
from bench.support import bench_dsn, describe, emulator_process, identities, register
from collector.fleet.exporter import Exporter
from collector.fleet.page import Page, Part
from collector.models.poll import Claim
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.pool import Database, open_database

T = TypeVar("T")

DAYS = 30
BATCH = 96
CLAIMS = 20
IN_FLIGHT = 4  # claims that are out at the same time; the walk has to pass over them
FEW = BATCH * (IN_FLIGHT + 1)
POLLED = 1000
REFRESHED = 100

_FILL = (
    """
    INSERT INTO daily_metric (
        profile_id, day, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
        outbound_click, outbound_click_rate, data_status
    )
    SELECT p.id, current_date - d, 1000 + n, 60 + n, 0.06123, 20 + n, 0.02041, 30 + n, 0.03061, 10, 0.01020408163,
           CASE WHEN d > 3 THEN 'READY' ELSE 'PROCESSING' END
    FROM profile p
    CROSS JOIN generate_series(30, 1, -1) d
    CROSS JOIN LATERAL (SELECT (p.id * 7919 + d * 104729) % 1000 AS n OFFSET 0) r
    """,
    """
    INSERT INTO account_snapshot (
        profile_id, observed_at, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
        outbound_click, outbound_click_rate, followers
    )
    SELECT id, now() - d * interval '1 day', 30000, 1800, 0.06, 600, 0.02, 900, 0.03, 300, 0.01, id
    FROM profile, generate_series(30, 1, -1) d
    """,
    """
    INSERT INTO poll_log (profile_id, polled_at, outcome, duration_seconds, rows_new, rows_changed, problems)
    SELECT id, now() - d * interval '6 hours', 'ok', 0.1, 0, 0, 0
    FROM profile, generate_series(4, 1, -1) d
    """,
    """
    INSERT INTO drop_verdict (profile_id, settled_through, sensitivity, judged_since, expected, expected_low, score)
    SELECT id, current_date - 4, 'normal', current_date - 4, 61.53, 40.25, 0.5
    FROM profile
    """,
    """
    UPDATE profile
    SET first_day = current_date - 30, last_day = current_date - 1, settled_through = current_date - 4, settle_days = 3,
        window_days = 30, answer_digest = id, answer_day = current_date, last_outcome = 'ok',
        last_success_at = now() - interval '6 hours', last_poll_at = now() - interval '6 hours'
    """,
)
# The golden ratio spreads them evenly, and over the whole table.
_DUE = """
UPDATE profile
SET next_poll_at =
    now() + CASE WHEN id % $1 = 0 THEN -1 ELSE 1 END * (1 + id * 0.618033988749895 % 1.0) * interval '3 hours'
"""
_POLL_NOW = "UPDATE profile SET next_poll_at = now() WHERE id = ANY ($1::bigint[])"
_FORGET_POLLS = "DELETE FROM poll_log WHERE polled_at > now() - interval '1 hour'"
_POLL_LOG = """
INSERT INTO poll_log (profile_id, outcome, duration_seconds, rows_new, rows_changed, problems)
SELECT id, 'ok', 0.1, 0, 0, 0
FROM unnest($1::bigint[]) id
"""


class Fleet(msgspec.Struct, frozen=True):
    """A database with so many profiles; ``ids`` are those that are polled, spread over the table."""

    profiles: int
    dsn: str
    database: Database
    url: str
    ids: list[int]


class Line(msgspec.Struct, frozen=True):
    """A line of the table. What grows with the fleet has a ``unit`` for a profile's part, ``factor`` times smaller."""

    title: str
    digits: int = 0
    unit: str = ""
    factor: float = 1000.0


# In the order of ``PHASES``.
LINES = (
    Line("unchanged polls a second"),
    Line(f"claim of {BATCH}, few due, ms", 2),
    Line(f"claim of {BATCH}, all due, ms", 2),
    Line("page read and rendered, ms", unit="us"),
    Line(f"page after {REFRESHED} polls, ms", unit="us"),
    Line("an eighth of the page rendered, ms", unit="us"),
    Line("longest hold of the event loop, ms", 1),
    Line("page, MiB", 1, "bytes", 2**20),
    Line("page gzipped, MiB", 2, "bytes", 2**20),
    Line("start to ready, ms"),
    Line("start to first page, ms", unit="us"),
    Line("daemon at rest, MiB", unit="bytes", factor=2**20),
    Line("daemon at its peak, MiB", unit="bytes", factor=2**20),
)


@asynccontextmanager
async def filled(profiles: int) -> AsyncIterator[Fleet]:
    """Register profiles with what thirty days of polling leave."""
    async with (
        emulator_process(profiles=profiles, days=DAYS) as url,
        bench_dsn() as dsn,
        open_database(dsn) as database,
    ):
        await register(database, identities(profiles))
        for statement in _FILL:
            await database.execute(statement)
        rows = await database.fetch("SELECT id FROM profile ORDER BY id")
        fleet = Fleet(profiles, dsn, database, url, [row["id"] for row in rows][:: profiles // POLLED])
        await polled(url, database, 32, fleet.ids)  # brings the emulator's days, and lets it make its answers
        await database.fetch("VACUUM ANALYZE")
        yield fleet


async def none_due(fleet: Fleet) -> None:
    await _due(fleet, fleet.profiles + 1)


async def few_due(fleet: Fleet) -> None:
    await _due(fleet, fleet.profiles // FEW)


async def all_due(fleet: Fleet) -> None:
    await _due(fleet, 1)


async def _due(fleet: Fleet, every: int) -> None:
    await fleet.database.execute(_DUE, every)
    await fleet.database.fetch("VACUUM ANALYZE profile")


async def polls(fleet: Fleet) -> list[float]:
    """Return polls a second."""
    return [await polled(fleet.url, fleet.database, 32, fleet.ids)]


async def claim(fleet: Fleet) -> list[float]:
    """Return the median milliseconds of a claim."""
    leases = LeaseStore(fleet.database, owner="bench", seconds=120.0)
    claimed: deque[list[Claim]] = deque()
    taken = []
    for _ in range(CLAIMS):
        start = time.perf_counter()
        claimed.append(await leases.claim_due(BATCH))
        taken.append(milliseconds(start))
        assert len(claimed[-1]) == BATCH
        if len(claimed) == IN_FLIGHT:
            await leases.release(claimed.popleft())
    await leases.release_all()
    return [statistics.median(taken)]


async def pages(fleet: Fleet) -> list[float]:
    """Return ms of a page, one after some polls, an eighth of it, and the longest hold; its MiB, plain and gzipped."""
    stores = FleetStore(fleet.database), DropList(fleet.database)
    exporter = Exporter(*stores)
    whole, _ = await timed(refreshed(exporter))
    await fleet.database.execute(_POLL_LOG, fleet.ids[:REFRESHED])
    exporter._kept.clear()  # noqa: SLF001 -- the pause between two pages is no cost
    after, page = await timed(refreshed(exporter))
    await fleet.database.execute(_FORGET_POLLS)
    eighth, _ = await timed(exporter.page(Part(1, 8)))
    held = await hold(refreshed(Exporter(*stores)))
    return [whole, after, eighth, held, page.plain_bytes / 2**20, len(page.gzipped) / 2**20]


async def refreshed(exporter: Exporter) -> Page:
    await exporter.refresh()
    page = await exporter.page()
    assert page is not None
    return page


async def hold(work: Coroutine[None, None, object]) -> float:
    stop = asyncio.Event()
    watcher = asyncio.create_task(longest_wait(stop))
    await asyncio.sleep(0)
    await work
    stop.set()
    return await watcher


async def timed(work: Coroutine[None, None, T]) -> tuple[float, T]:
    start = time.perf_counter()
    made = await work
    return milliseconds(start), made


def milliseconds(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


async def at_rest(fleet: Fleet) -> list[float]:
    """Return milliseconds from start to ready and to the first page, and MiB after it."""
    start = time.perf_counter()
    async with started(fleet) as (pid, session):
        await answer(session, "/readyz")
        ready = milliseconds(start)
        await answer(session, "/metrics/profiles")
        return [ready, milliseconds(start), memory(pid, "VmRSS")]


async def at_peak(fleet: Fleet) -> list[float]:
    """Return the most MiB until the page that follows some polls."""
    async with started(fleet) as (pid, session):
        first = await answer(session, "/metrics/profiles")
        await fleet.database.execute(_POLL_NOW, fleet.ids[:REFRESHED])
        while await answer(session, "/metrics/profiles") == first:
            await asyncio.sleep(0.5)
        return [memory(pid, "VmHWM")]


@asynccontextmanager
async def started(fleet: Fleet) -> AsyncIterator[tuple[int, aiohttp.ClientSession]]:
    """Start a daemon on a free port; yield its process and a session for its pages."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    variables = {
        "COLLECTOR_DATABASE_URL": fleet.dsn,
        "COLLECTOR_AYRSHARE_URL": fleet.url,
        "COLLECTOR_HTTP_PORT": str(port),
        "COLLECTOR_ROLES": "poller,exporter",
    }
    async with (
        daemon(variables) as process,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False) as session,
    ):
        yield process.pid, session


async def answer(session: aiohttp.ClientSession, path: str) -> int:
    """Ask until the answer is 200, and return its size."""
    while True:
        with suppress(aiohttp.ClientConnectionError):
            async with session.get(path, headers={"Accept-Encoding": "gzip"}) as response:
                if response.status == HTTPStatus.OK:
                    return len(await response.read())
        await asyncio.sleep(0.01)


def memory(pid: int, name: str) -> float:
    match = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


# What is made so beforehand, what is measured, and how often.
PHASES = (
    (none_due, polls, 7),
    (few_due, claim, 7),
    (all_due, claim, 7),
    (none_due, pages, 5),
    (none_due, at_rest, 5),
    (none_due, at_peak, 1),
)


async def measure(fleets: list[Fleet]) -> list[list[float]]:
    """Return the medians of each fleet, in the order of ``LINES``."""
    found: list[list[float]] = [[] for _ in fleets]
    for prepare, once, rounds in PHASES:
        for fleet in fleets:
            await prepare(fleet)
        values = [[await once(fleet) for fleet in fleets] for _ in range(rounds)]
        for place, of_fleet in enumerate(zip(*values, strict=True)):
            found[place] += [statistics.median(column) for column in zip(*of_fleet, strict=True)]
    return found


def show(sizes: list[int], found: list[list[float]]) -> None:
    """Print the table; the part of a profile is the growth between two sizes, without what does not grow."""
    steps = list(pairwise(sizes))
    print(
        "|", " | ".join(["", *(f"{size:,}" for size in sizes), *(f"a profile, {a:,} to {b:,}" for a, b in steps)]), "|"
    )
    print("|---" + "|---:" * (len(sizes) + len(steps)) + "|")
    for line, *values in zip(LINES, *found, strict=True):
        cells = [f"{value:,.{line.digits}f}" for value in values]
        for (fewer, more), (less, most) in zip(steps, pairwise(values), strict=True):
            cells.append(f"{line.factor * (most - less) / (more - fewer):,.1f} {line.unit}" if line.unit else "")
        print("|", " | ".join([line.title, *cells]), "|")


async def main(sizes: list[int]) -> None:
    async with AsyncExitStack() as resources:
        fleets = [await resources.enter_async_context(filled(size)) for size in sizes]
        await describe(fleets[0].database)
        show(sizes, await measure(fleets))
        print(f"load of the last five minutes, all programs of the machine: {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, nargs="+", default=[1000, 10_000], help="sizes, each at least 1000")
    uvloop.run(main(parser.parse_args().profiles))
