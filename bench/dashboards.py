"""Measures the dashboards' queries on 10,000 profiles and a year of days: the median of five, warm.

The database is filled in SQL with a year's rows: days, former versions, snapshots, drops, expected days, pins and
their attempts. Each query runs as the role that Grafana uses, with the time range that its dashboard opens
with and with a year; a dashboard that can show all clients shows them. COLLECTOR_PG_BINDIR chooses the server:
with TimescaleDB a query may take 300 ms, without it a second.
"""

import argparse
import json
import re
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.support import bench_dsn, describe
from collector.store.pool import Database, connected, open_database
from collector.store.role import GRAFANA
from grafana.builder.__main__ import FOLDER
from grafana.queries import expand
from grafana.queries.expand import Choice, Window
from grafana.queries.targets import Query, queries

FILL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
ROUNDS = 5
DAYS = 365
LIMIT_MS = {True: 300.0, False: 1000.0}
_SINCE = re.compile(r"now-(\d+)([hd])")

# The work that TimescaleDB's policies would do within an hour.
_HYPERTABLES = """
SELECT format('CALL convert_to_columnstore(%L)', c)
FROM show_chunks('daily_metric', older_than => INTERVAL '90 days') AS c
UNION ALL
SELECT format('CALL refresh_continuous_aggregate(%L, NULL, CURRENT_DATE - %s)', name, days)
FROM (VALUES ('fleet_day_aggregate', 4), ('weekly_metric_aggregate', 14)) AS a (name, days)
"""


async def fill(database: Database, profiles: int, *, timescaledb: bool) -> None:
    started = time.perf_counter()
    async with database.connection() as connection:
        await connection.execute(f"SET bench.profiles = {profiles}; {FILL}", timeout=900)
        if timescaledb:
            for row in await connection.fetch(_HYPERTABLES):
                await connection.execute(row[0], timeout=900)
        await connection.execute("VACUUM ANALYZE", timeout=900)
        days = await connection.fetchval("SELECT count(*) FROM daily_metric")
    print(f"{profiles} profiles, {days} days, filled in {time.perf_counter() - started:.0f} s")


def choices(board: str) -> dict[str, Choice]:
    return {
        "client": Choice.one("client-0007") if board == "client" else Choice.everything("''"),
        "profile": Choice.everything("''"),
        "metric": Choice.one("engagement"),
        "compare": Choice.one("client-0008"),
        "search": Choice.one(""),
        "page": Choice.one("2"),
        "day": Choice.one(str(datetime.now(UTC).date() - timedelta(days=5))),
    }


async def milliseconds(reader: asyncpg.Connection, query: Query, board: str, length: timedelta) -> float:
    now = datetime.now(UTC)
    text = expand.sql(query.text, Window(now - length, now), choices(board))
    taken = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        await reader.fetch(text, timeout=60)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[1:])


def opened_with(dashboard: dict[str, Any]) -> timedelta:
    found = _SINCE.fullmatch(dashboard["time"]["from"])
    assert found is not None
    return timedelta(hours=int(found[1])) if found[2] == "h" else timedelta(days=int(found[1]))


async def measure(reader: asyncpg.Connection, limit_ms: float) -> int:
    """Print a line for each query, and return how many took too long."""
    missed = 0
    print(f"{'dashboard':<11} {'query':<34} {'as opened':>11} {'a year':>11}   within {limit_ms:.0f} ms")
    for path in sorted(FOLDER.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for query in (each for each in queries(dashboard) if each.language == "sql"):
            usual = await milliseconds(reader, query, path.stem, opened_with(dashboard))
            year = await milliseconds(reader, query, path.stem, timedelta(days=DAYS))
            missed += max(usual, year) > limit_ms
            verdict = "MISS" if max(usual, year) > limit_ms else "pass"
            print(f"{path.stem:<11} {query.name:<34} {usual:8.0f} ms {year:8.0f} ms   {verdict}")
    return missed


async def main(profiles: int) -> int:
    async with bench_dsn() as dsn:
        async with open_database(dsn) as database:
            timescaledb = await describe(database)
            await fill(database, profiles, timescaledb=timescaledb)
        scheme, _, rest = dsn.partition("://")
        async with connected(f"{scheme}://{GRAFANA}@{rest.partition('@')[2]}") as reader:
            missed = await measure(reader, LIMIT_MS[timescaledb])
    print(f"{missed} missed" if missed else "all pass")
    return missed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=10_000)
    raise SystemExit(min(1, uvloop.run(main(parser.parse_args().profiles))))
