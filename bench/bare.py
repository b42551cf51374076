"""Measures the limit of reading: a client that only posts and reads the answers. It imports nothing of the project."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp


async def bare(url: str, api_key: str, keys: Sequence[str], concurrency: int) -> float:
    """Return answers per second of a loop that posts and reads the body."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    waiting = iter(keys)

    async def loop(session: aiohttp.ClientSession) -> None:
        for key in waiting:
            async with session.post(
                f"{url}/analytics/social", data=b'{"platforms":["pinterest"]}', headers={"Profile-Key": key}
            ) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        started = time.perf_counter()
        await asyncio.gather(*(loop(session) for _ in range(concurrency)))
        return len(keys) / (time.perf_counter() - started)
