"""Measures the fleet page of 10,000 profiles: rendering, the delay of the event loop, serving; beside client_python."""

import asyncio
import resource
import statistics
import time
from typing import Any
from unittest.mock import AsyncMock, Mock

import aiohttp
import uvloop
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from collector.fleet.page import FAMILIES, Fleet, Page
from collector.models.profile import ProfileState
from collector.store.fleet import ProfileStatus
from collector.web.health import Health
from collector.web.server import Pages, serving

PROFILES = 10_000
ROUNDS = 7


def statuses() -> list[ProfileStatus]:
    unknown: dict[str, Any] = dict.fromkeys(ProfileStatus.__struct_fields__)
    return [
        ProfileStatus(
            **unknown
            | {"id": i, "name": f"client-{i:05d}", "client": f"brand-{i // 3:04d}", "state": ProfileState.ACTIVE}
            | {family.field: (i * 7919 + j) / (1 if j % 3 else 1000) for j, family in enumerate(FAMILIES)}
        )
        for i in range(PROFILES)
    ]


async def longest_wait(stop: asyncio.Event) -> float:
    """Return the longest delay of the event loop in milliseconds."""
    longest = 0.0
    while not stop.is_set():
        before = time.perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, time.perf_counter() - before)
    return 1000 * longest


async def rendered(fleet: Fleet) -> tuple[float, float, Page]:
    stop = asyncio.Event()
    watcher = asyncio.create_task(longest_wait(stop))
    await asyncio.sleep(0)
    started = time.perf_counter()
    page = await fleet.render()
    taken = 1000 * (time.perf_counter() - started)
    stop.set()
    return taken, await watcher, page


async def alone(fleet: Fleet) -> float:
    started = time.perf_counter()
    await fleet.render()
    return 1000 * (time.perf_counter() - started)


async def served(url: str, encoding: str) -> float:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        taken = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            async with session.get(f"{url}/metrics/profiles", headers={"Accept-Encoding": encoding}) as response:
                await response.read()
            taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def client_python() -> float:
    registry = CollectorRegistry()
    gauges = [Gauge(family.name, family.help, ["client", "profile"], registry=registry) for family in FAMILIES]
    for status in statuses():
        for gauge, family in zip(gauges, FAMILIES, strict=True):
            gauge.labels(status.client, status.name).set(getattr(status, family.field))
    started = time.perf_counter()
    generate_latest(registry)
    return 1000 * (time.perf_counter() - started)


async def main() -> None:
    fleet = Fleet()
    fleet.update(statuses())
    found = [await rendered(fleet) for _ in range(ROUNDS)]
    page = found[-1][2]
    series = b"".join(page.unpacked()).count(b"\n") - 2 * (len(FAMILIES) + 1)
    size = f"{page.plain_bytes / 2**20:.1f} MiB plain, {len(page.gzipped) / 2**20:.1f} MiB gzipped"
    print(f"{PROFILES:,} profiles, {series:,} series, {size}; medians of {ROUNDS}")
    alone_found = [await alone(fleet) for _ in range(ROUNDS)]
    print(f"render and gzip               {statistics.median(alone_found):8.1f} ms")
    print(f"render and gzip, loop watched {statistics.median(taken for taken, _, _ in found):8.1f} ms")
    print(f"longest hold of the loop      {statistics.median(wait for _, wait, _ in found):8.1f} ms")
    # Health, which asks a database, is not measured here.
    pages = Pages(Mock(Health), AsyncMock(return_value=page))
    async with serving(pages, "127.0.0.1", 0) as url:
        print(f"served gzipped                {await served(url, 'gzip'):8.1f} ms")
        print(f"served plain                  {await served(url, 'identity'):8.1f} ms")
    print(f"peak memory so far            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MiB")
    print(f"client_python, same series    {client_python():8.1f} ms, all of it holding the loop")


if __name__ == "__main__":
    uvloop.run(main())
