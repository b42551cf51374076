"""The poller against a real database and an emulated Ayrshare with faults."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from collector.ayrshare.client import open_client
from collector.errors import DatabaseUnavailableError
from collector.loops import claiming
from collector.loops import gate as gate_module
from collector.loops.every import Heartbeats
from collector.loops.gate import Gate, Hold
from collector.models.outcome import Failure
from collector.models.poll import Claim, PollRecord, Written
from collector.poll.decision import Policy
from collector.poll.poller import Poller, PollResult
from collector.poll.reader import Reader
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database
from collector.telemetry import REGISTRY
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS, register

DEADLINE = 20.0


class Fixture:
    """A poller with what it needs, and everything it reported."""

    def __init__(self, poller: Poller, gate: Gate, results: list[PollResult]) -> None:
        self.poller = poller
        self.gate = gate
        self.results = results

    def outcomes(self) -> dict[str, str]:
        return {result.name: result.outcome.value for result in self.results}


@asynccontextmanager
async def polling(
    database: Database,
    ayrshare: Ayrshare,
    *,
    owner: str = "me",
    concurrency: int = 8,
    patience: float = 0.5,
    interval: float = 3600.0,
    lease: float = 60.0,
    rate: float = 1e6,
    api_key: str | None = None,
) -> AsyncIterator[Fixture]:
    key = SecretStr(api_key or ayrshare.config.api_key)
    results: list[PollResult] = []
    gate = Gate(rate)
    async with open_client(
        url=ayrshare.url, api_key=key, request_timeout=patience, connections=concurrency, on_verdict=gate.note
    ) as client:
        poller = Poller(
            Reader(client, KEYS, Policy(interval=interval, settle_days=3)),
            LeaseStore(database, owner=owner, seconds=lease),
            MetricStore(database),
            gate,
            concurrency=concurrency,
            on_result=results.append,
        )
        yield Fixture(poller, gate, results)


@asynccontextmanager
async def running(poller: Poller) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(poller.run(Heartbeats()))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def is_number(database: Database, sql: str, number: int) -> bool:
    return bool(await database.fetchval(sql) == number)


async def test_all_due_profiles_are_polled_concurrently_and_once(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 50)
    await ayrshare.fault("*", "latency", seconds=0.02)
    async with polling(database, ayrshare, concurrency=8) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) >= 50)
        assert Counter(fixture.outcomes().values()) == {"ok": 50}
        assert await database.fetchval("SELECT count(*) FROM daily_metric") == 1500
        assert await database.fetchval("SELECT count(*) FROM profile WHERE lease_owner IS NOT NULL") == 0
    record = await ayrshare.record()
    assert record["requests"]["POST /analytics/social"] == 50
    assert 2 <= int(str(record["max_in_flight"])) <= 8


async def test_five_bad_profiles_among_fifty_do_not_affect_the_others(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 50)
    bad = {
        "client-003": ("hang", "timeout"),
        "client-013": ("huge", "payload_invalid"),
        "client-023": ("html", "upstream_error"),
        "client-033": ("rate_limited", "rate_limited"),
        "client-043": ("unlinked", "unlinked"),
    }
    for profile, (fault, _) in bad.items():
        await ayrshare.fault(profile, fault)
    async with polling(database, ayrshare, concurrency=8, patience=3.0) as fixture, running(fixture.poller):
        await until(lambda: sum(1 for outcome in fixture.outcomes().values() if outcome == "ok") == 45)
        hanging = "client-003" not in fixture.outcomes()
        await until(lambda: len(fixture.outcomes()) == 50)
    assert hanging, "the other 45 must not have waited for the one that hangs"
    assert {name: fixture.outcomes()[name] for name in bad} == {name: outcome for name, (_, outcome) in bad.items()}
    troubled = {row.name: row for row in await FleetStore(database).troubled()}
    assert sorted(troubled) == sorted(bad)
    assert troubled["client-013"].reason == "the answer is larger than 8 MiB"
    assert "not linked" in str(troubled["client-043"].reason)
    assert troubled["client-043"].state == "unlinked"
    assert troubled["client-033"].rate_limited_today == 1


async def test_a_profile_recovers_by_itself_when_a_fault_ends(database: Database, ayrshare: Ayrshare) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    await ayrshare.fault("client-001", "unlinked")
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        assert await database.fetchval("SELECT state FROM profile") == "unlinked"
        await ayrshare.heal()
        await fixture.poller.poll_named([profile_id])
        assert await database.fetchval("SELECT state FROM profile") == "active"


async def test_restated_days_are_found_as_time_passes(database: Database, ayrshare: Ayrshare) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        await ayrshare.pass_time(86_400.0)
        await fixture.poller.poll_named([profile_id])
    rows = fixture.results[-1].rows
    assert rows is not None
    assert rows.rows_new == 1
    assert 1 <= rows.rows_changed <= 3


async def test_a_row_lost_in_the_table_comes_back_with_the_next_utc_day(database: Database, ayrshare: Ayrshare) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        await database.execute("DELETE FROM daily_metric WHERE day = (SELECT min(day) FROM daily_metric)")
        await database.execute("UPDATE profile SET answer_day = answer_day - 1")
        await fixture.poller.poll_named([profile_id])
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 30


async def test_a_refused_api_key_stops_every_poll_but_a_probe(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.05)
    await register(database, ayrshare, 50)
    await ayrshare.fault("*", "unauthorized")
    async with polling(database, ayrshare, concurrency=4) as fixture, running(fixture.poller):
        await until(lambda: fixture.gate.hold is Hold.KEY_REFUSED)
        await until(lambda: len(fixture.results) >= 6)
        assert REGISTRY.get_sample_value("collector_api_key_refused") == 1.0
        refused = sum((await ayrshare.record())["requests"].values())
        assert refused <= 4 + 4, "beyond those under way, only probes may have been sent"
        assert await database.fetchval("SELECT count(*) FROM profile WHERE next_poll_at <= now()") > 30
        await ayrshare.heal()
        await database.execute("UPDATE profile SET next_poll_at = now()")
        await until(lambda: sum(1 for outcome in fixture.outcomes().values() if outcome == "ok") == 50)
        assert REGISTRY.get_sample_value("collector_api_key_refused") == 0.0


async def test_two_replicas_share_the_work_and_no_profile_is_polled_twice(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 50)
    await ayrshare.fault("*", "latency", seconds=0.02)
    async with (
        polling(database, ayrshare, owner="a", concurrency=4) as a,
        polling(database, ayrshare, owner="b", concurrency=4) as b,
        running(a.poller),
        running(b.poller),
    ):
        await until(lambda: len(a.results) + len(b.results) >= 50)
    names = [result.name for result in a.results + b.results]
    assert sorted(names) == sorted({*names})
    assert a.results
    assert b.results
    assert max((await ayrshare.record())["max_in_flight_by_profile"].values()) == 1


async def test_the_work_of_a_dead_worker_is_taken_up_when_its_lease_ends(
    database: Database, ayrshare: Ayrshare
) -> None:
    ids = await register(database, ayrshare, 10)
    claimed = await LeaseStore(database, owner="dead", seconds=1.0).claim_due(100)
    assert len(claimed) == len(ids)
    async with polling(database, ayrshare) as fixture:
        assert await fixture.poller.poll_named(ids) == 10, "while the lease holds, they are left to their owner"
        assert not fixture.results
    async with polling(database, ayrshare) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) == 10)


async def test_a_lease_runs_from_the_call_so_slow_answers_make_nobody_polled_twice(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 24)
    # A poller claims for three rounds, which take longer than a lease.
    await ayrshare.fault("*", "latency", seconds=1.2)
    fetched = "SELECT count(*) FROM profile WHERE last_success_at IS NOT NULL"
    async with (
        polling(database, ayrshare, owner="a", concurrency=4, patience=5.0, lease=3.0) as a,
        polling(database, ayrshare, owner="b", concurrency=4, patience=5.0, lease=3.0) as b,
        running(a.poller),
        running(b.poller),
    ):
        await until(lambda: is_number(database, fetched, 24))
    assert (await ayrshare.record())["requests"]["POST /analytics/social"] == 24
    assert a.results
    assert b.results


async def test_a_claim_that_was_lost_while_it_waited_is_not_called(database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 2)
    await ayrshare.fault("*", "latency", seconds=1.0)
    async with polling(database, ayrshare, concurrency=1, patience=5.0, lease=2.0) as fixture:
        both = asyncio.create_task(fixture.poller.poll_named(ids))
        await until(lambda: is_number(database, "SELECT count(*) FROM profile WHERE lease_owner = 'me'", 2))
        await database.execute("UPDATE profile SET lease_owner = 'other', lease_until = now() + interval '1 h'")
        assert await both == 1, "another process polls it"
    assert (await ayrshare.record())["requests"]["POST /analytics/social"] == 1


async def test_a_stop_stores_what_was_read_and_gives_back_what_was_not(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 20)
    await ayrshare.fault("client-005", "hang")
    async with polling(database, ayrshare, patience=30.0) as fixture, running(fixture.poller) as task:
        await until(lambda: len(fixture.results) == 19)
        async with asyncio.timeout(5.0):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    rows = await database.fetch("SELECT name FROM profile WHERE lease_until IS NOT NULL OR lease_owner IS NOT NULL")
    assert not rows
    due = await database.fetch("SELECT name FROM profile WHERE next_poll_at <= now()")
    assert [row["name"] for row in due] == ["client-005"]
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 19 * 30


async def test_the_pace_is_kept(database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 30)
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with polling(database, ayrshare, rate=20.0) as fixture:
        await fixture.poller.poll_named(ids)
    assert loop.time() - started >= 0.5, "20 may come at once, the other 10 only at 20 a second"
    assert len(fixture.results) == 30


async def test_an_answer_that_the_database_refuses_is_kept_from_the_others(
    database: Database, ayrshare: Ayrshare
) -> None:
    ids = await register(database, ayrshare, 10)
    # The table itself refuses one profile's days, which no validation does.
    await database.execute(
        "ALTER TABLE daily_metric ADD CONSTRAINT temporary CHECK (profile_id <> " + str(ids[3]) + ")"
    )
    try:
        async with polling(database, ayrshare) as fixture:
            await fixture.poller.poll_named(ids)
    finally:
        await database.execute("ALTER TABLE daily_metric DROP CONSTRAINT temporary")
    assert Counter(fixture.outcomes().values()) == {"ok": 9, "payload_invalid": 1}
    assert fixture.outcomes()["client-004"] == "payload_invalid"
    assert "temporary" in await database.fetchval("SELECT last_error FROM profile WHERE name = 'client-004'")


async def test_a_defect_of_ours_in_one_profile_does_not_stop_the_others(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await register(database, ayrshare, 10)
    read = Reader.read

    async def failing(self: Reader, claim: Claim) -> PollRecord:
        if claim.name == "client-002":
            raise ZeroDivisionError
        return await read(self, claim)

    monkeypatch.setattr(Reader, "read", failing)
    async with polling(database, ayrshare, patience=5.0) as fixture:
        await fixture.poller.poll_named(ids)
    assert Counter(fixture.outcomes().values()) == {"ok": 9, "internal_error": 1}
    assert Failure.INTERNAL_ERROR in {result.outcome for result in fixture.results if result.name == "client-002"}


async def test_one_profile_that_is_refused_does_not_hold_up_the_fleet_for_good(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.2)
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.05)
    await register(database, ayrshare, 20)
    await ayrshare.fault("client-001", "unauthorized")
    await database.execute("UPDATE profile SET next_poll_at = now() - interval '1 day' WHERE name = 'client-001'")
    async with polling(database, ayrshare, concurrency=1) as fixture, running(fixture.poller):
        await until(lambda: sum(1 for outcome in fixture.outcomes().values() if outcome == "ok") == 19)


async def test_a_gateway_that_refuses_everybody_parks_nobody(database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 20)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named(ids)
        fixture.results.clear()
        await ayrshare.fault("*", "gateway")
        await fixture.poller.poll_named(ids)
    assert Counter(fixture.outcomes().values()) == {"upstream_error": 20}
    assert await states(database) == {"active": 20}
    assert await database.fetchval("SELECT max(next_poll_at) < now() + interval '31 seconds' FROM profile")


async def states(database: Database) -> dict[str, int]:
    return dict(await database.fetch("SELECT state, count(*) FROM profile GROUP BY state"))


@pytest.mark.parametrize("fault", ["suspended", "unlinked", "bad_key"])
async def test_a_verdict_that_the_fleet_gets_is_not_believed_and_all_are_back_when_it_ends(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.05)
    await register(database, ayrshare, 40)
    async with polling(database, ayrshare, concurrency=4) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) >= 40)
        before = sum((await ayrshare.record())["requests"].values())
        await ayrshare.fault("*", fault)
        await database.execute("UPDATE profile SET next_poll_at = now()")
        await until(lambda: fixture.gate.hold is Hold.FLEET_REFUSED)
        await until(lambda: len(fixture.results) >= 40 + 12 + 3)
        assert REGISTRY.get_sample_value("collector_fleet_refused") == 1.0
        assert sum((await ayrshare.record())["requests"].values()) - before <= 10 + 4 + 6, "else only probes"
        assert (await states(database))["active"] > 30
        await ayrshare.heal()
        fixture.results.clear()
        await until(lambda: set(fixture.outcomes().values()) == {"unchanged"} and len(fixture.outcomes()) == 40)
        assert REGISTRY.get_sample_value("collector_fleet_refused") == 0.0
    assert await states(database) == {"active": 40}


async def test_new_profiles_with_wrong_keys_hold_nobody_up(database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 30)
    for number in range(1, 16):
        await ayrshare.fault(f"client-{number:03}", "bad_key")
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named(ids)
        assert fixture.gate.hold is None
    assert await states(database) == {"active": 15, "key_invalid": 15}


async def test_profiles_that_stay_refused_while_others_are_read_are_believed_in_the_end(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.05)
    monkeypatch.setattr("collector.loops.recall._RECALL_SECONDS", 0.0)
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.02)
    await register(database, ayrshare, 30)
    async with polling(database, ayrshare, concurrency=4, interval=10.0) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) >= 30)
        for number in range(1, 11):
            await ayrshare.fault(f"client-{number:03}", "unlinked")
        await database.execute("UPDATE profile SET next_poll_at = now()")

        async def parked() -> bool:
            await database.execute("UPDATE profile SET next_poll_at = now() WHERE state = 'active'")
            return await states(database) == {"active": 20, "unlinked": 10}

        await until(parked)


async def test_a_profile_that_comes_back_brings_the_others_that_were_refused(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 0.05)
    await register(database, ayrshare, 20)
    async with polling(database, ayrshare) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) >= 20)
        for name in ("client-001", "client-002", "client-003"):
            await ayrshare.fault(name, "suspended")
        await database.execute("UPDATE profile SET next_poll_at = now()")
        await until(lambda: len(fixture.results) >= 40)
        assert await states(database) == {"active": 17, "suspended": 3}
        await ayrshare.heal()
        await database.execute("UPDATE profile SET next_poll_at = now() WHERE name = 'client-002'")

        async def healed() -> bool:
            return await states(database) == {"active": 20}

        await until(healed)


@pytest.mark.parametrize(
    "stamp",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2021-01-01T00:00:00.000Z", 1_700_000_000, "yesterday", [], True],
)
async def test_a_stamp_that_cannot_be_true_costs_nothing_but_itself(
    database: Database, ayrshare: Ayrshare, stamp: object
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    await ayrshare.fault("client-001", "frozen_stamp", stamp=stamp)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        row = await database.fetchrow(SETTLED)
        assert row is not None
        assert tuple(row) == ("ok", 30, True), "yesterday is the newest day, and three days settle it"
        await fixture.poller.poll_named([profile_id])
    again = await database.fetchrow(SETTLED)
    assert again is not None
    assert tuple(again) == ("unchanged", 30, True)


SETTLED = """
SELECT last_outcome, (SELECT count(*) FROM daily_metric), settled_through = (now() AT TIME ZONE 'UTC')::date - 3
FROM profile
"""


async def test_a_hostile_answer_stores_its_good_days_and_fifty_problems(database: Database, ayrshare: Ayrshare) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    await ayrshare.fault("client-001", "bloated", size_bytes=8_000_000)
    async with polling(database, ayrshare, patience=10.0) as fixture:
        await fixture.poller.poll_named([profile_id])
    assert fixture.outcomes() == {"client-001": "ok"}
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 30
    assert await database.fetchval("SELECT problems FROM poll_log") == 51
    assert "too_many_days" in str(await database.fetchval("SELECT last_error FROM profile"))


async def test_an_empty_list_of_days_is_a_failure_that_the_operator_sees(
    database: Database, ayrshare: Ayrshare
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        read_at = await database.fetchval("SELECT last_success_at FROM profile")
        await ayrshare.fault("client-001", "no_days")
        await fixture.poller.poll_named([profile_id])
        await fixture.poller.poll_named([profile_id])
    assert await database.fetchval("SELECT last_success_at FROM profile") == read_at
    [troubled] = await FleetStore(database).troubled()
    assert (troubled.last_outcome, troubled.consecutive_failures) == ("payload_invalid", 2)
    assert troubled.reason == "no usable day; the list of days is empty, and this profile has had days"
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 30


async def test_settled_numbers_stay_when_an_answer_has_none(database: Database, ayrshare: Ayrshare) -> None:
    problems = "collector_payload_problems_total"
    before = REGISTRY.get_sample_value(problems, {"reason": "numbers_missing"}) or 0.0
    [profile_id] = await register(database, ayrshare, 1)
    numbers = "SELECT count(impression), sum(impression)::bigint FROM daily_metric WHERE day <= $1"
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        settled = await database.fetchval("SELECT settled_through FROM profile")
        known = await database.fetchrow(numbers, settled)
        provisional = await database.fetchval("SELECT count(impression) FROM daily_metric WHERE day > $1", settled)
        await ayrshare.fault("client-001", "no_numbers")
        await fixture.poller.poll_named([profile_id])
        await fixture.poller.poll_named([profile_id])

    assert known is not None
    assert known[0] > 20
    assert await database.fetchrow(numbers, settled) == known
    assert await database.fetchval("SELECT count(*) FROM daily_metric_revision") == provisional
    [troubled] = await FleetStore(database).troubled()
    assert troubled.reason == (
        f"settled days that came without their numbers, and keep them: {known[0]}; "
        f"days whose numbers were withdrawn, and are in the ledger: {provisional}"
    )
    assert REGISTRY.get_sample_value(problems, {"reason": "numbers_missing"}) == before + known[0]
    assert (await FleetStore(database).recent_polls(profile_id, 5))[1].problems == known[0] + provisional


@pytest.mark.parametrize("days", [-3, 3])
async def test_a_clock_days_off_settles_nothing_and_loses_nothing(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    with monkeypatch.context() as wrong:
        wrong.setattr("collector.store.lease.machine_time", lambda: datetime.now(UTC) + timedelta(days=days))
        async with polling(database, ayrshare) as fixture:
            await fixture.poller.poll_named([profile_id])
    assert tuple(await database.fetchrow(SETTLED) or ()) == ("ok", 30, None)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
    assert tuple(await database.fetchrow(SETTLED) or ()) == ("unchanged", 30, True)


@pytest.mark.parametrize("fault", [None, "hang"])
async def test_days_that_a_wrong_clock_settled_are_provisional_again(
    database: Database, ayrshare: Ayrshare, fault: str | None
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named([profile_id])
        await database.execute("UPDATE profile SET settled_through = settled_through + 3")
        if fault:
            await ayrshare.fault("client-001", fault)
        await fixture.poller.poll_named([profile_id])
    row = await database.fetchrow(SETTLED)
    assert row is not None
    assert row[2] is True


async def test_a_profile_whose_log_is_refused_too_is_put_off(database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 3)
    await database.execute("ALTER TABLE poll_log ADD CONSTRAINT temporary CHECK (outcome = 'never')")
    try:
        async with polling(database, ayrshare) as fixture:
            await fixture.poller.poll_named(ids)
    finally:
        await database.execute("ALTER TABLE poll_log DROP CONSTRAINT temporary")
    rows = await database.fetch("SELECT last_outcome, last_error, next_poll_at > now() + interval '1 min' FROM profile")
    assert {(row[0], row[2]) for row in rows} == {("payload_invalid", True)}
    assert "temporary" in rows[0]["last_error"]


async def test_while_nothing_can_be_stored_nothing_is_read_and_the_loop_is_late(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_SLOW_WRITE_SECONDS", 0.2)
    monkeypatch.setattr(claiming, "_STUCK_WRITE_SECONDS", 0.2)
    await register(database, ayrshare, 5)
    heartbeats = Heartbeats()
    beats: list[str] = []
    monkeypatch.setattr(heartbeats, "beat", beats.append)
    async with polling(database, ayrshare, lease=1.0) as fixture:
        async with database.transaction() as connection:
            await connection.execute("LOCK TABLE daily_metric IN ACCESS EXCLUSIVE MODE")
            task = asyncio.create_task(fixture.poller.run(heartbeats))
            await until(lambda: fixture.poller._writer.waiting_seconds() > 3.0)
            before = len(beats)
            await until(lambda: fixture.poller._writer.waiting_seconds() > 4.5)
            assert len(beats) == before, "a poller that stores nothing must not look alive"
        await until(lambda: len(fixture.results) >= 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert sum((await ayrshare.record())["requests"].values()) <= 10, "not once a lease"


LIMITED = """
CREATE FUNCTION refuse_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'tuple decompression limit exceeded by operation' USING ERRCODE = '53400';
END
$$
"""


async def test_a_limit_that_one_profile_exceeds_is_no_outage_and_stops_no_other(
    database: Database, ayrshare: Ayrshare
) -> None:
    ids = await register(database, ayrshare, 10)
    await database.execute(LIMITED)
    await database.execute(
        "CREATE TRIGGER temporary BEFORE INSERT ON daily_metric "
        f"FOR EACH ROW WHEN (NEW.profile_id = {ids[6]}) EXECUTE FUNCTION refuse_days()"
    )
    try:
        async with polling(database, ayrshare) as fixture, asyncio.timeout(DEADLINE):
            await fixture.poller.poll_named(ids)
    finally:
        await database.execute("DROP TRIGGER temporary ON daily_metric")
        await database.execute("DROP FUNCTION refuse_days")
    assert Counter(fixture.outcomes().values()) == {"ok": 9, "payload_invalid": 1}
    error = await database.fetchval("SELECT last_error FROM profile WHERE name = 'client-007'")
    assert error == "not stored: tuple decompression limit exceeded by operation"


async def test_a_defect_that_one_profile_brings_out_in_the_store_stops_no_other(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await register(database, ayrshare, 10)
    write = MetricStore.write_polls

    async def failing(self: MetricStore, records: Sequence[PollRecord]) -> list[Written]:
        if any(record.profile_id == ids[2] and record.analytics is not None for record in records):
            raise ZeroDivisionError
        return await write(self, records)

    monkeypatch.setattr(MetricStore, "write_polls", failing)
    async with polling(database, ayrshare) as fixture:
        await fixture.poller.poll_named(ids)
    assert Counter(fixture.outcomes().values()) == {"ok": 9, "internal_error": 1}


async def test_claims_that_fail_cost_nothing_of_the_pace(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(database, ayrshare, 1)
    claim = LeaseStore.claim_due
    failures = 0

    async def failing(self: LeaseStore, limit: int) -> list[Claim]:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise DatabaseUnavailableError("gone")
        return await claim(self, limit)

    monkeypatch.setattr(LeaseStore, "claim_due", failing)
    # At so slow a pace a permit that was lost would not come back within the test's time.
    async with polling(database, ayrshare, rate=0.01) as fixture, running(fixture.poller):
        await until(lambda: len(fixture.results) == 1)
