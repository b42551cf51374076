"""Pins that were not made here: found once a day, counted beside ours, and never twice."""

import msgspec
import pytest

from collector.ayrshare.native import parse_native_pins
from collector.models.result import PinNumbers
from collector.store.pool import Database
from collector.store.retention import expire
from collector.store.top_pin import PinRank, TopPin, TopPinStore, TopWish
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register
from tests.support.tracking import DAY_SECONDS, live, looking

LIST = "GET /history/pinterest"


async def published_before(ayrshare: Ayrshare, days: float, *notes: str) -> None:
    await ayrshare.pass_time(-days * DAY_SECONDS)
    for each in notes:
        await ayrshare.publish(notes=each)
    await ayrshare.pass_time(0.0)


async def top(database: Database) -> list[TopPin]:
    return await TopPinStore(database).top(TopWish(), PinRank.IMPRESSION, 100)


async def next_day(database: Database) -> None:
    await database.execute("UPDATE native_look SET next_at = now()")


async def test_pins_made_elsewhere_are_found_once_a_day_with_their_numbers(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await published_before(ayrshare, 8.0, "a", "b")
    await ayrshare.pass_time(-8.0 * DAY_SECONDS)
    await live(database, ayrshare, 1)
    await ayrshare.pass_time(0.0)
    await ayrshare.publish(notes="of today, so it may be one of ours that is being sent")
    async with looking(database, ayrshare) as look:
        await look.run_once()
        await look.run_once()
        found = await top(database)
        assert [(pin.native, pin.pin_id < 0) for pin in found] == [(True, True)] * 2
        assert all(pin.impression and pin.week_impression and pin.engagement is not None for pin in found)
        assert await TopPinStore(database).week_old(client=found[0].client, days=365) == []
        assert (await ayrshare.record())["requests"][LIST] == 1

        await next_day(database)
        await look.run_once()
        assert (await ayrshare.record())["requests"][LIST] == 2
        assert await database.fetchval("SELECT count(*) FROM pin_metric") == 2, "nothing new adds no row"
        await ayrshare.pass_time(9.0 * DAY_SECONDS)
        await next_day(database)
        await look.run_once()
        assert sum(pin.impression or 0 for pin in await top(database)) > sum(pin.impression or 0 for pin in found)
    assert await database.fetchval("SELECT count(*) FROM pin_metric") == 4


async def test_a_pin_that_turns_out_to_be_ours_is_not_counted_twice(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.pass_time(-8.0 * DAY_SECONDS)
    [ours] = await live(database, ayrshare, 1)
    await ayrshare.pass_time(0.0)
    known = await database.fetchval("UPDATE pin SET pinterest_pin_id = NULL WHERE id = $1 RETURNING ayrshare_id", ours)
    async with looking(database, ayrshare) as look:
        await look.run_once()
        assert len(await top(database)) == 1
        [post] = (await ayrshare.record())["posts"]
        assert post["id"] == known
        await database.execute("UPDATE pin SET pinterest_pin_id = $1", post["pin_id"])
        await next_day(database)
        await look.run_once()
    assert await top(database) == []
    assert await database.fetchval("SELECT count(*) FROM native_pin") == 0
    assert await database.fetchval("SELECT count(*) FROM pin_metric") == 0


@pytest.mark.parametrize("fault", ["html", "wrong_json", "rate_limited", "quota"])
async def test_an_odd_answer_is_no_failure_and_is_asked_for_again_a_day_later(
    database: Database, ayrshare: Ayrshare, fault: str
) -> None:
    await register(database, ayrshare, 2)
    await published_before(ayrshare, 8.0, "a")
    await ayrshare.fault("*", fault, endpoint="/history/pinterest")
    async with looking(database, ayrshare) as look:
        await look.run_once()
        await look.run_once()
        assert await top(database) == []
        assert (await ayrshare.record())["requests"][LIST] == 2, "one for each profile"
        await ayrshare.heal()
        await database.execute("UPDATE profile SET rate_limited_until = NULL")
        await next_day(database)
        await look.run_once()
    assert len(await top(database)) == 1


@pytest.mark.parametrize(
    ("told", "numbers"),
    [
        ({"analytics": {"impression": "12", "save": 3, "pinClick": -1}}, PinNumbers(impression=12, save=3)),
        ({"metrics": {"IMPRESSION": 12, "OUTBOUND_CLICK": 1}}, PinNumbers(impression=12, outbound_click=1)),
        ({"analytics": None}, PinNumbers()),
        ({"analytics": ["none"]}, PinNumbers()),
        ({}, PinNumbers()),
    ],
)
def test_numbers_are_read_where_they_are(told: dict[str, object], numbers: PinNumbers) -> None:
    row = {"id": "9", "created": "2026-11-24T12:00:00Z"} | told
    [only] = parse_native_pins(200, msgspec.json.encode({"posts": [row, "odd", {"id": "no time"}]})).pins
    assert only.numbers == numbers


async def test_retention_takes_them_with_their_results(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await published_before(ayrshare, 8.0, "a")
    async with looking(database, ayrshare) as look:
        await look.run_once()
    assert len(await top(database)) == 1
    await database.execute("UPDATE native_pin SET created_at = now() - interval '92 days'")
    await database.execute("UPDATE pin_result SET asked_at = now() - interval '92 days'")
    await expire(database, retention_days=91)
    assert await database.fetchval("SELECT count(*) FROM native_pin") == 0
    assert await database.fetchval("SELECT count(*) FROM pin_result") == 0
