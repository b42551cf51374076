"""Reads of the API on 10,000 profiles, beside a bare aiohttp handler that sends as many bytes.

The client is in the same process, so the times are of both; the ratio says what the API adds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
from aiohttp import web

from bench.support import bench_database
from collector.api.cursor import cursor
from collector.store.pool import Database
from tests.support.api import FULL, served

PROFILES = 10_000
CALLS = 200
PATHS = {
    "profiles, first page": "/profiles",
    "profiles, page 99": f"/profiles?cursor={cursor('name', ['profile 09800'])}",
    "profiles, 50 rows": "/profiles?limit=50",
    "profiles, by text": "/profiles?text=profile%2009999",
    "profiles, by next poll": "/profiles?sort=next-poll",
    "profiles, counted": "/profiles?limit=50&total=true",
    "clients": "/clients",
    "metrics, 90 days": "/metrics?profile=profile%2000001&from=2026-01-01&to=2026-03-31",
    "metrics of a client": "/metrics?client=client%20001&from=2026-01-01&to=2026-03-31&granularity=week",
    "pins": "/pins",
    "drops": "/drops",
}
_FILL = (
    """
    INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, settled_through, last_success_at)
    SELECT
        'profile ' || to_char(n, 'FM00000'), 'client ' || to_char(n % 500, 'FM000'), 'x', int8send(n), '2026-03-28',
        now() - n * interval '1 second'
    FROM generate_series(1, $1::integer) AS n
    """,
    """
    INSERT INTO daily_metric (profile_id, day, impression, engagement)
    SELECT id, '2026-01-01'::date + n, 100 + n, 10
    FROM profile, generate_series(0, 89) AS n
    WHERE id <= $1::integer / 10
    """,
    """
    SELECT count(e.id)
    FROM (SELECT name FROM profile WHERE id <= $1::integer / 10) f
    CROSS JOIN LATERAL enqueue_pin(f.name, 'one', ARRAY['https://example.com/a.jpg']) e
    """,
)


async def measure(ask: Callable[[], Awaitable[bytes]]) -> tuple[float, float, int]:
    """Return the median and the 99th percentile in milliseconds, and the bytes of an answer."""
    size = len(await ask())
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await ask()
        seconds.append(time.perf_counter() - started)
    seconds.sort()
    return 1000 * seconds[CALLS // 2], 1000 * seconds[CALLS * 99 // 100], size


async def bare(stack: AsyncExitStack) -> str:
    """Serve as many bytes as the path says, and return the address."""

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=bytes(int(request.match_info["size"])))

    app = web.Application()
    app.add_routes([web.get("/{size}", send)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def fill(database: Database) -> None:
    async with database.transaction() as connection:
        for statement in _FILL:
            await connection.execute(statement, PROFILES)
    await database.execute("ANALYZE")


async def main() -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(bench_database())
        await fill(database)
        url = await stack.enter_async_context(served(database))
        plain = await bare(stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        headers = {"Authorization": f"Bearer {FULL}", "Accept-Encoding": "identity"}

        async def get(address: str) -> bytes:
            async with session.get(address, headers=headers) as response:
                assert response.status == 200, await response.text()
                return await response.read()

        print(f"{PROFILES} profiles, {CALLS} calls each, one after the other")
        print(f"{'':24} {'kB':>7} {'median ms':>10} {'p99 ms':>8} {'bare ms':>8} {'ratio':>6}")
        for name, path in PATHS.items():
            median, slowest, size = await measure(partial(get, f"{url}/api/v1{path}"))
            base, _, _ = await measure(partial(get, f"{plain}/{size}"))
            print(f"{name:24} {size / 1000:7.1f} {median:10.2f} {slowest:8.2f} {base:8.2f} {median / base:6.1f}")


if __name__ == "__main__":
    asyncio.run(main())
