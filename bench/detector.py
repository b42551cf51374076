"""Measures the detector on 10,000 profiles of 90 days: read, judged and written, all at once and singly."""

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


async def fill(database: Database, settled: date) -> list[int]:
    """Register profiles and draw their days, about 200 engagements each; return the profiles' ids."""
    ids = [row["id"] for row in await database.fetch(_REGISTER, PROFILES, settled, DAYS)]
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(12, 200 / 12, (PROFILES, DAYS))).tolist()
    rows = [
        (profile_id, settled - timedelta(days=DAYS - 1 - day), 20 * count, count, count // 3, count // 3)
        for profile_id, days in zip(ids, counts, strict=True)
        for day, count in enumerate(days)
    ]
    async with database.connection() as connection:
        columns = ["profile_id", "day", "impression", "engagement", "save", "outbound_click"]
        await connection.copy_records_to_table("daily_metric", records=rows, columns=columns)
        await connection.execute("VACUUM ANALYZE", timeout=300)
    return ids


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
        ids = await fill(database, settled)
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
        singles = []
        for profile_id in ids[:: PROFILES // SINGLES]:
            await database.execute(_RESTATE, profile_id)
            singles.append(await seconds(detector.run_once, 1))
        line("one profile restated", singles)
        together = statistics.median(singles) * PROFILES / statistics.median(again)
        print(f"together {together:.0f} times as fast as one by one")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(main())
