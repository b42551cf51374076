"""Measures the claim of due profiles with a million registered: its plan, and its time beside one without an index."""

import asyncio
import statistics
import time
from collections import deque

import uvloop

from bench.support import bench_database
from collector.models import Claim
from collector.store import lease
from collector.store.lease import LeaseStore
from collector.store.pool import Database

PROFILES = 1_000_000
BATCH = 64
CLAIMS = 50
# Claims held at the same time, as with many replicas; the scan of the index has to skip them.
IN_FLIGHT = 8

_FILL = """
INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, next_poll_at)
SELECT 'profile-' || i, 'brand-' || i / 3, decode(repeat('00', 140), 'hex'), decode(md5(i::text), 'hex'),
       now() + (i * 0.6180339887498949 % 1.0 - $2::float8) * interval '6 hours'
FROM generate_series(1, $1::integer) i
"""
_FREE = "UPDATE profile SET lease_until = NULL, lease_owner = NULL WHERE lease_until IS NOT NULL"


async def milliseconds(leases: LeaseStore) -> list[float]:
    taken = []
    held: deque[list[Claim]] = deque()
    for _ in range(CLAIMS):
        started = time.perf_counter()
        held.append(await leases.claim_due(BATCH))
        taken.append(1000 * (time.perf_counter() - started))
        assert len(held[-1]) == BATCH
        if len(held) == IN_FLIGHT:
            await leases.release(held.popleft())
    return taken


async def report(title: str, database: Database) -> None:
    leases = LeaseStore(database, owner="bench", seconds=120.0)
    await milliseconds(leases)
    taken = await milliseconds(leases)
    await database.execute(_FREE)
    print(f"{title:<34} {statistics.median(taken):8.2f} ms median, {max(taken):8.2f} ms most, of {CLAIMS} x {BATCH}")


async def main() -> None:
    async with bench_database() as database, asyncio.timeout(600):
        for share, title in ((0.01, "1 % due"), (1.0, "all due")):
            await database.fetch("TRUNCATE profile CASCADE")
            await database.execute(_FILL, PROFILES, share)
            await database.fetch("VACUUM ANALYZE profile")
            if share < 1.0:
                plan = await database.fetch(f"EXPLAIN {lease._CLAIM_DUE}", "bench", 120.0, BATCH)  # noqa: SLF001 -- the very statement
                print("\n".join(row[0] for row in plan if "Scan" in row[0]))
            await report(f"{PROFILES:,} profiles, {title}", database)
        await database.fetch("DROP INDEX profile_next_poll_at_idx")
        taken = time.perf_counter()
        await LeaseStore(database, owner="bench", seconds=120.0).claim_due(BATCH)
        print(f"{'without the index, one claim':<34} {1000 * (time.perf_counter() - taken):8.2f} ms")


if __name__ == "__main__":
    uvloop.run(main())
