"""Of a drop that is not a problem nobody is told any more, until somebody says otherwise."""

from datetime import timedelta

import pytest

from collector.detect.detector import Detector
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.event import EventStore, Limits
from collector.store.pool import Database
from tests.support.api import client, client_token
from tests.support.drops import SETTLED, fill
from tests.support.pages import fleet_page
from tests.support.profiles import remove
from tests.support.program import Program

LIMITS = Limits(stale_seconds=86_400.0, loss_days=3)
GAUGE = 'pinterest_engagement_drop{client="acme",profile="acme-eu"} '


@pytest.fixture
async def drop(database: Database) -> int:
    """The number of a drop that the detector found."""
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await Detector(DropStore(database)).run_once()
    [found] = await DropList(database).listed(0)
    return found.id


async def times(database: Database, factor: float) -> None:
    """Restate the days of the fall, and judge them."""
    await database.execute(
        "UPDATE daily_metric SET engagement = engagement * $2::float8, impression = impression * $2::float8, "
        "save = save * $2::float8, outbound_click = outbound_click * $2::float8 WHERE day > $1",
        *(SETTLED - timedelta(days=4), factor),
    )
    await database.execute("UPDATE drop_verdict SET settled_through = NULL")
    await Detector(DropStore(database)).run_once()


async def test_nobody_is_told_of_a_dismissed_drop(database: Database, drop: int, collector: Program) -> None:
    assert f"{GAUGE}1" in await fleet_page(database)
    dismissed = await collector("alerts", "dismiss", str(drop), "--note", "the campaign ended")
    assert dismissed.out.startswith("not a problem: Engagement of acme-eu fell")
    text = await fleet_page(database)
    assert f"{GAUGE}0" in text
    assert "pinterest_engagement_drop_info{" not in text
    await EventStore(database).find(LIMITS)
    assert await database.fetchval("SELECT count(*) FROM notice") == 0
    listed = (await collector("alerts", "list")).out
    assert listed.endswith(" Not a problem, the command line says: the campaign ended\n")
    replayed = await collector("alerts", "backtest")
    assert " Dismissed: the campaign ended\n" in replayed.out
    assert replayed.out.endswith("; 1 were dismissed\n")
    assert (await collector("alerts", "dismiss", str(drop), "--undo")).code == 0
    assert f"{GAUGE}1" in await fleet_page(database)
    await EventStore(database).find(LIMITS)
    assert await database.fetchval("SELECT kind FROM notice") == "drop_opened"


async def test_a_drop_that_is_found_again_where_it_began_stays_dismissed(database: Database, drop: int) -> None:
    await DropList(database).dismiss(drop, "a holiday", "ops")
    await times(database, 10 / 3)
    assert await DropList(database).listed(30) == []
    await times(database, 0.3)
    [again] = await DropList(database).listed(0)
    assert (again.dismissed_note, again.dismissed_by, again.told) == ("a holiday", "ops", False)
    await remove(database, "acme-eu")
    assert await DropList(database).notes() == {}


async def test_dismissing_needs_a_reason_and_a_drop(database: Database, drop: int, collector: Program) -> None:
    for arguments, code in (
        ((str(drop),), 2),
        ((str(drop), "--note", "x", "--undo"), 2),
        ((str(drop), "--note", "  "), 1),
        ((str(drop + 1), "--note", "x"), 1),
    ):
        ended = await collector("alerts", "dismiss", *arguments)
        assert (ended.code, ended.out) == (code, ""), ended.err
    assert await DropList(database).notes() == {}


async def test_the_api_says_why_and_keeps_who_dismissed(database: Database, drop: int) -> None:
    profile_id = await database.fetchval("SELECT id FROM profile")
    async with client(database) as ask:
        mine = ask.with_token(await client_token(database, "acme"))
        _, shown = await mine("GET", f"/drops/{drop}")
        assert shown["decision"]["decided_by"] == "together"
        assert shown["decision"]["window_loss"] > shown["decision"]["least_loss"]
        assert shown["why"].startswith("On ")
        status, problem = await mine("POST", f"/drops/{drop}/dismiss", {"note": " "})
        assert (status, problem["errors"][0]["field"]) == (422, "note")
        _, dismissed = await mine("POST", f"/drops/{drop}/dismiss", {"note": "a holiday"})
        assert (dismissed["dismissed_note"], dismissed["dismissed_by"]) == ("a holiday", "of acme True")
        assert (dismissed["open"], dismissed["told"]) == (True, False)
        assert [(await mine("GET", "/drops", state=state))[1]["drops"] for state in ("open", "dismissed")] == [
            *([], [dismissed])
        ]
        assert (await mine("GET", "/clients"))[1]["clients"][0]["open_drops"] == 0
        assert (await mine("POST", f"/drops/{drop}/restore"))[1]["told"] is True
        _, verdict = await mine("GET", f"/profiles/{profile_id}/verdict")
        assert (verdict["called"], verdict["day"]) == (True, str(SETTLED))
        usual = str(SETTLED - timedelta(days=10))
        _, verdict = await mine("GET", f"/profiles/{profile_id}/verdict", day=usual)
        assert (verdict["called"], verdict["unmet"]) == (False, "score")
        assert len(verdict["checks"]) > 4
        status, problem = await mine("GET", f"/profiles/{profile_id}/verdict", day=str(SETTLED + timedelta(days=1)))
        assert (status, problem["errors"][0]["field"]) == (422, "day")
