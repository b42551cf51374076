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
from typing import NamedTuple

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


class Cost(NamedTuple):
    """Seconds that passed, and those of processors: the client's and the server's."""

    seconds: float
    worked: float


class Server:
    """A server on this machine, whose processes work for it and end."""

    def __init__(self, parent: str) -> None:
        self._parent = parent

    @staticmethod
    async def of(dsn: str) -> "Server":
        async with open_database(dsn) as database, database.connection() as connection:
            return Server(_stat(await connection.fetchval("SELECT pg_backend_pid()"))[1])

    async def worked(self) -> float:
        """Return the seconds of processor of those of its processes that have ended."""
        # A process of the server ends a moment after its client.
        await asyncio.sleep(0.3)
        return sum(map(int, _stat(self._parent)[13:15])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: object) -> list[str]:
    """Return what the system says of a process after its name."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


async def copy_out(dsn: str, server: Server) -> Cost:
    """Return what COPY TO STDOUT of the table costs, whose bytes are thrown away."""

    async def nowhere(piece: bytes) -> None:
        del piece

    before, own, started = await server.worked(), time.process_time(), time.perf_counter()
    async with open_database(dsn) as database, database.connection() as connection:
        # COPY of a hypertable itself finds nothing.
        await connection.copy_from_query("SELECT * FROM daily_metric", output=nowhere, format="csv", timeout=3600.0)
    seconds = time.perf_counter() - started
    return Cost(seconds, time.process_time() - own + await server.worked() - before)


async def exported(dsn: str, server: Server, form: str, folder: Path, *options: str) -> tuple[Cost, float]:
    """Return what an export costs, and the most MiB that its process held."""
    arguments = ("daily", "--format", form, "-o", str(folder / f"days.{form}"), *options)
    environment = os.environ | {"COLLECTOR_DATABASE_URL": dsn}
    before, started = await server.worked(), time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.export", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    seconds = time.perf_counter() - started
    assert process.returncode == 0
    most, worked = map(float, out.split())
    return Cost(seconds, worked + await server.worked() - before), most


def export_here() -> None:
    """Export, and print the most MiB and the seconds of processor that it took."""
    export.main(sys.argv[1:], standalone_mode=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time())


async def main() -> None:
    async with bench_dsn() as dsn:
        async with open_database(dsn, statement_seconds=3600.0) as database:
            await describe(database)
            await database.execute(_FILL[0], ROWS // DAYS)
            await database.execute(_FILL[1], DAYS)
            await database.execute("VACUUM ANALYZE profile, daily_metric")
        server = await Server.of(dsn)
        with tempfile.TemporaryDirectory(prefix="collector-bench-") as name:
            folder = Path(name)
            for form in ("csv", "json", "parquet"):
                start, idle = await exported(dsn, server, form, folder, "--from", "2090-01-01")
                # Both in turn, so that a machine that gets slower does not decide.
                copied = await copy_out(dsn, server)
                cost, most = await exported(dsn, server, form, folder)
                size = (folder / f"days.{form}").stat().st_size / 1024**2
                print(
                    f"{form:8} {ROWS / cost.seconds:9,.0f} rows/s, "
                    f"{copied.seconds / (cost.seconds - start.seconds):.2f} of COPY TO STDOUT "
                    f"({ROWS / copied.seconds:,.0f} rows/s), by processor time "
                    f"{copied.worked / (cost.worked - start.worked):.2f}; "
                    f"{most - idle:+.0f} MiB above an export of none ({idle:.0f} MiB); file {size:.0f} MiB"
                )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        export_here()
    else:
        uvloop.run(main())
