"""The daemon behind a real PgBouncer in transaction mode, which is restarted under it."""

from collections import Counter
from pathlib import Path

import aiohttp

from collector.config import Role
from collector.store.pin import PinStore
from collector.store.pool import Database, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.pgbouncer import pgbouncer
from tests.support.profiles import ENCRYPTION_KEY, register
from tests.support.program import Program
from tests.support.publishing import count_of, pin, posts, until

ROLES = (Role.POLLER, Role.PUBLISHER, Role.TRACKER, Role.EXPORTER, Role.DETECTOR)
PAGES = ("/", "/profiles/1", "/operations", "/pins", "/api/v1/status", "/metrics/profiles")


async def polled(database: Database, polls: int) -> bool:
    """Tell whether each of the twelve profiles was read so often."""
    rows = await database.fetch(
        "SELECT count(*) AS polls FROM poll_log WHERE outcome IN ('ok', 'unchanged') GROUP BY profile_id"
    )
    return len(rows) == 12 and min(row["polls"] for row in rows) >= polls


async def test_all_works_through_a_pooler_in_transaction_mode_and_outlives_its_restart(
    database: Database, dsn: str, ayrshare: Ayrshare, tmp_path: Path
) -> None:
    await register(database, ayrshare, 12)
    async with pgbouncer(dsn, tmp_path) as (bouncer, through):
        for number in range(3):
            await PinStore(database).enqueue(pin(f"client-{number + 1:03d}", f"{number}"))
        async with (
            open_database(through) as pool,
            daemon(pool, through, ayrshare, *ROLES, poll_interval=1.0) as address,
            aiohttp.ClientSession(f"http://{address}") as session,
        ):
            await until(lambda: polled(database, 2), 60.0)
            await until(lambda: count_of(database, "published", 3))
            for page in PAGES:
                async with session.get(page) as response:
                    assert response.status == 200, page
                    assert "cannot be used" not in await response.text(), page
            await bouncer.kill()
            await until(lambda: ready(session, is_ready=False))
            await PinStore(database).enqueue(pin("client-004", "queued meanwhile"))
            before = await database.fetchval("SELECT count(*) / 12 FROM poll_log")
            await bouncer.start()
            await until(lambda: polled(database, before + 3), 60.0)
            await until(lambda: count_of(database, "published", 4))
            await until(lambda: ready(session, is_ready=True))
        collector = Program(tmp_path, ENCRYPTION_KEYS=ENCRYPTION_KEY)
        assert (await collector("status", DATABASE_URL=through)).code == 0
    live = Counter(each["notes"].partition("#")[0] for each in await posts(ayrshare))
    assert set(live.values()) == {1}


async def ready(session: aiohttp.ClientSession, *, is_ready: bool) -> bool:
    async with session.get("/readyz") as response:
        return (response.status == 200) is is_ready


async def test_an_address_that_does_not_tell_of_the_pooler_is_explained(dsn: str, tmp_path: Path) -> None:
    async with pgbouncer(dsn, tmp_path) as (_, through):
        collector = Program(tmp_path, ENCRYPTION_KEYS=ENCRYPTION_KEY, DATABASE_URL=through.partition("?")[0])
        told = await collector("status")
    assert told.code == 4
    assert "this is PgBouncer, not a server; add pooler=transaction to COLLECTOR_DATABASE_URL" in told.err
