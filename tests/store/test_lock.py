"""The locks of writers: one at a time, and a waiter says what it waits for."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from collector.migrate import migrate
from collector.store.lock import Lock, take
from collector.store.pool import Database, connected
from tests.support.databases import plain_migrations

PATIENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.telemetry._ANNOUNCED_AFTER_SECONDS", 0.05)


async def line(logs: Sequence[EventDict]) -> EventDict:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not logs:
            await asyncio.sleep(0.01)
    return logs[0]


async def test_a_waiter_says_what_it_waits_for_and_how_to_find_who_has_it(database: Database) -> None:
    with capture_logs() as logs:
        async with database.transaction() as holder:
            await take(Lock.REGISTRY, holder)

            async def second() -> None:
                async with database.transaction() as connection:
                    await take(Lock.REGISTRY, connection)

            waiting = asyncio.create_task(second())
            said = await line(logs)
            [found] = await database.fetch(said["held_by"])
            assert not waiting.done()
            assert found["pid"] == holder.get_server_pid()
        await waiting
    assert said["event"] == "waits for another session"
    assert said["until"] == "it gives back the lock registry"


async def test_locks_of_different_names_do_not_meet(database: Database) -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE_SECONDS), database.transaction() as one, database.transaction() as other:
            await take(Lock.REGISTRY, one)
            await take(Lock.FLEET_DROP, other)
    assert not logs


async def test_a_migration_says_that_another_is_under_way(empty_dsn: str) -> None:
    with capture_logs() as logs:
        async with connected(empty_dsn) as holder, connected(empty_dsn) as connection:
            async with holder.transaction():
                await holder.execute("CREATE TABLE schema_migration (name text PRIMARY KEY)")
                waiting = asyncio.create_task(migrate(connection))
                said = await line(logs)
                await holder.execute("DROP TABLE schema_migration")
            applied = await waiting
    assert said["until"] == "the other migration has ended"
    assert "0001_profile.sql" in applied


async def test_a_migration_says_that_somebody_reads_a_view_that_is_replaced(
    empty_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = plain_migrations(tmp_path_factory.mktemp("changed"))
    async with connected(empty_dsn) as reader, connected(empty_dsn) as connection:
        await migrate(connection, folder=folder)
        (folder / "views" / "99_more.sql").write_text("CREATE VIEW more AS SELECT 1 AS one;")
        with capture_logs() as logs:
            async with reader.transaction():
                await reader.fetch("SELECT * FROM profile_status")
                waiting = asyncio.create_task(migrate(connection, folder=folder))
                said = await line(logs)
            await waiting
    assert said["until"] == "it has read the view profile_status"
