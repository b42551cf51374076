"""The naive script: gathers all requests, and upserts each answer's days with `executemany`."""

import asyncio
import time

import aiohttp
import asyncpg
import uvloop

from bench.peers.days import BODY, COLUMNS, METRICS, PATH, headers, rows
from bench.peers.protocol import Conversation, Job

_UPSERT = f"""
INSERT INTO script.daily_metric ({", ".join(COLUMNS)})
VALUES ({", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))})
ON CONFLICT (profile_id, day) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in METRICS)}
"""


async def poll_all(job: Job, pool: asyncpg.Pool) -> float:
    at_once = asyncio.Semaphore(job.concurrency)

    async def poll(session: aiohttp.ClientSession, profile_id: int, key: str) -> None:
        async with at_once:
            async with session.post(job.url + PATH, data=BODY, headers=headers(job.api_key, key)) as response:
                response.raise_for_status()
                answer = await response.json()
            await pool.executemany(_UPSERT, list(rows(profile_id, answer)))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=job.concurrency)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(poll(session, number, key) for number, key in enumerate(job.keys, 1)))
        return time.perf_counter() - started


async def main() -> None:
    conversation = Conversation()
    async with asyncpg.create_pool(conversation.job.dsn, min_size=8, max_size=8) as pool:
        while conversation.wants_pass():
            conversation.report(await poll_all(conversation.job, pool))


if __name__ == "__main__":
    uvloop.run(main())
