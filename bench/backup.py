"""A backup and its restoring, beside a bare COPY of the same tables to nowhere.

A backup reads every row twice, to prove it and to write it, and packs it; a restore writes and proves it.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.support import bench_dsn, describe
from collector.store.contents import contents, read_table, snapshot
from collector.store.pool import connected, open_database

PROFILES, DAYS = int(os.environ.get("PROFILES", "1000")), 500
_FILL = (
    """
    INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, first_day, last_day)
    SELECT 'profile ' || n, 'client ' || n % 500, 'x', int8send(n), '2025-01-01', '2026-05-15'
    FROM generate_series(1, $1::integer) AS n
    """,
    """
    INSERT INTO daily_metric (profile_id, day, impression, engagement, engagement_rate, save, save_rate, data_status)
    SELECT id, '2025-01-01'::date + n, 1000 + id % 997, 80 + n % 17, 0.08 + n / 1e5, 12, 0.012 + id / 1e7, 'READY'
    FROM generate_series(0, $1::integer - 1) AS n, profile
    """,
)


async def copy_out(dsn: str) -> float:
    """Return the seconds of COPY TO STDOUT of every table, whose bytes are thrown away."""

    async def nowhere(piece: bytes) -> None:
        del piece

    async with connected(dsn) as connection, snapshot(connection):
        found = await contents(connection, version="")
        started = time.perf_counter()
        for table in found.tables:
            await read_table(connection, table, nowhere)
        return time.perf_counter() - started


async def command(dsn: str, *arguments: str) -> tuple[float, float]:
    """Run ``collector``, and return its seconds and the most MiB that any of these processes held so far."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "collector", *arguments),
        env=os.environ | {"COLLECTOR_DATABASE_URL": dsn},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


async def main() -> None:
    async with bench_dsn() as dsn, bench_dsn() as other:
        async with open_database(dsn, statement_seconds=3600.0) as database:
            await describe(database)
            await database.execute(_FILL[0], PROFILES)
            await database.execute(_FILL[1], DAYS)
            await database.execute("VACUUM ANALYZE")
        with tempfile.TemporaryDirectory(prefix="collector-bench-") as folder:
            file, rows = Path(folder) / "all.backup", PROFILES * DAYS
            copied = await copy_out(dsn)
            print(f"{rows:,} days; COPY to nowhere {rows / copied:,.0f} rows/s")
            for arguments, where in ((("backup", str(file)), dsn), (("restore", str(file)), other)):
                seconds, most = await command(where, *arguments)
                print(f"{arguments[0]:8} {rows / seconds:9,.0f} rows/s, {copied / seconds:.2f} of COPY; {most:.0f} MiB")
            print(f"file {file.stat().st_size / rows:.1f} bytes a day")


if __name__ == "__main__":
    uvloop.run(main())
