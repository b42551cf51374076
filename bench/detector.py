"""Measures the detector on 10,000 profiles: read, judged and written, all at once and singly.

All at once they have 90 days; singly, 90 and then 400.
"""

import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import structlog
import uvloop

from bench.support import bench_database
from collector.detect.detector import Detector
from collector.store.drop import DropStore
from collector.store.pool import Database

PROFILES = 10_000
DAYS = 90
LONG = 400
CHUNK = 1000
ROUNDS = 5
SINGLES = 50

_REGISTER = """
INSERT INTO profile (
    name, client, key_ciphertext, key_fingerprint, state, first_day, last_day, settled_through, settle_days,
    last_success_at, last_poll_at
)
SELECT
    'profile-' || i, 'brand-' || i / 3, '', i::text::bytea, 'active', $2::date - $3::integer + 1, $2, $2, 3,
    now(), now()
FROM generate_series(1, $1::integer) i
RETURNING id
"""
# One more settled day, as after midnight.
_ALL_UNKNOWN = "UPDATE drop_verdict SET settled_through = settled_through - 1"
# Polls of all profiles that brought nothing new, as most do.
_POLL = "UPDATE profile SET last_poll_at = now()"
# A poll that restated a day.
_RESTATE = """
WITH polled AS (
    UPDATE profile SET last_poll_at = now(), days_changed_at = now() WHERE id = $1
    RETURNING id, last_day
)
UPDATE daily_metric m SET engagement = engagement + 1
FROM polled p
WHERE m.profile_id = p.id AND m.day = p.last_day
"""


async def register(database: Database, settled: date) -> list[int]:
    """Register profiles with their days; return their ids."""
    ids = [row["id"] for row in await database.fetch(_REGISTER, PROFILES, settled, DAYS)]
    await fill(database, ids, settled, DAYS)
    return ids


async def fill(database: Database, ids: list[int], last: date, days: int) -> None:
    """Draw the ``days`` of profiles until ``last``, about 200 engagements each."""
    rng = np.random.default_rng(1)
    columns = ["profile_id", "day", "impression", "engagement", "save", "outbound_click"]
    async with database.connection() as connection:
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            counts = rng.poisson(rng.gamma(12, 200 / 12, (len(chunk), days))).tolist()
            rows = [
                (profile_id, last - timedelta(days=days - 1 - day), 20 * count, count, count // 3, count // 3)
                for profile_id, numbers in zip(chunk, counts, strict=True)
                for day, count in enumerate(numbers)
            ]
            await connection.copy_records_to_table("daily_metric", records=rows, columns=columns)
        await connection.execute("VACUUM ANALYZE", timeout=300)


async def restated(database: Database, detector: Detector, ids: list[int]) -> list[float]:
    """Return the seconds of rounds in each of which one profile has another number."""
    taken = []
    for profile_id in ids[:: PROFILES // SINGLES]:
        await database.execute(_RESTATE, profile_id)
        taken.append(await seconds(detector.run_once, 1))
    return taken


async def seconds(work: Callable[[], Awaitable[int]], expected: int) -> float:
    started = time.perf_counter()
    assert await work() == expected
    return time.perf_counter() - started


def line(title: str, taken: list[float]) -> None:
    median, most = 1000 * statistics.median(taken), 1000 * max(taken)
    print(f"{title:<34} {median:9.1f} ms median, {most:9.1f} ms most, of {len(taken)}")


async def main() -> None:
    settled = datetime.now(UTC).date() - timedelta(days=3)
    async with bench_database() as database:
        ids = await register(database, settled)
        detector = Detector(DropStore(database))
        print(f"{PROFILES:,} profiles x {DAYS} days")
        line("all for the first time", [await seconds(detector.run_once, PROFILES)])
        again = []
        for _ in range(ROUNDS):
            await database.execute(_ALL_UNKNOWN)
            again.append(await seconds(detector.run_once, PROFILES))
        line("all with another settled day", again)
        await database.execute(_POLL)
        await database.fetch("VACUUM ANALYZE profile, drop_verdict")
        line("nothing changed", [await seconds(detector.run_once, 0) for _ in range(SINGLES)])
        singles = await restated(database, detector, ids)
        line("one profile restated", singles)
        await fill(database, ids, settled - timedelta(days=DAYS), LONG - DAYS)
        line(f"one profile of {LONG} days restated", await restated(database, detector, ids))
        together = statistics.median(singles) * PROFILES / statistics.median(again)
        print(f"together {together:.0f} times as fast as one by one")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(main())
