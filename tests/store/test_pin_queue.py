"""The queue with many pins: its plans, many lanes at once, and an outage of the database."""

import json
from pathlib import Path

from collector.embedded import embedded
from collector.migrate import migrate
from collector.store import pin_queue
from collector.store.pin_import import PinImporter
from collector.store.pool import Database, connected, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.databases import BINDIR
from tests.support.plans import scans_of
from tests.support.profiles import register
from tests.support.publishing import pin, posts, settled, settled_in_spite_of_outages, until, working

FINISHED = """
INSERT INTO pin (profile_id, client_ref, media_urls, state, attempts, published_at)
SELECT 1 + i % 50, 'old-' || i, '{https://images.example.com/a.jpg}', 'published', 1, now()
FROM generate_series(1, 60000) i
"""


async def test_a_claim_walks_indexes_however_many_pins_were_published(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 50)
    await database.execute(FINISHED)
    async with database.connection() as connection:
        # The queue is empty when it is analysed, which misleads the planner most.
        await connection.execute("VACUUM ANALYZE pin")
    await PinImporter(database).enqueue_all([(i, pin(f"client-{1 + i % 50:03d}", f"{i}")) for i in range(200)])
    claims, _ = await pin_queue.PinQueue(database, owner="me", seconds=60.0).claim(64)
    assert len(claims) == 50
    for sql, arguments in (
        (pin_queue.LOCK_DUE_LANES, (64,)),
        (pin_queue.CLAIM_OLDEST, ([1, 2, 3], "me", 60.0)),
        (pin_queue.LOCK_LANES_OF_PINS, ([1, 2, 3],)),
    ):
        plan = json.loads(await database.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))
        scans = set(scans_of(plan[0]["Plan"]))
        assert ("Seq Scan", "pin") not in scans, sql
        assert ("Index Scan", "pin_settled_idx") not in scans, sql


async def test_many_profiles_publish_at_the_same_time(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 50)
    await ayrshare.fault("*", "latency", endpoint="/post", seconds=0.3)
    await PinImporter(database).enqueue_all([(i, pin(f"client-{1 + i:03d}", "a")) for i in range(50)])
    async with working(database, ayrshare):
        await until(lambda: settled(database))
    record = await ayrshare.record()
    assert len(await posts(ayrshare)) == 50
    assert record["max_in_flight"] > 25, "one slow call must not wait for another profile's"


async def test_a_database_that_goes_away_loses_nothing_and_sends_nothing_twice(
    tmp_path: Path, ayrshare: Ayrshare
) -> None:
    folder = tmp_path / "own"
    async with embedded(folder, bindir=BINDIR) as dsn, open_database(dsn) as database:
        async with connected(dsn) as connection:
            await migrate(connection)
        await register(database, ayrshare, 20)
        await ayrshare.fault("*", "latency", endpoint="/post", seconds=0.1)
        await PinImporter(database).enqueue_all([(i, pin(f"client-{1 + i % 20:03d}", f"{i}")) for i in range(200)])
        async with working(database, ayrshare, lease=30.0):
            await until(lambda: some_posts(ayrshare, 30))
            async with connected(dsn) as connection:
                # As when an operator restarts it: every connection breaks, with calls under way.
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            await until(lambda: settled_in_spite_of_outages(database), seconds=60.0)
        assert await database.fetchval("SELECT count(*) FROM pin WHERE state = 'published'") == 200
    notes = [post["notes"] for post in await posts(ayrshare)]
    assert len(notes) == len(set(notes)) == 200


async def some_posts(ayrshare: Ayrshare, count: int) -> bool:
    return len(await posts(ayrshare)) >= count
