"""The demo's agency has everything that it promises, agrees with its Ayrshare, and carries on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import SecretStr

from collector.app.daemon import run_roles
from collector.app.roles import Hooks
from collector.config import Role, Settings, load_settings
from collector.demo import agency as module
from collector.demo.agency import Agency
from collector.demo.cast import cast
from collector.demo.story import GAPPED, RATE_LIMITED, SLOW, UNLINKED, YOUNG
from collector.emulator import EMULATOR, Emulator, EmulatorConfig, make_app, serve
from collector.emulator.answers import window
from collector.errors import RegistryError
from collector.models.pin import PinState
from collector.poll.poller import PollResult
from collector.store.pool import Database
from tests.support.profiles import ENCRYPTION_KEY, registered
from tests.support.publishing import until

TODAY = datetime.now(UTC).date()
_A_COMING_PIN = "SELECT max(id) FROM pin WHERE state = 'queued' AND publish_at > now() + interval '1 day'"


@asynccontextmanager
async def demo(database: Database, dsn: str, *, profiles: int = 20) -> AsyncIterator[tuple[Agency, Settings, Emulator]]:
    config = EmulatorConfig(profiles=profiles, days=90, cache_seconds=0.0)
    app = make_app(config)
    async with serve(app) as url:
        settings = load_settings(
            database_url=dsn,
            ayrshare_url=url,
            ayrshare_api_key=SecretStr(config.api_key),
            encryption_keys=(SecretStr(ENCRYPTION_KEY),),
            max_requests_per_second=1000.0,
            http_port=0,
            pin_lane_gap=0.0,
        )
        yield Agency(app[EMULATOR], settings, database), settings, app[EMULATOR]


async def opened(agency: Agency) -> list[PollResult]:
    results: list[PollResult] = []
    await agency.open(results.append)
    return results


async def test_the_agency_has_something_to_show_of_everything(database: Database, dsn: str) -> None:
    async with demo(database, dsn) as (agency, _, _emulator):
        polled = await opened(agency)

    failed = {each.name: each.outcome.value for each in polled if each.rows is None or each.outcome.value != "ok"}
    assert failed == {UNLINKED: "unlinked", RATE_LIMITED: "rate_limited"}
    open_drops = await database.fetch("SELECT profile FROM engagement_drop WHERE open AND NOT inhibited")
    assert [row["profile"] for row in open_drops] == ["alder-oak-us"]
    [fleet] = await database.fetch("SELECT profiles, open FROM fleet_drop")
    assert not fleet["open"]
    assert fleet["profiles"] >= 12
    assert await database.fetchval("SELECT state FROM profile WHERE name = $1", UNLINKED) == "unlinked"
    missing = dict(await database.fetch("SELECT name, missing_days FROM profile_status WHERE missing_days > 0"))
    assert missing[GAPPED] == 3
    first = dict(await database.fetch("SELECT name, first_day FROM profile"))
    assert first.pop(YOUNG) > TODAY - timedelta(days=60)
    assert max(first.values()) <= TODAY - timedelta(days=365)
    followers = await database.fetch(
        "SELECT followers FROM account_snapshot s JOIN profile p ON p.id = profile_id "
        "WHERE name = $1 ORDER BY observed_at",
        SLOW,
    )
    assert len(followers) > 50
    assert followers[-1]["followers"] > followers[0]["followers"] + 100


async def test_pins_are_in_every_state_and_go_out_this_week(database: Database, dsn: str) -> None:
    async with demo(database, dsn) as (agency, settings, _):
        await opened(agency)
        publisher = settings.model_copy(update={"roles": frozenset({Role.PUBLISHER})})
        running = asyncio.create_task(run_roles(publisher, database, Hooks()))
        try:
            await until(lambda: _all_states(database))
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    week = await database.fetchval(
        "SELECT count(*) FROM pin WHERE publish_at BETWEEN now() AND now() + interval '7 days'"
    )
    assert week > 20


async def _all_states(database: Database) -> bool:
    found = {row["state"] for row in await database.fetch("SELECT DISTINCT state FROM pin")}
    return found == set(PinState)


async def test_what_is_older_is_what_ayrshare_would_have_answered_then(database: Database, dsn: str) -> None:
    async with demo(database, dsn, profiles=3) as (agency, _, emulator):
        await opened(agency)
        then = TODAY - timedelta(days=200)
        told = window(emulator.config, 0, then.toordinal())["daily"]

    rows = await database.fetch(
        "SELECT day, impression, save, engagement_rate, first_seen_at FROM daily_metric m "
        "JOIN profile p ON p.id = profile_id WHERE name = 'alder-oak-us'"
    )
    stored = {row["day"]: row for row in rows}
    # The newest three were restated after that.
    for day in told[:-3]:
        row, metrics = stored[date.fromisoformat(day["date"])], day["metrics"]
        assert (row["impression"], row["save"]) == (metrics["IMPRESSION"], metrics["SAVE"])
        assert row["engagement_rate"] == pytest.approx(metrics["ENGAGEMENT_RATE"])
        assert row["first_seen_at"].date() == row["day"] + timedelta(days=1)


async def test_a_second_start_in_a_week_leaves_all_as_it_is_also_moved_pins(database: Database, dsn: str) -> None:
    tables = ("daily_metric", "pin", "account_snapshot")
    counts = f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in tables)}"
    async with demo(database, dsn, profiles=6) as (agency, _, _emulator):
        await opened(agency)
    before = await database.fetchrow(counts)
    await database.execute(f"UPDATE pin SET publish_at = publish_at + interval '1 day' WHERE id IN ({_A_COMING_PIN})")
    async with demo(database, dsn, profiles=6) as (agency, _, _emulator):
        assert await agency.open(lambda _result: None) == 0

    assert await database.fetchrow(counts) == before


async def test_another_week_begins_anew(database: Database, dsn: str) -> None:
    async with demo(database, dsn, profiles=6) as (agency, _, _emulator):
        await opened(agency)
    await database.execute("UPDATE profile SET tags = ARRAY['demo', 'us', 'week-of-2020-01-06']")
    async with demo(database, dsn, profiles=4) as (agency, _, _emulator):
        assert await agency.open(lambda _result: None) == 6

    assert await database.fetchval("SELECT count(*) FROM profile") == 4
    assert await database.fetchval("SELECT count(DISTINCT profile_id) FROM daily_metric") == 4


async def test_profiles_that_are_not_the_demos_are_left_alone(database: Database, dsn: str) -> None:
    await registered(database, {"mine": "AAAA-BBBB-CCCC"})
    async with demo(database, dsn, profiles=3) as (agency, _, _emulator):
        with pytest.raises(RegistryError, match="1 profiles that are not the demo's"):
            await opened(agency)

    assert await database.fetchval("SELECT count(*) FROM profile") == 1


async def test_a_large_demo_makes_up_the_past_of_some(
    database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WITH_A_PAST", 2)
    async with demo(database, dsn, profiles=5) as (agency, _, _emulator):
        await opened(agency)

    assert await database.fetchval("SELECT count(*) FROM profile") == 5
    assert await database.fetchval("SELECT count(DISTINCT profile_id) FROM daily_metric") == 2


def test_every_profile_has_a_name_of_its_own() -> None:
    members = cast(1000)
    assert len({member.name for member in members}) == 1000
    assert members[0].name == "alder-oak-us"
    assert {member.client for member in members[58:62]} == {"Alder & Oak 2"}
