"""Serves an emulator without a rate limit whose answers stay: ``python -m bench.emulator PROFILES DAYS``."""

import asyncio
import sys

import uvloop

from collector.emulator import EmulatorConfig, serve


async def main(profiles: int, days: int) -> None:
    config = EmulatorConfig(profiles=profiles, days=days, cache_seconds=86_400.0, rate_limit=0)
    async with serve(config) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
