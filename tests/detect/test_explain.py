"""Why a day was called a drop, or was not, and how sensitively a client is judged."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from collector.detect.detector import Detector
from collector.models.drop import Unmet
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.pool import Database
from tests.support.drops import SETTLED, fill
from tests.support.program import Program


@pytest.fixture
def detector(database: Database) -> Detector:
    return Detector(DropStore(database))


async def explained(collector: Program, *arguments: str) -> Any:
    ended = await collector("alerts", "explain", *arguments, "--json")
    assert ended.code == 0, ended.err
    return msgspec.json.decode(ended.out)


async def test_a_day_that_was_called_is_explained(database: Database, detector: Detector, collector: Program) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    found = await explained(collector, "acme-eu")
    assert found["called"]
    decision = found["decision"]
    assert decision["decided_by"] == "together"
    assert decision["window_score"] >= decision["threshold"]
    assert decision["window_loss"] >= decision["least_loss"]
    assert decision["also_fell"] == "impression,outbound_click,save"
    [drop] = await DropList(database).listed(0)
    assert drop.why == found["sentences"]
    assert msgspec.to_builtins(drop.decision) == decision
    assert "impressions, outbound clicks and saves fell too" in drop.sentence
    told = (await collector("alerts", "explain", "acme-eu")).out
    assert told.startswith(f"acme-eu, {SETTLED}: On ")
    assert "all metrics together were 7" in told
    assert "below the expected over the newest" in told


async def test_a_day_that_was_not_called_is_explained(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "acme-eu", dropped=4, left=0.3)
    await detector.run_once()
    day = SETTLED - timedelta(days=10)
    found = await explained(collector, "acme-eu", str(day))
    assert (found["called"], found["day"], found["unmet"]) == (False, str(day), Unmet.SCORE)
    assert "within chance" in found["sentences"]
    assert {check["series"] for check in found["checks"]} == {
        *("together", "engagement", "impression", "outbound_click", "save")
    }
    assert (await explained(collector, "acme-eu", str(SETTLED - timedelta(days=145))))["sentences"].startswith(
        "The day is not judged: too little history"
    )


async def test_nothing_is_said_of_a_sum_of_which_nothing_was_expected(
    database: Database, detector: Detector, collector: Program
) -> None:
    """All metrics are in the drop, so none is left for the sum of those that are in none."""
    await fill(database, "acme-eu", dropped=12, left=0.3)
    await detector.run_once()
    checks = (await explained(collector, "acme-eu"))["checks"]
    assert {check["series"] for check in checks} == {"engagement", "impression", "outbound_click", "save"}
    assert all(check["expected"] > 1 and check["loss"] < 0.9 for check in checks)


async def test_the_newest_verdict_says_why(database: Database, detector: Detector) -> None:
    await fill(database, "acme-eu")
    await fill(database, "new", days=20)
    await detector.run_once()
    rows = await database.fetch("SELECT v.* FROM drop_verdict v JOIN profile p ON p.id = v.profile_id ORDER BY p.name")
    verdict, young = rows
    assert verdict["unmet"] == Unmet.SCORE
    assert verdict["why"].startswith("No drop: ")
    assert young["why"].startswith("The day is not judged: too little history; it will be judged from ")


async def test_explaining_needs_a_settled_day_of_a_profile(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu")
    for arguments, code in (
        (("nobody",), 1),
        (("acme-eu", str(SETTLED + timedelta(days=1))), 1),
        (("acme-eu", "yesterday"), 2),
    ):
        ended = await collector("alerts", "explain", *arguments)
        assert (ended.code, ended.out) == (code, "")
        assert "Traceback" not in ended.err


async def test_a_calibration_is_shown_before_it_is_stored(
    database: Database, detector: Detector, collector: Program
) -> None:
    for number in range(3):
        await fill(database, f"p{number}", fell=(40 + number, 30), left=0.3)
    calibrate = ("alerts", "sensitivity", "normal", "--client", "acme", "--calibrate")
    shown = await collector(*calibrate)
    assert shown.code == 1
    assert "client-years of history; normal is at most 0.5 alarms a year" in shown.out
    assert await database.fetchval("SELECT count(*) FROM drop_sensitivity") == 0
    await fill(database, "q", client="quiet")
    await fill(database, "r", client="quiet")
    ended = await collector(*calibrate[:3], "--client", "quiet", "--calibrate", "--yes")
    assert ended.code == 0, ended.err
    assert await database.fetchval("SELECT threshold FROM drop_sensitivity") == 2.4
    await detector.run_once()
    known = "SELECT own_threshold FROM drop_verdict v JOIN profile p ON p.id = v.profile_id WHERE p.client = $1"
    assert await database.fetchval(known, "quiet") == 2.4
    assert await database.fetchval(known, "acme") is None


async def test_little_history_is_not_calibrated(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu")
    ended = await collector("alerts", "sensitivity", "low", "--profile", "acme-eu", "--calibrate", "--yes")
    assert ended.code == 1
    assert "too little to say" in ended.err
    assert await database.fetchval("SELECT count(*) FROM drop_sensitivity") == 0


async def test_the_holidays_of_a_clients_country_count(
    database: Database, detector: Detector, collector: Program
) -> None:
    await fill(database, "acme-eu")
    await detector.run_once()
    assert (await collector("clients", "set", "acme", "--country", "de")).code == 0
    assert await detector.run_once() == 1
    assert await database.fetchval("SELECT country FROM drop_verdict") == "DE"
    assert msgspec.json.decode((await collector("clients", "list", "--json")).out) == [
        {"client": "acme", "profiles": 1, "country": "DE", "time_zone": None}
    ]
    assert (await collector("clients", "set", "acme", "--country", "none")).code == 0
    assert "international" in (await collector("clients", "list")).out
    for arguments, code in ((("acme", "--country", "XX"), 2), (("nobody", "--country", "DE"), 1)):
        ended = await collector("clients", "set", *arguments)
        assert (ended.code, ended.out) == (code, "")
