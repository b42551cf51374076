"""Another Pinterest account behind a profile's key: noticed, told, never judged with the former one's days."""

import gzip
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr

from collector.ayrshare.client import open_client
from collector.detect.backtest import Asked, backtest
from collector.detect.detector import Detector
from collector.emulator import EmulatorConfig, serve
from collector.fleet.exporter import Exporter
from collector.loops.gate import Gate
from collector.poll.decision import Policy
from collector.poll.poller import Poller
from collector.poll.reader import Reader
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS, register
from tests.support.program import Program

DAY = 86_400.0
NAME = "client-003"
TODAY = datetime.now(UTC).date()
MARK = "SELECT account_changed_at IS NOT NULL FROM profile WHERE name = $1"
GAUGE = f'collector_profile_account_changed_timestamp_seconds{{client="acme",profile="{NAME}"}}'


@pytest.fixture
async def quarter() -> AsyncIterator[Ayrshare]:
    """An emulator with 24 profiles of 90 days, which caches no answer."""
    config = EmulatorConfig(profiles=24, days=90, cache_seconds=0.0)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        yield Ayrshare(url, config, session)


async def poll(database: Database, ayrshare: Ayrshare, profile_ids: Sequence[int]) -> None:
    gate = Gate(1e6)
    key = SecretStr(ayrshare.config.api_key)
    async with open_client(url=ayrshare.url, api_key=key, request_timeout=9.0, connections=8) as client:
        reader = Reader(client, KEYS, Policy(interval=3600.0, settle_days=3))
        leases = LeaseStore(database, owner="me", seconds=60.0)
        assert await Poller(reader, leases, MetricStore(database), gate, concurrency=8).poll_named(profile_ids) == 0


async def relink(ayrshare: Ayrshare, name: str = NAME) -> None:
    await ayrshare.fault(name, "relinked", endpoint="*")


async def with_history(database: Database, ayrshare: Ayrshare) -> int:
    """Register profiles and read one until 130 days of it are stored; return its id."""
    profile_id = (await register(database, ayrshare, 3))[2]
    for days_ago in (40, 20, 0):
        await ayrshare.pass_time(-days_ago * DAY)
        await poll(database, ayrshare, [profile_id])
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 130
    return profile_id


async def mean(database: Database, since: date) -> float:
    found = await database.fetchval("SELECT avg(impression)::float8 FROM daily_metric WHERE day >= $1", since)
    assert isinstance(found, float)
    return found


async def page(database: Database) -> str:
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    page = await exporter.page()
    assert page is not None
    return gzip.decompress(page.gzipped).decode()


async def test_a_relinked_profile_is_marked_until_somebody_accepts_it(
    database: Database, quarter: Ayrshare, collector: Program
) -> None:
    profile_id = await with_history(database, quarter)
    before = await database.fetch("SELECT day, impression FROM daily_metric ORDER BY day")
    seam = TODAY - timedelta(days=90)
    assert "Boards of 2" in (await collector("profiles", "show", NAME)).out
    assert GAUGE not in await page(database)

    await relink(quarter)
    await poll(database, quarter, [profile_id])

    kept = await database.fetch(
        "SELECT day, impression FROM daily_metric_as_of((SELECT replaced_at - interval '1 us' FROM profile "
        "WHERE id = $1)) WHERE profile_id = $1 ORDER BY day",
        profile_id,
    )
    assert kept == before, "the former account's days are in the ledger"
    assert await database.fetchval(
        "SELECT next_poll_at < now() + interval '2 minutes' FROM profile WHERE id = $1", profile_id
    )
    told = (await collector("status")).out
    assert "account changed?" in told
    assert f"the days from {seam} on are others'" in told
    assert "`collector profiles accept`" in told
    assert "active, account changed?" in (await collector("profiles", "list")).out
    assert GAUGE in await page(database)

    await poll(database, quarter, [profile_id])
    assert "now Boards of 1000005, before Boards of 2" in (await collector("status")).out

    accepted = await collector("profiles", "accept", NAME)
    assert (accepted.code, accepted.out) == (
        0,
        f"{NAME} accepted; its days from {seam} on are those of Boards of 1000005\n",
    )
    assert "account changed?" not in (await collector("status")).out
    assert GAUGE not in await page(database)
    shown = msgspec.json.decode((await collector("profiles", "show", NAME, "--json")).out)
    assert shown["seam_day"] == str(seam), "the days before it stay another account's"
    again = await collector("profiles", "accept", NAME)
    assert (again.code, again.err) == (1, f"error: not marked as another account: {NAME}; nothing was changed\n")


async def test_no_drop_is_opened_by_a_relink_and_the_next_one_is_judged_by_the_new_days(
    database: Database, quarter: Ayrshare, collector: Program
) -> None:
    profile_id = await with_history(database, quarter)
    detector = Detector(DropStore(database))
    await detector.run_once()
    usual = await mean(database, TODAY - timedelta(days=90))

    await relink(quarter)
    await poll(database, quarter, [profile_id])
    assert await mean(database, TODAY - timedelta(days=90)) < 0.4 * usual, "the account is much smaller"
    assert await detector.run_once() == 1
    # In the five weeks after the seam the new account is not judged; a low week after them is its own.
    judged_from = TODAY - timedelta(days=90 - 35)
    assert await database.fetchval("SELECT count(*) FROM drop_episode WHERE first_day < $1", judged_from) == 0
    told = (await backtest(DropStore(database), Asked())).episodes
    assert [each for each in told if each.first_day < judged_from] == []
    assert (await collector("profiles", "accept", NAME)).code == 0

    new_usual = await mean(database, TODAY - timedelta(days=90))
    since = TODAY - timedelta(days=9)
    await quarter.fault(NAME, "drop", endpoint="*", since=since.isoformat(), factor=0.1)
    await poll(database, quarter, [profile_id])
    assert not await database.fetchval(MARK, NAME)
    await detector.run_once()
    [drop] = await DropList(database).listed(0)
    assert drop.first_day == since
    expected = {"impression": 1.0, "engagement": 0.2}[drop.metric] * new_usual
    assert drop.expected < 1.6 * expected, "the new account's level, not the former one's"


async def test_a_drop_of_the_former_account_ends_and_is_kept(database: Database, quarter: Ayrshare) -> None:
    profile_id = await with_history(database, quarter)
    since = TODAY - timedelta(days=8)
    await quarter.fault(NAME, "drop", since=since.isoformat(), factor=0.1)
    await poll(database, quarter, [profile_id])
    detector = Detector(DropStore(database))
    await detector.run_once()
    before = await DropList(database).listed(0)
    assert {drop.open for drop in before} == {True}
    await quarter.heal()
    await relink(quarter)
    await poll(database, quarter, [profile_id])
    for _ in range(2):
        await detector.run_once()
        await database.execute("UPDATE drop_verdict SET settled_through = NULL")
    after = await DropList(database).listed(9)
    assert [(drop.metric, drop.first_day) for drop in after] == [(drop.metric, drop.first_day) for drop in before]
    assert {(drop.open, drop.close_reason) for drop in after} == {(False, "account_changed")}
    assert all("had fallen to" in drop.sentence for drop in after)
    assert all(drop.sentence.endswith("; then another Pinterest account took its place.") for drop in after)


async def test_the_former_account_that_comes_back_takes_the_mark_away(database: Database, quarter: Ayrshare) -> None:
    profile_id = await with_history(database, quarter)
    before = await database.fetch("SELECT day, impression FROM daily_metric ORDER BY day")
    await relink(quarter)
    await poll(database, quarter, [profile_id])
    assert await database.fetchval(MARK, NAME)
    await quarter.heal()
    await poll(database, quarter, [profile_id])
    assert await database.fetch("SELECT day, impression FROM daily_metric ORDER BY day") == before
    row = await database.fetchrow("SELECT account_changed_at, seam_day, replaced_at FROM profile WHERE name = $1", NAME)
    assert row is not None
    assert set(row.values()) == {None}


async def test_a_new_key_takes_the_mark_away(database: Database, quarter: Ayrshare, collector: Program) -> None:
    profile_id = await with_history(database, quarter)
    await relink(quarter)
    await poll(database, quarter, [profile_id])
    assert (await collector("profiles", "rotate-key", NAME, stdin="ANOTHER-KEY")).code == 0
    assert not await database.fetchval(MARK, NAME)


@pytest.mark.parametrize(
    ("since", "factor"),
    [(TODAY - timedelta(days=6), 0.2), (date(2024, 1, 1), 0.99), (date(2024, 1, 1), 1.01), (date(2024, 1, 1), 0.6)],
    ids=["the newest settled days", "all by -1 %", "all by +1 %", "all by -40 %"],
)
async def test_a_restatement_marks_nobody(database: Database, quarter: Ayrshare, since: date, factor: float) -> None:
    profile_id = await with_history(database, quarter)
    await quarter.fault(NAME, "drop", since=since.isoformat(), factor=factor)
    await poll(database, quarter, [profile_id])
    assert await database.fetchval("SELECT count(*) FROM daily_metric_revision WHERE profile_id = $1", profile_id) > 0
    assert not await database.fetchval(MARK, NAME)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_restatement_of_the_whole_fleet_marks_nobody(
    database: Database, quarter: Ayrshare, *, at_once: bool
) -> None:
    ids = await register(database, quarter, 24)
    await poll(database, quarter, ids)
    await relink(quarter, "*")
    for some in [ids] if at_once else [[profile_id] for profile_id in ids]:
        await poll(database, quarter, some)
    assert await database.fetchval("SELECT count(*) FROM profile WHERE replaced_at IS NOT NULL") > 12
    assert await database.fetchval("SELECT count(*) FROM profile WHERE account_changed_at IS NOT NULL") == 0
    assert await database.fetchval("SELECT count(*) FROM profile WHERE seam_day IS NOT NULL") == 0


async def test_a_name_that_cannot_be_learned_is_no_failure_and_is_asked_for_once(
    database: Database, quarter: Ayrshare
) -> None:
    [profile_id] = await register(database, quarter, 1)
    await quarter.fault("*", "unauthorized", endpoint="/user")
    for _ in range(2):
        await poll(database, quarter, [profile_id])
    row = await database.fetchrow("SELECT state, last_outcome, consecutive_failures, account_name FROM profile")
    assert row is not None
    assert tuple(row) == ("active", "unchanged", 0, None)
    assert (await quarter.record())["requests"] == {"POST /analytics/social": 2, "GET /user": 1}
