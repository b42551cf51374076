"""Bytes a profile and day on disk, of the days and of the ledger: as rows, and with TimescaleDB in the columnstore.

A year of daily polls is replayed: a day comes as an estimate, is restated on the next two days and is settled then,
so its two former versions are in the ledger. Numbers are the emulator's; every second profile has video metrics, which
are kept as JSON. VACUUM runs every ten days, about when autovacuum would.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import uvloop

from bench.support import bench_dsn, describe
from collector.emulator.traffic import FINAL_AGE_DAYS, character, data_status, shown_counts, with_rates
from collector.models.analytics import Metrics
from collector.store.pool import Database, open_database

_NAMES = Metrics.__struct_fields__
_VALUES = ", ".join((*_NAMES, "data_status", "extra"))
_STAGE = f"""
CREATE UNLOGGED TABLE version AS
SELECT profile_id, day, revision, {_VALUES}
FROM daily_metric
WITH NO DATA
"""
_LEDGER = f"""
INSERT INTO daily_metric_revision (
    profile_id, day, revision, observed_at, last_seen_at, superseded_at, {_VALUES}
)
SELECT profile_id, day, revision, updated_at, updated_at, ($1::date + time '06:00') AT TIME ZONE 'UTC', {_VALUES}
FROM daily_metric
WHERE day BETWEEN $1::date - $2::integer AND $1::date - 2
"""
_DAYS = f"""
INSERT INTO daily_metric AS m (profile_id, day, revision, first_seen_at, updated_at, {_VALUES})
SELECT profile_id, day, revision, t.now, t.now, {_VALUES}
FROM version
CROSS JOIN (SELECT ($1::date + time '06:00') AT TIME ZONE 'UTC' AS now) t
WHERE day BETWEEN $1::date - $2::integer AND $1::date - 1
  AND day = $1::date - revision
ON CONFLICT (profile_id, day) DO UPDATE
SET ({_VALUES}, revision, updated_at)
    = ROW (excluded.{_VALUES.replace(", ", ", excluded.")}, excluded.revision, excluded.updated_at)
"""
_ROWS = "SELECT pg_table_size($1::regclass), pg_indexes_size($1::regclass)"
_CHUNKS = "SELECT sum(table_bytes + toast_bytes), sum(index_bytes) FROM hypertable_detailed_size($1::regclass)"


def versions(profiles: int, days: int) -> Iterator[tuple[object, ...]]:
    """Yield each version of each day; its revision is the day's age."""
    today = datetime.now(UTC).date().toordinal()
    for index in range(profiles):
        account = character(1, index)
        for day in range(today - days - FINAL_AGE_DAYS, today - FINAL_AGE_DAYS):
            for age in range(1, FINAL_AGE_DAYS + 1):
                metrics = with_rates(shown_counts(1, index, day, age, account))
                numbers = {name.lower(): value for name, value in metrics.items()}
                known = [numbers.pop(name) for name in _NAMES]
                extra = msgspec.json.encode(numbers, order="sorted").decode() if numbers else None
                yield index + 1, date.fromordinal(day), age, *known, data_status(age), extra


async def fill(database: Database, profiles: int, days: int) -> None:
    await database.execute(_STAGE)
    async with database.connection() as connection:
        names = ("profile_id", "day", "revision", *_VALUES.split(", "))
        await connection.copy_records_to_table("version", columns=names, records=list(versions(profiles, days)))
    await database.execute("CREATE INDEX ON version (day)")
    today = datetime.now(UTC).date()
    for ago in range(days + FINAL_AGE_DAYS - 1, -1, -1):
        await database.execute(_LEDGER, today - timedelta(ago), FINAL_AGE_DAYS)
        await database.execute(_DAYS, today - timedelta(ago), FINAL_AGE_DAYS)
        if ago % 10 == 0:
            await database.fetch("VACUUM ANALYZE daily_metric, daily_metric_revision")


async def report(title: str, database: Database, sizes: str, cells: int) -> None:
    total = 0.0
    for table in ("daily_metric", "daily_metric_revision"):
        [row] = await database.fetch(sizes, table)
        rows, indexes = (int(size) / cells for size in row)
        total += rows + indexes
        print(f"| {title}: {table} | {rows:.0f} | {indexes:.0f} | {rows + indexes:.0f} |")
    print(f"| {title}: together | | | {total:.0f} |")


async def main(profiles: int, days: int) -> None:
    async with bench_dsn() as dsn, open_database(dsn) as database:
        timescaledb = await describe(database)
        started = time.perf_counter()
        await fill(database, profiles, days)
        print(f"{profiles} profiles x {days} days replayed in {time.perf_counter() - started:.0f} s\n")
        print("| bytes a profile and day | rows | indexes | together |\n|---|---:|---:|---:|")
        if not timescaledb:
            await report("rows", database, _ROWS, profiles * days)
            return
        await report("rows", database, _CHUNKS, profiles * days)
        for table in ("daily_metric", "daily_metric_revision"):
            await database.fetch("SELECT compress_chunk(c) FROM show_chunks($1::text::regclass) c", table)
        await report("columnstore", database, _CHUNKS, profiles * days)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    uvloop.run(main(options.profiles, options.days))
