"""Reports of 500 clients with six profiles and fourteen months each, as `collector report --all` writes them.

Each shows five pins with pictures of 150 kB, for which a server on this machine takes 50 ms each.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import uvloop
from aiohttp import web

from bench.support import bench_dsn, describe
from collector.cli.report import report
from collector.report.pictures import open_pictures
from collector.store.pool import open_database
from tests.support.images import PNG, make_identity, serving, trusting

CLIENTS = int(os.environ.get("CLIENTS", "500"))
PROFILES = 6
_FILL = (
    """
    INSERT INTO profile (
        name, client, key_ciphertext, key_fingerprint, first_day, last_day, settled_through, settle_days
    )
    SELECT
        'profile ' || n, 'client ' || n % $1::integer, 'x', int8send(n), current_date - 425, current_date - 1,
        current_date - 3, 3
    FROM generate_series(1, $1::integer * $2::integer) AS n
    """,
    """
    INSERT INTO daily_metric (profile_id, day, impression, engagement, save, pin_click, outbound_click)
    SELECT id, current_date - n, 1000 + id % 997 + n % 7, 80 + n % 17, 12, 33, 9
    FROM generate_series(1, 425) AS n, profile
    WHERE (id, n) <> (id / 10 * 10, 40)
    """,
    """
    INSERT INTO account_snapshot (profile_id, observed_at, followers)
    SELECT id, now() - n * interval '1 day', 1000 + n
    FROM generate_series(1, 90) AS n, profile
    """,
)
_PINS = """
INSERT INTO pin (profile_id, client_ref, media_urls, title, state, published_at)
SELECT
    id, 'r' || n, ARRAY[$1 || '/' || id || '-' || n], 'pin ' || n, 'published',
    date_trunc('month', now()) - n * interval '1 day'
FROM generate_series(1, 2) AS n, profile
"""
_RESULTS = """
INSERT INTO pin_result (profile_id, pin_id, observed_at, impression, save)
SELECT profile_id, id, now(), 1000, id
FROM pin
ON CONFLICT (profile_id, pin_id) DO UPDATE SET observed_at = now(), impression = 1000, save = excluded.save
"""
_PICTURE = PNG + bytes(150_000)


def write_here() -> None:
    """Write the reports, with pictures of this machine too, and print the most MiB that it took."""
    here = partial(open_pictures, allowed=lambda _address: True, tls=trusting())
    with patch("collector.cli.report.open_pictures", here):
        report.main(sys.argv[1:], standalone_mode=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def sizes_in(folder: Path) -> list[int]:
    return [each.stat().st_size for each in folder.iterdir()]


async def picture(_request: web.Request) -> web.Response:
    await asyncio.sleep(0.05)
    return web.Response(body=_PICTURE, content_type="image/png")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="collector-bench-") as folder:
        identity = make_identity(Path(folder))
        async with serving(identity, picture) as pictures:
            await measure(pictures)


async def measure(pictures: str) -> None:
    async with bench_dsn() as dsn:
        async with open_database(dsn, statement_seconds=3600.0) as database:
            await describe(database)
            await database.execute(_FILL[0], CLIENTS, PROFILES)
            for statement in _FILL[1:]:
                await database.execute(statement)
            await database.execute(_PINS, pictures)
            await database.execute(_RESULTS)
            await database.execute("VACUUM ANALYZE daily_metric")
        with tempfile.TemporaryDirectory(prefix="collector-bench-") as name:
            started = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.report", "--all", "-o", name),
                env=os.environ | {"COLLECTOR_DATABASE_URL": dsn, "COLLECTOR_ENCRYPTION_KEYS": ""},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            out, _ = await process.communicate()
            seconds = time.perf_counter() - started
            sizes = sizes_in(Path(name))
            assert process.returncode == 0
            assert len(sizes) == CLIENTS
            each = 1000 * seconds / CLIENTS
            print(
                f"{CLIENTS} reports of {PROFILES} profiles in {seconds:.1f} s, {each:.0f} ms each; "
                f"{sum(sizes) / CLIENTS / 1024:.0f} KiB a file; at most {float(out):.0f} MiB"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_here()
    else:
        uvloop.run(main())
