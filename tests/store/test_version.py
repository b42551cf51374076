"""Versions of days: what was known at some moment, and how it is found."""

from collector.store.pool import Database

# Enough that each way but the index is dearer, whatever the statistics.
_FILL = """
WITH day AS MATERIALIZED (
    SELECT profile_id, '2026-01-01'::date + number AS day
    FROM generate_series(1, 200) AS profile_id
    CROSS JOIN generate_series(0, 29) AS number
),
present AS (
    INSERT INTO daily_metric (profile_id, day, revision) SELECT profile_id, day, 2 FROM day
)
INSERT INTO daily_metric_revision (profile_id, day, revision, observed_at, last_seen_at)
SELECT profile_id, day, 1, now(), now() FROM day
"""


async def test_a_condition_on_profile_and_day_reaches_the_indexes_of_both_tables(database: Database) -> None:
    await database.execute(_FILL)
    await database.execute("ANALYZE")
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.fetch(
            "EXPLAIN (COSTS OFF) SELECT v.* FROM profile p JOIN daily_metric_as_of(now()) v ON v.profile_id = p.id "
            "WHERE p.name = 'one' AND v.day = '2026-01-01'"
        )
    plan = "\n".join(row[0] for row in rows)
    assert "Function Scan" not in plan
    assert plan.count("Index Cond: ((profile_id = p.id) AND (day = '2026-01-01'::date))") == 2, plan
