"""Published pins are followed: how often, what is kept of odd answers, and who is left alone when."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import aiohttp
import pytest

from collector.emulator import EmulatorConfig, serve
from collector.models.result import ResultClaim, ResultRecord
from collector.store.pin import PinStore
from collector.store.pin_result import ResultStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.retention import expire
from collector.telemetry import REGISTRY
from collector.track import tracker as module
from collector.track.decision import after_numbers
from tests.support import tracking as support
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register, remove
from tests.support.program import PATIENCE_SECONDS
from tests.support.publishing import count_of, pin, until, working
from tests.support.tracking import asked, live, make_due, observations, pass_days, result, tracking

PIN = "/analytics/post"


async def test_a_pin_is_followed_daily_for_two_weeks_then_weekly_until_it_is_90_days_old(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 1))
    days, told = [], []
    async with tracking(database, ayrshare) as tracker:
        # Its moment of the day is at most half a day after the time at which it went out.
        await pass_days(database, ayrshare, 0.5)
        for day in range(1, 96):
            before = await asked(ayrshare)
            await pass_days(database, ayrshare, 1.0, until=day + 0.5)
            await tracker.run_once()
            if await asked(ayrshare) > before:
                days.append(day)
                told.append((await result(database, 1))["impression"])
    assert days == [*range(1, 15), *range(21, 90, 7), 90]
    row = await result(database, 1)
    assert (row["ended"], row["next_at"], row["failures"]) == ("complete", None, 0)
    assert await observations(database, 1) == sorted(set(told))
    assert row["week_impression"] == told[6] > 0
    assert row["week_engagement"] > 0


async def test_an_answer_that_brings_nothing_new_adds_no_row(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    [pin_id] = await live(database, ayrshare, 1)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 70.0)
        await tracker.run_once()
        first = await result(database, pin_id)
        await make_due(database)
        await tracker.run_once()
    second = await result(database, pin_id)
    assert await asked(ayrshare) == 2
    assert len(await observations(database, pin_id)) == 1
    assert second["observed_at"] == first["observed_at"] < first["asked_at"] + timedelta(seconds=1)
    assert second["asked_at"] > first["asked_at"]


@pytest.mark.parametrize(
    ("fault", "saves"),
    [("odd_numbers", 12), ("other_pin", None), ("wrong_json", None), ("truncated", None), ("html", None)],
)
async def test_an_odd_answer_takes_no_number_away_and_brings_no_wrong_one(
    database: Database, ayrshare: Ayrshare, fault: str, saves: int | None
) -> None:
    await register(database, ayrshare, 1)
    ids = await live(database, ayrshare, 2)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 30.0)
        await tracker.run_once()
        known = {pin_id: await result(database, pin_id) for pin_id in ids}
        await ayrshare.fault("*", fault, endpoint=PIN)
        await make_due(database)
        await tracker.run_once()
    for pin_id, before in known.items():
        row = await result(database, pin_id)
        assert row["impression"] == before["impression"] > 0
        assert (row["pin_click"], row["outbound_click"]) == (before["pin_click"], before["outbound_click"])
        assert (row["save"], row["extra"]) == (before["save"] if saves is None else saves, before["extra"])
        assert row["wait"] > timedelta(0), "it is asked about again"


async def test_totals_that_begin_again_are_not_believed(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    [pin_id] = await live(database, ayrshare, 1)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 30.0)
        await tracker.run_once()
        before = await result(database, pin_id)
        await ayrshare.pass_time(1.0)  # on its first day the emulator shows nothing but two zeros
        await make_due(database)
        await tracker.run_once()
    row = await result(database, pin_id)
    assert row["impression"] == before["impression"] > 0
    assert set(await observations(database, pin_id)) == {before["impression"]}


async def test_a_pin_that_ayrshare_does_not_know_is_not_asked_about_again(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    gone, there = await live(database, ayrshare, 2)
    await database.execute("UPDATE pin SET ayrshare_id = 'nobody' WHERE id = $1", gone)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        await make_due(database)
        await tracker.run_once()
    row = await result(database, gone)
    assert (row["ended"], row["next_at"]) == ("not_found", None)
    assert "not found" in row["last_error"]
    assert (await result(database, there))["ended"] is None
    assert await asked(ayrshare) == 3


async def test_a_pin_without_analytics_yet_is_asked_about_at_its_next_time(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    [pin_id] = await live(database, ayrshare, 1)
    await ayrshare.fault("*", "status", endpoint=PIN, status=200, code=187, shape="network", message="not available")
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 2.9)
        await tracker.run_once()
    row = await result(database, pin_id)
    assert (row["ended"], row["failures"], row["observed_at"]) == (None, 1, None)
    assert timedelta(0) < row["wait"] < timedelta(days=1)


async def test_a_429_stops_the_profile_alone_and_is_counted(database: Database, ayrshare: Ayrshare) -> None:
    limited, well = await register(database, ayrshare, 2)
    ids = await live(database, ayrshare, 3)
    [other] = await live(database, ayrshare, 1, index=1)
    await ayrshare.fault("client-001", "rate_limited", endpoint=PIN)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        await tracker.run_once()
    assert (await ayrshare.record())["rate_limited"] == {"client-001": 1}
    for pin_id in ids:
        assert timedelta(minutes=4) < (await result(database, pin_id))["wait"] < timedelta(minutes=7)
    assert (await result(database, other))["observed_at"] is not None
    counts = dict(await database.fetch("SELECT id, rate_limited_count FROM profile"))
    assert (counts[limited], counts[well]) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        ("quota", timedelta(hours=5)),
        ("unlinked", timedelta(hours=5)),
        ("suspended", timedelta(hours=5)),
        ("bad_key", timedelta(hours=5)),
        ("reset_before", timedelta(minutes=4)),
    ],
)
async def test_what_concerns_a_profile_is_asked_once_and_changes_nothing_of_it(
    database: Database, ayrshare: Ayrshare, fault: str, least: timedelta
) -> None:
    await register(database, ayrshare, 1)
    ids = await live(database, ayrshare, 3)
    await ayrshare.fault("*", fault, endpoint=PIN)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        await tracker.run_once()
    assert await asked(ayrshare) == 1
    assert [(await result(database, pin_id))["wait"] > least for pin_id in ids] == [True] * 3
    assert await database.fetchval("SELECT state FROM profile") == "active", "polls find out what became of it"


async def test_a_refused_api_key_stops_all_questions(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    await live(database, ayrshare, 1)
    await ayrshare.fault("*", "unauthorized", endpoint=PIN)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        await live(database, ayrshare, 1, index=1)
        await make_due(database)
        await tracker.run_once()
    assert await asked(ayrshare) == 1


async def test_a_day_of_429_costs_a_profile_a_dozen_answers_and_holds_its_pins_for_minutes(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await live(database, ayrshare, 3)
    await ayrshare.fault("client-001", "rate_limited", endpoint=PIN)
    passed = timedelta(0)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        while passed < timedelta(days=1):
            await tracker.run_once()
            left = await database.fetchval("SELECT min(next_at) - now() FROM pin_result")
            await database.execute("UPDATE pin_result SET next_at = next_at - $1::interval", left)
            await database.execute("UPDATE profile SET rate_limited_until = rate_limited_until - $1::interval", left)
            passed += left
    assert 5 < await asked(ayrshare) <= 12
    assert await database.fetchval("SELECT rate_limited_until < now() + interval '5 minutes' FROM profile")


async def test_results_leave_half_of_a_profiles_calls_to_polls_and_pins(database: Database) -> None:
    config = EmulatorConfig(profiles=1, rate_limit=60, cache_seconds=0.0)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        ayrshare = Ayrshare(url, config, session)
        await register(database, ayrshare, 1)
        await live(database, ayrshare, 50)
        async with tracking(database, ayrshare) as tracker:
            # Later than the five minutes in which the pins were published.
            await pass_days(database, ayrshare, 3.0)
            await tracker.run_once()
            await tracker.run_once()
        assert await asked(ayrshare) == 30
        assert await database.fetchval("SELECT min(next_at) > now() + interval '4 minutes' FROM pin_result")


async def test_a_profile_that_answers_slowly_does_not_hold_a_round_up(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.0)
    await register(database, ayrshare, 1)
    await live(database, ayrshare, 3)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        assert await asked(ayrshare) == 1
        assert await database.fetchval("SELECT count(*) FROM pin_result WHERE next_at <= now()") == 2
        await tracker.run_once()
    assert await asked(ayrshare) == 2


async def test_an_answer_that_the_database_refuses_costs_no_other_pin(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    refused, *others = await live(database, ayrshare, 3)
    others += await live(database, ayrshare, 1, index=1)
    await pass_days(database, ayrshare, 3.0)
    await database.execute(f"ALTER TABLE pin_metric ADD CONSTRAINT refused CHECK (pin_id <> {refused})")
    try:
        async with tracking(database, ayrshare) as tracker:
            await tracker.run_once()
    finally:
        await database.execute("ALTER TABLE pin_metric DROP CONSTRAINT refused")
    for pin_id in others:
        assert (await result(database, pin_id))["observed_at"] is not None
    row = await result(database, refused)
    assert (row["observed_at"], row["failures"]) == (None, 1)
    assert "not stored" in row["last_error"]
    assert row["wait"] > timedelta(seconds=50), "it is asked about again, but not at once"


async def test_two_trackers_ask_about_each_pin_once(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 3)
    for index in range(3):
        await live(database, ayrshare, 6, index=index)
    async with tracking(database, ayrshare) as one, tracking(database, ayrshare) as other:
        await pass_days(database, ayrshare, 3.0)
        await asyncio.gather(one.run_once(), other.run_once())
    assert await asked(ayrshare) == 18
    assert await database.fetchval("SELECT count(*) FROM pin_metric") == 18


async def test_a_tracker_that_is_told_to_stop_stores_what_it_knows_and_gives_the_rest_back(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await live(database, ayrshare, 4)
    await ayrshare.fault("*", "latency", endpoint=PIN, seconds=1.0)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        round_ = asyncio.create_task(tracker.run_once())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await asked(ayrshare) < 2:
                await asyncio.sleep(0.02)
        round_.cancel()
        with pytest.raises(asyncio.CancelledError):
            await round_
    [(known, due)] = await database.fetch(
        "SELECT count(observed_at), count(*) FILTER (WHERE observed_at IS NULL AND next_at <= now()) FROM pin_result"
    )
    assert (known, due) == (1, 3)


async def test_an_answer_that_came_too_late_is_not_counted(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(database, ayrshare, 1)
    taken, _ = await live(database, ayrshare, 2)

    class Slow(ResultStore):
        async def record(self, records: Sequence[ResultRecord]) -> set[int]:
            await database.execute("UPDATE pin_result SET next_at = now() WHERE pin_id = $1", taken)
            return await super().record(records)

    monkeypatch.setattr(support, "ResultStore", Slow)
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        before = REGISTRY.get_sample_value("collector_pin_results_total", {"outcome": "changed"}) or 0.0
        await tracker.run_once()
    assert REGISTRY.get_sample_value("collector_pin_results_total", {"outcome": "changed"}) == before + 1


async def test_a_claim_whose_process_died_is_taken_over_and_its_late_result_is_dropped(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    [pin_id] = await live(database, ayrshare, 1)
    await pass_days(database, ayrshare, 3.0)
    results = ResultStore(database, seconds=60.0)
    [dead] = await results.claim(10)
    assert isinstance(dead, ResultClaim)
    assert await results.claim(10) == []
    await make_due(database)  # as when its lease is over
    async with tracking(database, ayrshare) as tracker:
        await tracker.run_once()
    now = await result(database, pin_id)
    late = after_numbers(dead, dead.known)
    assert await results.record([late]) == set()
    assert (await result(database, pin_id))["next_at"] == now["next_at"]


async def test_pins_of_a_paused_profile_wait_until_it_is_resumed(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await live(database, ayrshare, 1)
    await ProfileStore(database).pause(["client-001"], "a test")
    async with tracking(database, ayrshare) as tracker:
        await pass_days(database, ayrshare, 3.0)
        await tracker.run_once()
        assert await asked(ayrshare) == 0
        await ProfileStore(database).resume(["client-001"])
        await pass_days(database, ayrshare, 0.5, until=3.5)
        await tracker.run_once()
    assert await asked(ayrshare) == 1


async def test_results_go_with_their_profile_and_with_their_retention(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    [pin_id] = await live(database, ayrshare, 1)
    await database.execute(
        "INSERT INTO pin_metric (profile_id, pin_id, observed_at, impression) "
        "SELECT profile_id, id, now() - n * interval '200 days', 7 FROM pin, generate_series(0, 1) AS n"
    )
    await expire(database, retention_days=100)
    assert await observations(database, pin_id) == [7]
    await remove(database, "client-001")
    assert await database.fetchval("SELECT count(*) FROM pin_metric") == 0
    assert await database.fetchval("SELECT count(*) FROM pin_result") == 0
