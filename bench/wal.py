"""Measures bytes of WAL per poll, by table: fresh, unchanged, unchanged but compared by day, and with a restated day.

It reads the server's own WAL with ``pg_waldump``, in batches of 100 polls. Full-page images are not counted: their
number depends on when the last checkpoint was.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import uvloop

from bench.support import API_KEY, KEYS, bench_database, emulator_process, identities, register
from collector.ayrshare.client import open_client
from collector.embedded.binaries import find_binaries
from collector.loops.gate import Gate
from collector.poll.decision import Policy
from collector.poll.poller import Poller
from collector.poll.reader import Reader
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database

PROFILES = 1000
DAYS = 30
_RECORD = re.compile(r"len \(rec/tot\):\s*(\d+)/.*?(?:rel \d+/\d+/(\d+)|$)")
_TABLES = """
SELECT pg_relation_filenode(c.oid)::text AS node, coalesce(t.relname, c.relname) AS name
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace OR t.relnamespace = 'public'::regnamespace
"""


async def wal_of(database: Database, work: Awaitable[object]) -> Counter[str]:
    """Do the work and return its bytes by table; "other" is commits and catalogs."""
    start = await database.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    await work
    end = await database.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    await database.fetch("SELECT pg_switch_wal()")
    names = {row["node"]: row["name"] for row in await database.fetch(_TABLES)}
    folder = Path(await database.fetchval("SHOW data_directory"))
    named = os.environ.get("COLLECTOR_PG_BINDIR")
    binaries = await find_binaries(Path(named) if named else None, preferred_major=None)
    dump = subprocess.run(
        [binaries.bindir / "pg_waldump", "-p", folder / "pg_wal", "--start", start, "--end", end],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sizes: Counter[str] = Counter()
    for match in map(_RECORD.search, dump.stdout.splitlines()):
        if match is not None:
            sizes[names.get(match[2] or "", "other")] += int(match[1])
    return sizes


async def pass_over(database: Database, url: str) -> None:
    # As the daemon claims them: in the order of their pages at first, spread over all pages afterwards.
    ids = [row["id"] for row in await database.fetch("SELECT id FROM profile ORDER BY next_poll_at, id")]
    async with open_client(url=url, api_key=API_KEY, request_timeout=30.0, connections=32) as client:
        reader = Reader(client, KEYS, Policy(interval=21600.0, settle_days=3))
        leases = LeaseStore(database, owner="bench", seconds=120.0)
        poller = Poller(reader, leases, MetricStore(database), Gate(1e9), concurrency=32)
        await poller.poll_named(ids)


def show(title: str, sizes: Counter[str]) -> None:
    days = sizes["daily_metric"] + sizes["daily_metric_revision"]
    parts = ", ".join(f"{name} {size / PROFILES:.0f}" for name, size in sizes.most_common() if size / PROFILES >= 0.5)
    print(
        f"{title:<34} {sum(sizes.values()) / PROFILES:7.0f} bytes a poll, of its days {days / PROFILES:.0f} ({parts})"
    )


async def main() -> None:
    people = identities(PROFILES)
    async with emulator_process(profiles=PROFILES, days=DAYS) as url, bench_database() as database:
        await register(database, people)
        show("fresh, 30 days", await wal_of(database, pass_over(database, url)))
        await database.fetch("VACUUM ANALYZE")
        show("unchanged", await wal_of(database, pass_over(database, url)))
        await database.execute("UPDATE profile SET answer_digest = NULL")
        await database.fetch("VACUUM")
        show("unchanged, compared day by day", await wal_of(database, pass_over(database, url)))
        await database.execute("UPDATE profile SET answer_digest = NULL")
        await database.execute(
            "UPDATE daily_metric SET save = save + 1 WHERE day = (SELECT max(day) FROM daily_metric)"
        )
        await database.fetch("VACUUM")
        show("one restated day", await wal_of(database, pass_over(database, url)))


if __name__ == "__main__":
    uvloop.run(main())
