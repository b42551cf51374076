"""Work that one replica does for all: who does it, and who does when that one is gone."""

import asyncio
import json
from asyncio.subprocess import Process
from pathlib import Path
from signal import SIGKILL, SIGTERM

from collector.store.leader import LeaderStore, leaderships
from collector.store.pool import Database
from tests.support.profiles import ENCRYPTION_KEY
from tests.support.program import Program

# What is promised.
HANDOVER_SECONDS = 10.0
START_SECONDS = 30.0


async def until_led_by(database: Database, process: Process, *, but_not: str = "", seconds: float) -> str:
    """Wait until a process leads everything that is led, and return its name."""
    async with asyncio.timeout(seconds):
        while True:
            found = await leaderships(database)
            owners = {each.owner for each in found}
            if len(owners) == 1 and but_not not in owners and {each.work for each in found} == {"detector", "expiry"}:
                return owners.pop()
            assert process.returncode is None
            await asyncio.sleep(0.05)


async def test_the_leader_is_followed_within_ten_seconds_of_its_death_and_at_once_when_it_stops(
    database: Database, dsn: str, tmp_path: Path
) -> None:
    collector = Program(
        tmp_path, DATABASE_URL=dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY, ROLES="detector", HTTP_PORT="0", LOG_FORMAT="json"
    )
    async with collector.started("run") as first, collector.started("run") as second:
        dead = await until_led_by(database, first, seconds=START_SECONDS)
        async with asyncio.timeout(START_SECONDS):
            while await database.fetchval("SELECT count(*) FROM daemon") < 2:
                await asyncio.sleep(0.05)
        killed, survivor = (first, second) if f"-{first.pid}-" in dead else (second, first)
        killed.send_signal(SIGKILL)
        heir = await until_led_by(database, survivor, but_not=dead, seconds=HANDOVER_SECONDS)
        assert f"-{survivor.pid}-" in heir
        shown = await collector("status")
        assert f"leads detector: {heir}, since 20" in shown.out
        assert f"leads expiry: {heir}, since 20" in shown.out
        assert {each["owner"] for each in json.loads((await collector("status", "--json")).out)["leaders"]} == {heir}
        survivor.send_signal(SIGTERM)
        async with asyncio.timeout(HANDOVER_SECONDS):
            assert await survivor.wait() == 0
        assert await leaderships(database) == [], "the next one need not wait"


async def test_a_lease_from_before_the_servers_clock_was_set_back_holds_nobody_up(database: Database) -> None:
    await LeaderStore(database, owner="dead").lead(["detector"], seconds=6.0)
    await database.execute("UPDATE leader SET lease_until = lease_until + interval '3 days'")
    assert await LeaderStore(database, owner="heir").lead(["detector"], seconds=6.0) == {"detector"}
    assert await LeaderStore(database, owner="other").lead(["detector"], seconds=6.0) == frozenset()


async def test_who_began_first_and_comes_second_takes_no_lead_away(database: Database) -> None:
    await LeaderStore(database, owner="first").lead(["detector"], seconds=6.0)
    await database.execute("UPDATE leader SET lease_until = lease_until + interval '1 second'")
    assert await LeaderStore(database, owner="second").lead(["detector"], seconds=6.0) == frozenset()
