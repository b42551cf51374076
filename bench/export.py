"""Exports of days, beside a bare COPY of the same table to nowhere; the memory is of the process that exports.

Each export runs in a process of its own, as `collector export` does; what it holds above one that exports nothing is
what counts. ROWS=10000000 takes some minutes.
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
from collector.cli.export import export
from collector.store.pool import open_database

ROWS = int(os.environ.get("ROWS", "1000000"))
DAYS = 500
_FILL = (
    """
    INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, first_day, last_day, settled_through)
    SELECT 'profile ' || n, 'client ' || n % 500, 'x', int8send(n), '2025-01-01', '2026-05-15', '2026-05-12'
    FROM generate_series(1, $1::integer) AS n
    """,
    """
    INSERT INTO daily_metric (
        profile_id, day, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
        outbound_click, outbound_click_rate, data_status
    )
    SELECT
        id, '2025-01-01'::date + n, 1000 + id % 997, 80 + n % 17, 0.08 + n / 1e5, 12, 0.012, 33, 0.033, 9, 0.0091,
        'READY'
    FROM generate_series(0, $1::integer - 1) AS n, profile
    """,
)


async def copy_out(dsn: str) -> float:
    """Return the seconds of COPY TO STDOUT of the table, whose bytes are thrown away."""

    async def nowhere(piece: bytes) -> None:
        del piece

    async with open_database(dsn) as database, database.connection() as connection:
        started = time.perf_counter()
        await connection.copy_from_table("daily_metric", output=nowhere, format="csv", timeout=3600.0)
        return time.perf_counter() - started


async def exported(dsn: str, form: str, folder: Path, *options: str) -> tuple[float, float]:
    """Return the seconds of an export, and the most MiB that its process held."""
    arguments = ("daily", "--format", form, "-o", str(folder / f"days.{form}"), *options)
    environment = os.environ | {"COLLECTOR_DATABASE_URL": dsn}
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.export", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return time.perf_counter() - started, float(out)


def export_here() -> None:
    """Export, and print the most MiB that it took."""
    export.main(sys.argv[1:], standalone_mode=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


async def main() -> None:
    async with bench_dsn() as dsn:
        async with open_database(dsn, statement_seconds=3600.0) as database:
            await describe(database)
            await database.execute(_FILL[0], ROWS // DAYS)
            await database.execute(_FILL[1], DAYS)
            await database.execute("VACUUM ANALYZE daily_metric")
        with tempfile.TemporaryDirectory(prefix="collector-bench-") as name:
            folder = Path(name)
            start, idle = await exported(dsn, "csv", folder, "--from", "2090-01-01")
            print(f"{ROWS:,} days; an export of none takes {start:.1f} s and {idle:.0f} MiB")
            for form in ("csv", "json", "parquet"):
                # Both in turn, so that a machine that gets slower does not decide.
                copied = await copy_out(dsn)
                seconds, most = await exported(dsn, form, folder)
                size = (folder / f"days.{form}").stat().st_size / 1024**2
                print(
                    f"{form:8} {ROWS / seconds:9,.0f} rows/s, {copied / (seconds - start):.2f} of COPY TO STDOUT "
                    f"({ROWS / copied:,.0f} rows/s); {most - idle:+.0f} MiB; file {size:.0f} MiB"
                )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        export_here()
    else:
        uvloop.run(main())
