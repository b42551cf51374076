"""Measures the resident memory of the daemon with 10,000 profiles: all polled, their page rendered and scraped."""

import asyncio
import os
import re
import sys
from pathlib import Path

import aiohttp
import uvloop

from bench.support import API_KEY, ENCRYPTION_KEY, bench_dsn, emulator_process, identities, register
from collector.store.pool import open_database

PROFILES = 10_000
DAYS = 30
PORT = 19470


async def main() -> None:
    async with (
        emulator_process(profiles=PROFILES, days=DAYS) as url,
        bench_dsn() as dsn,
        open_database(dsn) as database,
        asyncio.timeout(300),
    ):
        await register(database, identities(PROFILES))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "collector", "run", env=environment(dsn, url), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            while await database.fetchval("SELECT count(*) FROM profile WHERE last_success_at IS NULL"):
                await asyncio.sleep(0.5)
            await until_on_the_page()
            for _ in range(10):
                await scrape()
            print(f"{PROFILES:,} profiles x {DAYS} days polled, page of {len(await scrape()) / 2**20:.1f} MiB scraped")
            print(f"resident {memory(process.pid, 'VmRSS')} MiB, at its peak {memory(process.pid, 'VmHWM')} MiB")
        finally:
            process.terminate()
            await process.wait()


def environment(dsn: str, url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "COLLECTOR_DATABASE_URL": dsn,
        "COLLECTOR_AYRSHARE_URL": url,
        "COLLECTOR_AYRSHARE_API_KEY": API_KEY.get_secret_value(),
        "COLLECTOR_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "COLLECTOR_HTTP_PORT": str(PORT),
        "COLLECTOR_MAX_REQUESTS_PER_SECOND": "100000",
    }


async def until_on_the_page() -> None:
    while (await scrape()).count(b"\npinterest_impressions{") < PROFILES - 1:
        await asyncio.sleep(1.0)


async def scrape() -> bytes:
    url = f"http://127.0.0.1:{PORT}/metrics/profiles"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.read()


def memory(pid: int, name: str) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    return f"{int(match[1]) / 1024:.0f}" if match else "?"


if __name__ == "__main__":
    uvloop.run(main())
