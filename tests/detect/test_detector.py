"""The detector, from days in the database to the sentence that a client manager reads."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from collector.detect.detector import Detector
from collector.errors import DatabaseUnavailableError
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.fleet_drop import FleetDropStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.drops import DAYS, SETTLED, fill
from tests.support.pages import fleet_page
from tests.support.profiles import registered, remove
from tests.support.program import Program


@pytest.fixture
def detector(database: Database) -> Detector:
    return Detector(DropStore(database))


async def test_a_drop_is_on_the_page_and_in_the_list_with_its_sentence(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await fill(database, "acme-us")
    assert await detector.run_once() == 2
    text = await fleet_page(database)
    [told] = [
        line for line in text.splitlines() if "pinterest_engagement_drop_info{" in line and '"engagement"' in line
    ]
    assert "Engagement of acme-eu fell to " in told
    assert f"since {(SETTLED - timedelta(days=3)).day} " in told
    assert "# HELP pinterest_engagement_drop Open drops of the profile's own" in text
    assert 'pinterest_engagement_drop{client="acme",profile="acme-eu"} 1' in text, "one drop, of all four metrics"
    assert 'pinterest_engagement_drop{client="acme",profile="acme-us"} 0' in text
    assert "pinterest_fleet_drop 0" in text
    listed = msgspec.json.decode((await collector("alerts", "list", "--json")).out)
    assert {drop["profile"] for drop in listed["drops"]} == {"acme-eu"}
    engagement = next(drop for drop in listed["drops"] if drop["metric"] == "engagement")
    assert engagement["observed"] < engagement["expected_low"] < engagement["expected"]
    assert 0.6 < engagement["lost_share"] < 0.8
    assert "acme: Engagement of acme-eu fell" in (await collector("alerts", "list")).out


async def test_a_drop_followed_by_three_usual_days_is_told_as_past(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", fell=(6, 3), left=0.3)
    await detector.run_once()
    [drop] = await DropList(database).listed(30)
    usual_since = SETTLED - timedelta(days=2)
    assert drop.open
    assert drop.usual_since == usual_since
    assert drop.last_day == usual_since - timedelta(days=1)
    assert 70 < drop.observed < 120, "the mean of the low days alone"
    assert "Engagement of acme-eu had fallen to " in drop.sentence
    assert drop.sentence.endswith(f"; it has been back to normal since {usual_since.day} {usual_since:%B}.")


async def test_what_was_expected_of_each_day_can_be_drawn(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await fill(database, "acme-new", days=5)
    await detector.run_once()
    rows = await database.fetch("SELECT * FROM expected_day WHERE profile = 'acme-eu' ORDER BY day")
    days = [row["day"] for row in rows]
    assert days[-1] == SETTLED
    assert days == [days[0] + timedelta(days=place) for place in range(len(days))]
    assert 60 < len(days) < DAYS
    assert all(0 < row["expected_low"] < row["expected"] for row in rows)
    verdict = await database.fetchrow("SELECT * FROM drop_verdict WHERE profile_id = $1", rows[0]["profile_id"])
    assert verdict is not None
    assert rows[-1]["expected"] == pytest.approx(verdict["expected"], rel=1e-6)
    assert await database.fetch("SELECT FROM expected_day WHERE profile = 'acme-new'") == []


async def test_judging_the_same_days_again_writes_nothing(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    before = await database.fetch("SELECT xmin::text, * FROM drop_episode")
    assert before
    assert await detector.run_once() == 0
    await database.execute("UPDATE drop_verdict SET settled_through = NULL")
    assert await detector.run_once() == 1
    assert await database.fetch("SELECT xmin::text, * FROM drop_episode") == before


async def test_only_polls_that_changed_something_are_judged(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu")
    await detector.run_once()
    await database.execute("UPDATE profile SET last_poll_at = now()")
    assert await detector.run_once() == 0
    await database.execute("UPDATE profile SET last_poll_at = now(), days_changed_at = now()")
    assert await detector.run_once() == 1
    assert await detector.run_once() == 0


async def test_a_round_reads_and_writes_only_what_changed(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme-eu", "acme-us"):
        await fill(database, name)
    await detector.run_once()
    steps: list[tuple[str, Any]] = []

    def watch(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def watched(store: DropStore, *given: Any) -> Any:
            steps.append((name, given[0] if given else None))
            return work(store, *given)

        return watched

    for name in ("days", "of_former_accounts", "write", "fleet"):
        monkeypatch.setattr(DropStore, name, watch(name, getattr(DropStore, name)))
    assert await detector.run_once() == 0
    assert steps == []
    profile_id = await database.fetchval("SELECT id FROM profile WHERE name = 'acme-us'")
    for left, others in ((0.99, []), (0.1, [("fleet", None)])):
        await database.execute(
            "UPDATE daily_metric SET engagement = engagement * $3::float8, impression = impression * $3::float8 "
            "WHERE profile_id = $1 AND day > $2",
            *(profile_id, SETTLED - timedelta(days=4), left),
        )
        await database.execute(
            "UPDATE profile SET last_poll_at = now(), days_changed_at = now() WHERE id = $1", profile_id
        )
        steps.clear()
        assert await detector.run_once() == 1
        own = [("days", [profile_id]), ("of_former_accounts", [profile_id]), ("write", [profile_id])]
        assert steps == own + others, "the fleet's drops rest on those of profiles"


async def test_a_long_round_shows_that_it_is_alive(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.detect.detector.BATCH", 1)
    for name in ("a", "b", "c"):
        await fill(database, name, days=20)
    beats: list[str] = []
    await detector.run_once(lambda: beats.append("alive"))
    assert len(beats) == 3


async def test_a_profile_that_is_polled_while_it_is_read_does_not_affect_others(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        await fill(database, name)
    read = DropStore.days

    async def days(store: DropStore, *asked: Any) -> Any:
        await database.execute("UPDATE profile SET settled_through = settled_through + 1 WHERE name = 'b'")
        return await read(store, *asked)

    with monkeypatch.context() as patched:
        patched.setattr(DropStore, "days", days)
        await detector.run_once()
    assert await database.fetchval("SELECT count(*) FROM drop_verdict WHERE silence IS NULL") == 3
    assert await detector.run_once() == 1


async def test_a_drop_is_deleted_when_its_days_are_corrected(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    await database.execute(
        "UPDATE daily_metric SET engagement = engagement * 10 / 3, impression = impression * 10 / 3, "
        "save = save * 10 / 3, outbound_click = outbound_click * 10 / 3 WHERE day > $1",
        SETTLED - timedelta(days=4),
    )
    await database.execute("UPDATE drop_verdict SET settled_through = NULL")
    await detector.run_once()
    assert await database.fetchval("SELECT count(*) FROM drop_episode") == 0


async def test_too_little_history_is_reported(database: Database, detector: Detector, collector: Program) -> None:
    await fill(database, "new", days=20, dropped=4, left=0.1)
    await detector.run_once()
    assert await database.fetchval("SELECT count(*) FROM drop_episode") == 0
    text = await fleet_page(database)
    assert "pinterest_engagement_drop{" not in text
    told = (await collector("alerts", "list")).out
    assert told == "no drop is open\nnothing is said of 1 profile: too little history: new\n"


async def test_profiles_of_which_nothing_can_be_said_are_named(
    database: Database, detector: Detector, collector: Program
) -> None:
    for name in ("well", "gone", "off"):
        await fill(database, name)
    await registered(database, {f"never-{number:02}": f"KEY-{number}" for number in range(12)})
    await detector.run_once()
    await database.execute("UPDATE profile SET settled_through = settled_through - 5 WHERE name = 'gone'")
    await database.execute("UPDATE profile SET state = 'unlinked' WHERE name = 'gone'")
    await database.execute("UPDATE profile SET state = 'paused' WHERE name = 'off'")

    told = (await collector("alerts", "list")).out
    as_json = msgspec.json.decode((await collector("alerts", "list", "--json")).out)["not_judged"]

    ten = ", ".join(f"never-{number:02}" for number in range(10))
    assert told == (
        "no drop is open\n"
        f"nothing is said of 1 profile: no fresh data: gone (unlinked, since {SETTLED - timedelta(days=5)})\n"
        f"nothing is said of 12 profiles: no settled day yet: {ten} and 2 more; --json names them all\n"
    )
    assert [each["profile"] for each in as_json] == ["gone", *(f"never-{number:02}" for number in range(12))]
    assert as_json[0]["why"] == "no fresh data"


async def test_a_drop_of_the_whole_fleet_is_one_drop_and_not_the_clients(
    database: Database, detector: Detector
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", client=f"c{number}", dropped=4, left=0.3)
    await detector.run_once()
    text = await fleet_page(database)
    assert "pinterest_fleet_drop 1" in text
    assert text.count("pinterest_fleet_drop_info{") == 1
    assert "pinterest_engagement_drop_info{" not in text
    assert await database.fetchval("SELECT bool_and(inhibited) FROM engagement_drop")
    sentence = await database.fetchval("SELECT min(sentence) FROM engagement_drop")
    assert "whole fleet" in sentence


async def lose_link(database: Database, name: str) -> None:
    await database.execute("UPDATE profile SET state = 'unlinked', state_since = now() WHERE name = $1", name)


async def test_a_link_that_is_lost_is_named_as_the_cause(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.0)
    await detector.run_once()
    await lose_link(database, "acme-eu")
    assert await detector.run_once() == 1
    sentence = await database.fetchval("SELECT sentence FROM engagement_drop WHERE metric = 'engagement'")
    assert "the link to Pinterest was lost" in sentence


async def test_a_link_that_was_lost_weeks_later_is_no_cause(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=20, left=0.3)
    await lose_link(database, "acme-eu")
    await detector.run_once()
    sentence = await database.fetchval("SELECT sentence FROM engagement_drop WHERE metric = 'engagement'")
    assert "link" not in sentence


async def test_a_drop_of_a_paused_profile_is_not_open(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "left", dropped=4, left=0.3)
    await fill(database, "new", days=5)
    await detector.run_once()
    assert 'pinterest_engagement_drop{client="acme",profile="left"} 1' in await fleet_page(database)
    await ProfileStore(database).pause(["left", "new"], "the client left")
    await detector.run_once()
    text = await fleet_page(database)
    assert 'pinterest_engagement_drop{client="acme",profile="left"} 0' in text
    assert "pinterest_engagement_drop_info{" not in text
    assert (await collector("alerts", "list")).out == "no drop is open\n"


async def test_closed_drops_are_listed_by_settled_days(database: Database, detector: Detector) -> None:
    await fill(database, "back", fell=(18, 9), left=0.3)
    await detector.run_once()
    ago = (SETTLED - await database.fetchval("SELECT max(closed_on) FROM engagement_drop")).days
    assert await DropList(database).listed(ago) == []
    assert len(await DropList(database).listed(ago + 1)) == 1


async def test_a_removed_profile_leaves_nothing(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    await remove(database, "acme-eu")
    for table in ("drop_episode", "drop_verdict", "drop_band"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("moment", ["days", "write"])
async def test_a_profile_that_is_removed_while_it_is_judged_leaves_nothing(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    work = getattr(DropStore, moment)

    async def removed(store: DropStore, *given: Any) -> Any:
        await remove(database, "acme-eu")
        return await work(store, *given)

    monkeypatch.setattr(DropStore, moment, removed)
    assert await detector.run_once() == 1
    for table in ("drop_episode", "drop_verdict", "drop_band"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_one_replica_at_a_time_writes_the_fleets_drops(database: Database, detector: Detector) -> None:
    for number in range(12):
        await fill(database, f"p{number}", dropped=4, left=0.3)
    async with DropStore(database).fleet():
        other = asyncio.create_task(detector.run_once())
        while not await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.05)
        assert not other.done()
    assert await other == 12
    assert await database.fetchval("SELECT count(*) FROM fleet_drop") == 1


async def test_a_replica_whose_machine_is_gone_does_not_keep_the_fleets_lock(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", dropped=4, left=0.3)
    monkeypatch.setattr("collector.store.drop._PATIENCE", "SET LOCAL idle_in_transaction_session_timeout = '1s'")

    async def gone() -> None:
        async with DropStore(database).fleet() as fleet:
            assert await detector.run_once() == 12
            await fleet.recent(SETTLED)

    with pytest.raises(DatabaseUnavailableError):
        await gone()
    assert await database.fetchval("SELECT count(*) FROM fleet_drop") == 1


async def test_a_drop_that_is_no_longer_the_fleets_has_its_own_cause(database: Database, detector: Detector) -> None:
    for number in range(12):
        await fill(database, f"p{number}", dropped=4, left=0.3)
    await database.execute(
        "DELETE FROM daily_metric WHERE day = $1 AND profile_id = (SELECT id FROM profile WHERE name = 'p1')",
        SETTLED - timedelta(days=1),
    )
    await detector.run_once()
    told = "SELECT sentence FROM engagement_drop WHERE profile = 'p1'"
    assert "whole fleet" in await database.fetchval(told)
    await ProfileStore(database).pause([f"p{number}" for number in range(5, 12)], "they left")
    for _ in range(2):
        await detector.run_once()
    assert "1 day of data is missing" in await database.fetchval(told)


async def test_a_new_sensitivity_judges_the_profile_again(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "acme-eu")
    await detector.run_once()

    async def chosen() -> Any:
        assert await detector.run_once() == 1
        return await database.fetchval("SELECT sensitivity FROM drop_verdict")

    assert (await collector("alerts", "sensitivity", "low", "--client", "acme")).code == 0
    assert await chosen() == "low"
    assert (await collector("alerts", "sensitivity", "high", "--profile", "acme-eu")).code == 0
    assert await chosen() == "high"
    assert '"drop_sensitivity": "high"' in (await collector("profiles", "show", "acme-eu", "--json")).out
    assert (await collector("alerts", "sensitivity", "default", "--profile", "acme-eu")).code == 0
    assert await chosen() == "low"
    for arguments, code in ((("low", "--client", "nobody"), 1), (("low",), 2), (("loud", "--client", "acme"), 2)):
        ended = await collector("alerts", "sensitivity", *arguments)
        assert (ended.code, ended.out) == (code, "")


async def test_a_new_profile_does_not_get_the_sensitivity_of_a_removed_namesake(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "acme-eu")
    assert (await collector("alerts", "sensitivity", "low", "--profile", "acme-eu")).code == 0
    await remove(database, "acme-eu")
    await fill(database, "acme-eu", client="other")
    await detector.run_once()
    assert await database.fetchval("SELECT sensitivity FROM drop_verdict") == "normal"


async def test_a_verdict_does_not_depend_on_the_other_profiles_of_the_batch(
    database: Database, detector: Detector
) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    alone = await database.fetch("SELECT metric, detected_day, closed_on, sentence FROM engagement_drop ORDER BY 1, 2")
    await fill(database, "ahead")
    await database.execute("UPDATE profile SET settled_through = settled_through + 30 WHERE name = 'ahead'")
    await database.execute("UPDATE drop_verdict SET settled_through = NULL")
    await detector.run_once()
    again = await database.fetch(
        "SELECT metric, detected_day, closed_on, sentence FROM engagement_drop WHERE profile = 'acme-eu' ORDER BY 1, 2"
    )
    assert again == alone


@pytest.mark.parametrize(
    ("store", "part", "left"), [(DropStore, "days", 12), (DropStore, "write", 12), (FleetDropStore, "judged", 0)]
)
async def test_work_that_an_outage_interrupted_is_done_after_it(
    database: Database, detector: Detector, monkeypatch: pytest.MonkeyPatch, store: type, part: str, left: int
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", dropped=4, left=0.3)
    with monkeypatch.context() as patched:
        patched.setattr(store, part, AsyncMock(side_effect=DatabaseUnavailableError("away")))
        with pytest.raises(DatabaseUnavailableError):
            await detector.run_once()
    assert await detector.run_once() == left
    assert await database.fetchval("SELECT bool_and(inhibited) FROM engagement_drop")
