"""Pages that are read from a real standby, which falls behind and goes away."""

from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from collector.config import Role
from collector.errors import DatabaseUnavailableError
from collector.store.leader import LeaderStore
from collector.store.pool import Database, open_database, open_for_pages
from collector.store.standby import MAY_BE_OLD, Standby, StandbyFirst
from collector.telemetry import DATABASE_UP, REGISTRY
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.profiles import register
from tests.support.publishing import until
from tests.support.standby import standby

PAGES = (
    "/", "/pulse", "/client?name=acme", "/profiles/1", "/drops", "/pins", "/operations", "/metrics/profiles",
    "/api/v1/status", "/api/v1/profiles", "/api/v1/clients", "/api/v1/pins", "/api/v1/drops",
    "/api/v1/gaps?client=acme",
)  # fmt: skip
PROFILE = "/api/v1/profiles/1"


async def shown(session: aiohttp.ClientSession, page: str) -> str:
    async with session.get(page) as response:
        text = await response.text()
        assert response.status == 200, (page, text)
    return text


async def test_pages_come_from_the_standby_and_from_the_primary_after_a_change_and_once_it_is_gone(
    database: Database, dsn: str, ayrshare: Ayrshare, tmp_path: Path
) -> None:
    await register(database, ayrshare, 3)
    async with AsyncExitStack() as servers, AsyncExitStack() as visitors:
        second_dsn = await servers.enter_async_context(standby(dsn, tmp_path / "standby"))
        second = await servers.enter_async_context(open_database(second_dsn))
        address = await visitors.enter_async_context(
            daemon(database, dsn, ayrshare, Role.EXPORTER, database_read_url=SecretStr(second_dsn))
        )
        session, other = [
            await visitors.enter_async_context(
                aiohttp.ClientSession(f"http://{address}", cookie_jar=aiohttp.CookieJar(unsafe=True))
            )
            for _ in range(2)
        ]
        await until(lambda: answers(session, "/metrics/profiles"))
        for page in PAGES:
            await shown(session, page)
        await second.execute("SELECT pg_wal_replay_pause()")
        await database.execute("UPDATE profile SET ref_id = 'of the primary' WHERE id = 1")
        assert "of the primary" not in await shown(session, PROFILE), "the standby does not have it yet"
        async with session.post(f"{PROFILE}/pause", json={}) as response:
            assert response.status == 200, await response.text()
        assert "of the primary" in await shown(session, PROFILE), "who changed something sees it"
        assert "of the primary" not in await shown(other, PROFILE)
        assert await reads_of_a_late_one(database, second)
        await servers.aclose()
        assert "of the primary" in await shown(other, PROFILE)
        for page in PAGES:
            await shown(other, page)


async def answers(session: aiohttp.ClientSession, page: str) -> bool:
    async with session.get(page) as response:
        return response.status == 200


async def reads_of_a_late_one(database: Database, second: Database) -> bool:
    """Tell whether a standby that is too far behind is left alone, by what is read of a profile."""
    late = Standby(second, most_lag_seconds=0.0)
    await late.look()
    MAY_BE_OLD.set(True)
    ref_id: str = await StandbyFirst(database, late, second).fetchval("SELECT ref_id FROM profile WHERE id = 1")
    return ref_id == "of the primary"


async def test_a_standby_that_breaks_a_statement_off_is_left_alone_for_a_while(database: Database, dsn: str) -> None:
    await LeaderStore(database, owner="me").lead(["expiry"], seconds=60.0)
    async with open_for_pages(dsn, standby=True) as reads:
        standby = Standby(reads)
        await standby.look()
        MAY_BE_OLD.set(True)
        both = StandbyFirst(database, standby, reads)
        assert await pid_of(both) != await pid_of(database)
        with pytest.raises(DatabaseUnavailableError):
            await both.execute("DO $$ BEGIN RAISE 'conflict with recovery' USING ERRCODE = '40001'; END $$")
        await standby.look()
        assert await pid_of(both) == await pid_of(database)


async def test_what_was_promoted_by_itself_and_is_left_behind_is_no_standby(database: Database) -> None:
    standby = Standby(database)
    await LeaderStore(database, owner="me").lead(["expiry"], seconds=6.0)
    await standby.look()
    assert standby.well, "the primary itself may be named"
    await database.execute("UPDATE leader SET lease_until = lease_until - interval '1 minute'")
    await standby.look()
    assert not standby.well


async def test_a_standby_says_nothing_of_whether_the_database_is_up(dsn: str) -> None:
    async with open_for_pages(dsn, standby=True) as reads:
        for up in (0, 1):
            DATABASE_UP.set(up)
            await reads.fetchval("SELECT 1")
            with pytest.raises(DatabaseUnavailableError):
                await reads.execute("DO $$ BEGIN RAISE 'away' USING ERRCODE = '57P01'; END $$")
            assert REGISTRY.get_sample_value("collector_database_up") == up


async def pid_of(database: Database) -> int:
    """Return which session of the server reads; it is the one of a pool that nobody else uses."""
    return int(await database.fetchval("SELECT pg_backend_pid()"))
