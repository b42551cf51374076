"""Refusals heard while publishing: of one profile they park it, of a large share of the fleet nobody."""

import itertools

import pytest

from collector.loops import claiming
from collector.loops import gate as gate_module
from collector.loops import recall as recall_module
from collector.loops.gate import Hold
from collector.publish import decision
from collector.store.pin import PinStore
from collector.store.pin_import import PinImporter
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register
from tests.support.publishing import Worker, count_of, pin, posts, settled, states, truth, until, working

PROFILES = 40
# Refused before it could be seen that everybody is: fewer than ten answers, and those of calls under way at that time.
PARKED = "SELECT count(*) FROM profile WHERE state <> 'active'"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.2)
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.05)
    monkeypatch.setattr(decision, "_FIRST_DOUBT_WAIT", 0.1)
    monkeypatch.setattr(recall_module, "_RECALL_SECONDS", 0.0)


async def queue_one_each(database: Database, ayrshare: Ayrshare, *, read_before: bool = True) -> None:
    await register(database, ayrshare, PROFILES)
    await database.execute("UPDATE profile SET next_poll_at = now() + interval '6 hours'")
    if read_before:
        await database.execute("UPDATE profile SET last_day = current_date")
    await PinImporter(database).enqueue_all([(i, pin(f"client-{i:03d}", f"{i}")) for i in range(1, PROFILES + 1)])


def held(worker: Worker) -> bool:
    return worker.gate.hold is Hold.FLEET_REFUSED


@pytest.mark.parametrize("fault", ["suspended", "unlinked", "bad_key"])
async def test_a_verdict_that_the_fleet_gets_parks_nobody_and_all_are_back_when_it_ends(
    database: Database, ayrshare: Ayrshare, fault: str
) -> None:
    await queue_one_each(database, ayrshare)
    await ayrshare.fault("*", fault, endpoint="/post")
    async with working(database, ayrshare) as worker:
        await until(lambda: truth(database, "SELECT max(failures) >= 2 FROM pin_lane"))
        assert held(worker)
        assert await database.fetchval(PARKED) < 10
        assert (await PinStore(database).summary()).paused["fleet_refused"] > 20
        await database.execute("UPDATE pin_lane SET due_at = now() + interval '1 h' WHERE failures BETWEEN 1 AND 2")
        assert await count_of(database, "queued", PROFILES)
        assert await truth(database, "SELECT bool_or(detail LIKE 'not believed%') FROM pin_attempt")
        await ayrshare.heal()
        # The poller asks those that were parked, at once.
        await until(lambda: truth(database, f"SELECT ({PARKED} AND next_poll_at > now() + interval '1 min') = 0"))
        await database.execute("UPDATE profile SET state = 'active'")
        await until(lambda: settled(database))
        assert not held(worker)
    assert set((await states(database)).values()) == {"published"}
    assert len(await posts(ayrshare)) == PROFILES


async def test_new_profiles_with_wrong_keys_hold_nobody_up(database: Database, ayrshare: Ayrshare) -> None:
    await queue_one_each(database, ayrshare, read_before=False)
    for number in range(1, 16):
        await ayrshare.fault(f"client-{number:03d}", "bad_key", endpoint="/post")
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "published", PROFILES - 15))
        await until(lambda: truth(database, f"SELECT ({PARKED}) = 15"))
        assert not held(worker)


async def test_profiles_that_stay_refused_while_others_publish_are_believed_in_the_end(
    database: Database, ayrshare: Ayrshare
) -> None:
    await queue_one_each(database, ayrshare)
    for number in range(1, 16):
        await ayrshare.fault(f"client-{number:03d}", "unlinked", endpoint="/post")
    more = itertools.count()

    async def parked() -> bool:
        await PinStore(database).enqueue(pin("client-040", f"more {next(more)}"))
        return await truth(database, f"SELECT ({PARKED}) = 15")

    async with working(database, ayrshare):
        await until(parked, seconds=60.0)
    assert await truth(database, "SELECT count(*) = 15 FROM pin WHERE state = 'queued' AND profile_id <= 15")
