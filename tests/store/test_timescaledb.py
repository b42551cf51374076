"""Tests that need TimescaleDB; without it they are skipped with the reason."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from collector.migrate import migrate
from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics
from collector.models.outcome import Success
from collector.models.poll import Claim, PollRecord
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database, connected
from tests.support.databases import plain_migrations, stop_policies

pytestmark = [pytest.mark.timescaledb, pytest.mark.usefixtures("timescaledb")]

TODAY = datetime.now(UTC).date()
FLEET = "SELECT * FROM fleet_day ORDER BY day"
SOURCES = """
SELECT DISTINCT view_name AS view
FROM information_schema.view_table_usage
WHERE table_name IN ('weekly_metric_aggregate', 'fleet_day_aggregate')
"""


async def test_the_tables_are_hypertables_with_their_chunk_intervals(dsn: str) -> None:
    async with connected(dsn) as connection:
        rows = await connection.fetch(
            "SELECT hypertable_name, column_name, time_interval FROM timescaledb_information.dimensions "
            "WHERE hypertable_schema = 'public'"
        )
    found = {row["hypertable_name"]: (row["column_name"], row["time_interval"].days) for row in rows}
    assert found == {
        "daily_metric": ("day", 90),
        "daily_metric_revision": ("superseded_at", 30),
        "account_snapshot": ("observed_at", 30),
        "pin_metric": ("observed_at", 30),
        "poll_log": ("polled_at", 7),
    }


async def test_policies_compress_behind_the_horizon_and_drop_only_the_poll_log(dsn: str) -> None:
    async with connected(dsn) as connection:
        jobs = await connection.fetch(
            "SELECT proc_name, hypertable_name, config FROM timescaledb_information.jobs "
            "WHERE hypertable_name IS NOT NULL"
        )
        settings = await connection.fetch(
            "SELECT hypertable::text AS name, segmentby FROM timescaledb_information.hypertable_columnstore_settings"
        )
    columnstore = {job["hypertable_name"] for job in jobs if job["proc_name"] == "policy_compression"}
    assert columnstore == {"daily_metric", "daily_metric_revision", "account_snapshot", "pin_metric"}
    retention = {job["hypertable_name"]: job["config"] for job in jobs if job["proc_name"] == "policy_retention"}
    assert list(retention) == ["poll_log"]
    assert '"90 days"' in retention["poll_log"]
    assert {row["name"]: row["segmentby"] for row in settings}["daily_metric"] == "profile_id"
    assert [job["proc_name"] for job in jobs if job["proc_name"] == "policy_refresh_continuous_aggregate"]


async def test_weekly_metric_reads_the_continuous_aggregate_and_what_came_after_it(empty_dsn: str) -> None:
    # In a database of its own: emptying the days does not empty what was materialized of them.
    monday = TODAY - timedelta(days=TODAY.weekday() + 28)
    async with connected(empty_dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
        await add_profile(connection)
        await add_days(connection, monday, 7, impression=10)
        assert await weeks(connection) == {monday: 70}
        await connection.execute("CALL refresh_continuous_aggregate('weekly_metric_aggregate', NULL, NULL)")
        await add_days(connection, monday + timedelta(days=21), 2, impression=5)
        assert await weeks(connection) == {monday: 70, monday + timedelta(days=21): 10}
        await connection.execute("UPDATE daily_metric SET impression = 20 WHERE day = $1", monday)
        await connection.execute("CALL refresh_continuous_aggregate('weekly_metric_aggregate', NULL, NULL)")
        assert (await weeks(connection))[monday] == 80


async def test_a_filled_plain_database_is_converted_in_place(empty_dsn: str, tmp_path: Path) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=plain_migrations(tmp_path))
        await add_profile(connection)
        await add_days(connection, TODAY - timedelta(days=400), 400, impression=7)
        await connection.execute(
            "INSERT INTO daily_metric_revision (profile_id, day, revision, observed_at, last_seen_at, superseded_at) "
            "SELECT profile_id, day, 1, day, day + 1, day + 2 FROM daily_metric"
        )
        before = await weeks(connection), await connection.fetch(FLEET)
        await connection.execute(
            "INSERT INTO pin_metric VALUES (1, 1, now() - interval '100 days', 5), (1, 1, now(), 9)"
        )
        assert await migrate(connection) == ["0005_timescaledb.sql", "0014_pin_metric_timescaledb.sql", "views"]
        assert await connection.fetchval("SELECT max(impression) - min(impression) FROM pin_metric") == 4
        assert await connection.fetchval("SELECT sum(impression) FROM daily_metric") == 2800
        assert await connection.fetchval("SELECT count(*) FROM daily_metric_version") == 800
        chunks = await connection.fetchval("SELECT count(*) FROM show_chunks('daily_metric')")
        assert chunks >= 5
        assert (await weeks(connection), await connection.fetch(FLEET)) == before
        sources = await connection.fetch(SOURCES)
        assert {row["view"] for row in sources} == {"week_sum", "fleet_day"}


async def test_a_chunk_in_the_columnstore_still_takes_a_restated_day(dsn: str) -> None:
    old = TODAY - timedelta(days=300)
    async with connected(dsn) as connection:
        await add_profile(connection)
        await add_days(connection, old, 3, impression=1)
        for chunk in await connection.fetch("SELECT show_chunks('daily_metric') AS name"):
            await connection.execute(f"CALL convert_to_columnstore('{chunk['name']}')")
        await connection.execute("UPDATE daily_metric SET impression = 9 WHERE profile_id = 1 AND day = $1", old)
        assert await connection.fetchval("SELECT sum(impression) FROM daily_metric") == 11


@pytest.mark.parametrize(
    "query",
    [
        *(
            f"SELECT * FROM daily_metric_version ORDER BY profile_id, {column}, day"
            for column in ("day", "revision", "observed_at", "last_seen_at", "last_seen_at DESC", "superseded_at")
        ),
        "SELECT * FROM daily_metric_version ORDER BY profile_id, day, revision",
        "SELECT FROM daily_metric_version a JOIN daily_metric_version b USING (profile_id, day, revision)",
        "SELECT lead(day) OVER (PARTITION BY profile_id, day ORDER BY revision) FROM daily_metric_version",
    ],
)
async def test_versions_in_the_columnstore_can_be_sorted_and_joined(dsn: str, query: str) -> None:
    async with connected(dsn) as connection:
        await add_profile(connection)
        await add_days(connection, TODAY - timedelta(days=300), 3, impression=1)
        await connection.execute(
            "INSERT INTO daily_metric_revision (profile_id, day, revision, observed_at, last_seen_at, superseded_at) "
            "SELECT profile_id, day, 0, day, day, day FROM daily_metric"
        )
        for table in ("daily_metric", "daily_metric_revision"):
            await connection.fetch(f"SELECT compress_chunk(c) FROM show_chunks('{table}') c")
        assert len(await connection.fetch(query)) == 6


async def test_a_restated_day_in_a_large_chunk_of_the_columnstore_unpacks_its_own_profile_only(
    database: Database,
) -> None:
    # More rows than TimescaleDB unpacks in one transaction.
    profiles, days = 1700, 90
    await database.execute(
        "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, last_day) "
        "SELECT 'p-' || i, 'c', 'x', int8send(i), now()::date - 1 FROM generate_series(1, $1::bigint) i",
        profiles,
    )
    await database.execute("INSERT INTO daily_metric (profile_id, day, impression) VALUES (1, now()::date - 400, 5)")
    [chunk] = await database.fetch("SELECT range_start::date AS first FROM timescaledb_information.chunks")
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) "
        "SELECT p, $2::date + d, 5 FROM generate_series(1, $1::bigint) p, generate_series(0, $3::integer - 1) d "
        "ON CONFLICT DO NOTHING",
        profiles, chunk["first"], days,
    )  # fmt: skip
    await database.fetch("SELECT compress_chunk(c) FROM show_chunks('daily_metric') c")
    restated = [
        DayMetrics(day=chunk["first"] + timedelta(days=i), metrics=Metrics(impression=5 + (i == 40))) for i in range(90)
    ]
    leases = LeaseStore(database, owner="me", seconds=60.0)
    claims = await leases.claim_due(100)
    records = [polled(claim, restated if claim.profile_id == 7 else restated[:40]) for claim in claims]
    written = await MetricStore(database).write_polls(records)
    assert len(written) == 100
    assert {each.profile_id for each in written if each.rows_changed or each.rows_new} == {7}
    changed = await database.fetch("SELECT profile_id, day, revision FROM daily_metric WHERE impression = 6")
    assert [tuple(row) for row in changed] == [(7, restated[40].day, 2)]
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == profiles * days
    [unpacked] = await database.fetch("SELECT c::text AS name FROM show_chunks('daily_metric') c")
    assert await database.fetchval(f"SELECT count(*) FROM ONLY {unpacked['name']}") <= 90


def polled(claim: Claim, days: list[DayMetrics]) -> PollRecord:
    return PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=Success.OK,
        duration_seconds=0.1,
        next_poll_in=3600.0,
        analytics=AccountAnalytics(window=Metrics(), days=tuple(days)),
        known_through=claim.last_day,
    )


async def add_profile(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint) VALUES ('p', 'c', 'x', 'y')"
    )


async def add_days(connection: asyncpg.Connection, first: date, count: int, *, impression: int) -> None:
    await connection.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) "
        "SELECT 1, $1::date + i, $3 FROM generate_series(0, $2 - 1) i",
        first,
        count,
        impression,
    )


async def weeks(connection: asyncpg.Connection) -> dict[date, int]:
    rows = await connection.fetch("SELECT week, impression FROM weekly_metric ORDER BY week")
    return {row["week"]: row["impression"] for row in rows}
