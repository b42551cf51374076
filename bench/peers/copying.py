"""The limit of writing: `COPY` of the same rows, known beforehand, into an empty table with the same key."""

import time
from typing import Any

import aiohttp
import asyncpg
import uvloop

from bench.peers.days import BODY, COLUMNS, PATH, headers, rows
from bench.peers.protocol import Conversation


async def main() -> None:
    conversation = Conversation()
    job = conversation.job
    days: list[tuple[Any, ...]] = []
    async with aiohttp.ClientSession() as session:
        for number, key in enumerate(job.keys, 1):
            async with session.post(job.url + PATH, data=BODY, headers=headers(job.api_key, key)) as response:
                days += rows(number, await response.json())
    connection = await asyncpg.connect(job.dsn)
    while conversation.wants_pass():
        started = time.perf_counter()
        await connection.copy_records_to_table("daily_metric", schema_name="copying", columns=COLUMNS, records=days)
        conversation.report(time.perf_counter() - started)
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main())
