"""What a fleet of a million costs: the statements that every process makes again and again, and bytes a profile.

The rows are made in the database, with three days each: what is asked here is about profiles, not about their past.
Each statement runs five times; the median is shown. The exporter's columns are measured in this process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.scale import FEW
from bench.support import bench_dsn, describe
from collector.fleet.exporter import Exporter
from collector.fleet.page import Part
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.listing import ProfileFilter, ProfileSort
from collector.store.overview import OverviewStore, ProfileWish
from collector.store.paging import Paging, Wish
from collector.store.pool import Database, open_database

ROUNDS = 5
BATCH = 96
DAYS = 3
SHARDS = 64
_STATEMENT_SECONDS = 600.0

_REGISTER = """
INSERT INTO profile (
    name, client, key_ciphertext, key_fingerprint, first_day, last_day, settled_through, settle_days, window_days,
    answer_digest, answer_day, last_outcome, last_success_at, last_poll_at, next_poll_at
)
SELECT 'profile-' || i, 'brand-' || i / 3, repeat('k', 120)::bytea, decode(md5(i::text), 'hex'), current_date - 30,
       current_date - 1, current_date - 4, 3, 30, i, current_date, 'ok', now(), now(),
       now() + CASE WHEN i % $2 = 0 THEN -1 ELSE 1 END * (1 + i * 0.618033988749895 % 1.0) * interval '3 hours'
FROM generate_series(1, $1::integer) i
"""
_DAYS = f"""
INSERT INTO daily_metric (
    profile_id, day, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
    outbound_click, outbound_click_rate, data_status
)
SELECT p.id, current_date - 4 - d, 1000 + d, 60, 0.06123, 20, 0.02041, 30, 0.03061, 10, 0.01020408163, 'READY'
FROM generate_series({DAYS - 1}, 0, -1) d, profile p
"""
_VERDICTS = """
INSERT INTO drop_verdict (profile_id, settled_through, sensitivity, judged_since, expected, expected_low, score, state,
                          last_poll_at)
SELECT id, settled_through, 'normal', settled_through, 61.53, 40.25, 0.5, state, last_poll_at
FROM profile
"""
_SIZES = "SELECT pg_total_relation_size($1::regclass)"


async def fill(database: Database, profiles: int) -> None:
    await database.execute(_REGISTER, profiles, profiles // FEW)
    await database.fetch("VACUUM ANALYZE profile")
    await database.execute(_DAYS)
    await database.execute(_VERDICTS)
    await database.fetch("VACUUM ANALYZE")


async def timed(title: str, work: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        taken.append(1000 * (time.perf_counter() - started))
    print(f"| {title} | {statistics.median(taken):,.1f} | {max(taken):,.1f} |", flush=True)


async def statements(database: Database) -> None:
    """Time what every process asks all the time, and what people ask."""
    leases, fleet = LeaseStore(database, owner="bench", seconds=120.0), FleetStore(database)
    paging, overview = Paging(database), OverviewStore(database)
    settled = datetime.now(UTC).date() - timedelta(days=4)

    async def claimed() -> None:
        assert len(await leases.claim_due(BATCH)) == BATCH

    await timed(f"claim of {BATCH}, few due", claimed, 4)
    await leases.release_all()
    await timed("how many are due, and since when", fleet.backlog)
    await timed("which profiles have days that changed", DropStore(database).changed)
    wish, text = Wish(limit=100), ProfileFilter(text="profile-99999")
    await timed("API, first page of 100 by name", lambda: paging.profiles(ProfileFilter(), ProfileSort.NAME, wish))
    await timed("API, profiles found by a text", lambda: paging.profiles(text, ProfileSort.NAME, wish))
    page, found = ProfileWish(), ProfileWish(text="profile-99999")
    await timed("console, first page of profiles", lambda: overview.profiles(page, "name", settled))
    await timed("console, profiles found by a text", lambda: overview.profiles(found, "name", settled))
    await timed("console, all counted", lambda: overview.count_profiles(page))


async def page(database: Database) -> None:
    """Time a shard of the fleet page, whose exporter holds all profiles, and tell what they take in memory."""
    exporter = Exporter(FleetStore(database), DropList(database))
    before = resident()
    await timed("exporter reads all profiles", exporter.refresh, 1)
    print(f"| … MiB for them | {resident() - before:,.0f} | |")
    await timed(f"page of one shard of {SHARDS}", lambda: exporter.page(Part(1, SHARDS)), 1)
    await timed(f"another shard of {SHARDS}", lambda: exporter.page(Part(2, SHARDS)), 1)


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(profiles: int) -> None:
    async with bench_dsn() as dsn, open_database(dsn, statement_seconds=_STATEMENT_SECONDS) as database:
        timescaledb = await describe(database)
        started = time.perf_counter()
        await fill(database, profiles)
        print(f"{profiles:,} profiles x {DAYS} days made in {time.perf_counter() - started:.0f} s\n")
        print("| ms | median | most |\n|---|---:|---:|")
        await statements(database)
        await page(database)
        print(f"load of the last minute, all programs of the machine: {os.getloadavg()[0]:.1f}")
        tables = ("profile", "drop_verdict") if timescaledb else ("profile", "drop_verdict", "daily_metric")
        for table in tables:
            print(f"{table}: {await database.fetchval(_SIZES, table) / profiles:,.0f} bytes a profile")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=1_000_000)
    uvloop.run(main(parser.parse_args().profiles))
