"""A profile's quota of posts in a month: what uses it up, and how its pins wait."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest

from collector.emulator import EmulatorConfig, serve
from collector.store.listing import Listing, PinFilter
from collector.store.pin import PinStore
from collector.store.pin_import import PinImporter
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register
from tests.support.publishing import (
    count_of,
    ended,
    pin,
    posts,
    settled,
    states,
    truth,
    until,
    with_policy,
    working,
)

WAITS_UNTIL_THE_FIRST = """
SELECT paused_reason = 'quota' AND not_before >= quota_reset_at()
    AND not_before <= quota_reset_at() + interval '6 minutes'
FROM pin_lane
"""
NOW = "UPDATE pin_lane SET due_at = now(), not_before = NULL"


@pytest.fixture
async def stingy() -> AsyncIterator[Ayrshare]:
    """An emulator whose profiles may post three times a month."""
    config = EmulatorConfig(profiles=2, days=1, monthly_quota=3)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        yield Ayrshare(url, config, session)


async def test_pins_that_are_due_and_wait_for_their_profile_are_late(database: Database, stingy: Ayrshare) -> None:
    await register(database, stingy, 2)
    store = PinStore(database)
    later = msgspec.structs.replace(pin("client-001", "later"), publish_at=datetime.now(UTC) + timedelta(days=1))
    await PinImporter(database).enqueue_all([(1, pin("client-001", "due")), (2, later), (3, pin("client-002", "goes"))])
    await database.execute(
        "INSERT INTO pin_lane (profile_id, paused_reason, paused_since) VALUES (1, 'unlinked', now())"
    )

    assert (await store.summary()).late == 1


async def test_a_profile_whose_quota_is_used_up_waits_for_the_next_month(database: Database, stingy: Ayrshare) -> None:
    await register(database, stingy, 2)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(5)])
    await store.enqueue(pin("client-002", "other"))
    async with working(database, stingy):
        await until(lambda: count_of(database, "published", 4))
        await until(lambda: truth(database, "SELECT paused_reason = 'quota' FROM pin_lane WHERE profile_id = 1"))
        assert await truth(database, f"{WAITS_UNTIL_THE_FIRST} WHERE profile_id = 1")
        summary = await store.summary()
        assert (summary.paused, summary.late) == ({"quota": 1}, 2)
        assert await truth(database, "SELECT sum(rate_limited_count) = 0 FROM profile"), "nothing that suspends"
        assert await truth(database, "SELECT bool_and(state = 'active') FROM profile")
        [first, second, *_] = reversed(await Listing(database).pins(PinFilter()))
        assert (first.waits_for, second.waits_for) == (None, None)
        waiting = await Listing(database).pins(PinFilter(profile="client-001"), limit=2)
        assert [(each.waits_for, each.waits_until is not None) for each in waiting] == [("quota", True)] * 2
        await stingy.pass_time(32 * 86_400)
        await database.execute(NOW)
        await until(lambda: settled(database))
    assert set((await states(database)).values()) == {"published"}
    assert len(await posts(stingy)) == 6


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-11-24 12:00", "2026-12-01 00:07"),
        ("2026-12-31 23:59", "2027-01-01 00:07"),
        ("2026-12-01 00:01", "2026-12-01 00:11"),
        ("2026-12-01 00:30", "2026-12-01 00:40"),
        ("2026-12-01 01:30", "2027-01-01 00:07"),
    ],
)
async def test_the_quota_begins_anew_on_the_first(database: Database, now: str, reset: str) -> None:
    sql = await database.fetchval("SELECT pg_get_functiondef('quota_reset_at'::regproc)")
    body = sql.partition("RETURN")[2].partition("RETURN")[2].replace("now()", f"'{now}+00'::timestamptz")
    wanted = datetime.fromisoformat(reset).replace(tzinfo=UTC)
    assert await database.fetchval(f"SELECT {body}") == wanted


async def test_failures_that_only_the_history_tells_count_as_well(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "post_error", endpoint="/post", message="The image is too small.", times=8)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(13)])
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "published", 5))
        await database.execute("UPDATE pin_lane SET failed_pins = 8")
        # As if the answers had been lost.
        lost = "UPDATE pin SET state = 'unknown', next_look_at = now() WHERE id IN "
        await database.execute(f"{lost} (SELECT id FROM pin WHERE state = 'failed' ORDER BY id LIMIT 2)")
        await database.execute(
            "UPDATE pin_attempt SET outcome = 'unknown' WHERE pin_id IN (SELECT id FROM pin WHERE state = 'unknown')"
        )
        await worker.reconciler.run_once()
        assert await truth(database, "SELECT failed_pins = 10 AND paused_reason = 'failing' FROM pin_lane")
        await store.enqueue(pin("client-001", "waits"))
        assert (await store.summary()).paused == {"failing": 1}
        assert (await worker.queue.claim(10))[0] == []
        assert await truth(database, "SELECT not_before > now() + interval '23 h' FROM pin_lane")
        assert await store.resume(["client-001"]) == {"client-001": "active"}
        await until(lambda: settled(database))
    assert await count_of(database, "failed", 8)
    assert await truth(database, "SELECT failed_pins = 0 FROM pin_lane")


async def test_a_quota_that_hides_the_history_puts_the_check_off(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await ayrshare.fault("*", "quota", endpoint="/history")
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, policy=with_policy(requeue_absent=True, checks=(1.0,))) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await database.execute("UPDATE pin SET next_look_at = now()")
        await worker.reconciler.run_once()
    assert await states(database) == {"a": "unknown"}
    assert await truth(database, "SELECT next_look_at >= quota_reset_at() FROM pin")
    assert await truth(database, "SELECT rate_limited_count = 0 FROM profile")


async def test_a_history_that_is_rate_limited_holds_the_profile_for_the_window(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=2)
    await ayrshare.fault("*", "rate_limited", endpoint="/history")
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(0, pin("client-001", "a")), (1, pin("client-001", "b"))])
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 2))
        await database.execute("UPDATE pin SET next_look_at = now() WHERE id = 1")
        await worker.reconciler.run_once()
        await database.execute("UPDATE pin SET next_look_at = now()")
        await store.enqueue(pin("client-001", "c"))
        await worker.reconciler.run_once()
        # A post would be refused as well.
        await until(lambda: truth(database, "SELECT due_at > now() + interval '4 min 50 s' FROM pin_lane"))
    assert await states(database) == {"a": "unknown", "b": "unknown", "c": "queued"}
    assert (await ayrshare.record())["requests"]["GET /history"] == 1
    assert await truth(database, "SELECT rate_limited_count = 1 FROM profile")
    assert await truth(database, "SELECT min(next_look_at) > now() + interval '4 min 50 s' FROM pin WHERE id < 3")


async def test_a_publish_that_is_rate_limited_puts_checks_off_too(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await ayrshare.fault("*", "rate_limited", endpoint="/post")
        await PinStore(database).enqueue(pin("client-001", "b"))
        await until(lambda: ended(database, 2))
        await database.execute("UPDATE pin SET next_look_at = now() WHERE id = 1")
        await worker.reconciler.run_once()
    assert "GET /history" not in (await ayrshare.record())["requests"]
    assert await truth(database, "SELECT next_look_at > now() + interval '4 min 50 s' FROM pin WHERE id = 1")


async def test_a_profile_that_fails_ten_times_in_a_row_pauses_and_says_so(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "post_error", endpoint="/post", message="The image is too small.", times=9)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(22)])
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 13))
        assert await truth(database, "SELECT failed_pins = 0 FROM pin_lane"), "one that goes out ends the row"
        await ayrshare.fault("*", "post_error", endpoint="/post", message="The image is too small.")
        await PinImporter(database).enqueue_all([(i, pin("client-001", f"bad {i}")) for i in range(12)])
        await until(lambda: truth(database, "SELECT paused_reason = 'failing' FROM pin_lane"))
        assert await count_of(database, "failed", 19)
        assert (await store.summary()).paused == {"failing": 1}
        assert await truth(database, "SELECT paused_detail = 'The image is too small.' FROM pin_lane")
        assert await truth(database, "SELECT not_before > now() + interval '23 h' FROM pin_lane")
        await ayrshare.heal()
        assert await store.resume(["client-001"]) == {"client-001": "active"}
        await until(lambda: settled(database))
    assert await count_of(database, "published", 15)
