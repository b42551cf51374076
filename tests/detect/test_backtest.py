"""Backtests replay history as it was known on each day."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from collector.detect.detector import Detector
from collector.store.drop import DropStore
from collector.store.pool import Database
from tests.support.drops import SETTLED, fill, restate
from tests.support.program import Program


@pytest.fixture
def detector(database: Database) -> Detector:
    return Detector(DropStore(database))


async def replayed(collector: Program, *arguments: str) -> Any:
    ended = await collector("alerts", "backtest", "--json", *arguments)
    assert ended.code == 0, ended.err
    return msgspec.json.decode(ended.out)


async def test_a_backtest_shows_the_drops_that_would_have_been_found(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu", dropped=20, left=0.3)
    await fill(database, "other", client="b")
    found = await replayed(collector)
    assert {each["profile"] for each in found["episodes"]} == {"acme-eu"}
    first = next(each for each in found["episodes"] if each["metric"] == "engagement")
    assert set(first) == {
        *("profile", "client", "metric", "first_day", "detected_day", "last_day"),
        *("observed", "expected", "expected_low", "score", "lost_share", "decision"),
        *("usual_since", "closed_on", "close_reason", "inhibited", "dismissed", "sentence"),
    }
    assert not first["inhibited"]
    assert found["fleet"] == []
    dropped = SETTLED - timedelta(days=19)
    assert first["first_day"] == str(dropped)
    assert str(dropped) <= first["detected_day"] <= str(dropped + timedelta(days=2))
    assert found["rates"]["alarms"] == 1
    assert (await replayed(collector, "--since", str(SETTLED - timedelta(days=10))))["episodes"] == []
    assert (await replayed(collector, "--client", "b"))["episodes"] == []
    told = await collector("alerts", "backtest", "--sensitivity", "low")
    assert "Engagement of acme-eu" in told.out
    assert "1 alarm in " in told.out
    tomorrow = str(SETTLED + timedelta(days=1))
    for wrong, code in (
        (("--client", "nobody"), 1),
        (("--since", "yesterday"), 2),
        (("--since", tomorrow), 2),
        (("--sensitivity", "loud"), 2),
    ):
        ended = await collector("alerts", "backtest", *wrong)
        assert (ended.code, ended.out) == (code, "")
        assert "Traceback" not in ended.err


async def test_a_backtest_reads_days_as_they_were_known(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu")
    # The days settled low, and were corrected long after.
    await restate(
        database, SETTLED - timedelta(days=60), SETTLED - timedelta(days=50), ("2 days", 5, None), ("40 days", 1, None)
    )
    [engagement] = [each for each in (await replayed(collector))["episodes"] if each["metric"] == "engagement"]
    assert engagement["first_day"] == str(SETTLED - timedelta(days=60))


async def test_a_backtest_does_not_judge_estimates(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu")
    # The profile was not read for ten days; its days before were estimates, which were not judged.
    await restate(
        database,
        SETTLED - timedelta(days=60),
        SETTLED - timedelta(days=50),
        ("1 day", 5, "ESTIMATE"),
        ("13 days", 1, "READY"),
    )
    assert (await replayed(collector))["episodes"] == []


@pytest.mark.parametrize(("observed_after", "told"), [("3 days 23:59", True), ("4 days", False)])
async def test_a_day_settles_with_the_last_version_of_its_settle_days(
    database: Database, collector: Program, observed_after: str, *, told: bool
) -> None:
    await fill(database, "acme-eu")
    # The third version came in time, or too late to count.
    await restate(
        database,
        SETTLED - timedelta(days=60),
        SETTLED - timedelta(days=50),
        ("1 day", 5, None),
        ("2 days", 1, None),
        (observed_after, 5, None),
    )
    assert any(each["metric"] == "engagement" for each in (await replayed(collector))["episodes"]) is told


async def test_a_day_that_was_first_seen_in_a_backfill_counts_with_its_first_version(
    database: Database, collector: Program
) -> None:
    await fill(database, "acme-eu")
    await restate(
        database, SETTLED - timedelta(days=60), SETTLED - timedelta(days=50), ("30 days", 5, None), ("60 days", 1, None)
    )
    [engagement] = [each for each in (await replayed(collector))["episodes"] if each["metric"] == "engagement"]
    assert engagement["first_day"] == str(SETTLED - timedelta(days=60))


async def test_a_later_restatement_does_not_change_earlier_results(database: Database, collector: Program) -> None:
    await fill(database, "acme-eu", dropped=20, left=0.3)
    await restate(database, date.min, date.max, ("2 days", 1, None))
    before = await replayed(collector)
    assert before["rates"]["alarms"] == 1
    # Yesterday all of it was restated: before the drop to a fifth, in the drop to the usual.
    await database.execute(
        "INSERT INTO daily_metric_revision (profile_id, day, revision, observed_at, last_seen_at, engagement, "
        "impression, save, outbound_click) "
        "SELECT profile_id, day, 1, updated_at, now(), engagement, impression, save, outbound_click FROM daily_metric"
    )
    await database.execute(
        "UPDATE daily_metric SET engagement = CASE WHEN day > $1 THEN 300 ELSE 60 END, "
        "data_status = 'PROCESSING', revision = 2, updated_at = now()",
        SETTLED - timedelta(days=20),
    )
    assert await replayed(collector) == before


async def test_the_day_of_detection_is_the_newest_that_the_decision_needed(
    database: Database, collector: Program
) -> None:
    await fill(database, "acme-eu", dropped=20, left=0.3)
    detected = {each["metric"]: each["detected_day"] for each in (await replayed(collector))["episodes"]}
    first = min(detected.values())
    await database.execute("UPDATE profile SET settled_through = $1::text::date - 1", first)
    assert (await replayed(collector))["episodes"] == []
    await database.execute("UPDATE profile SET settled_through = $1::text::date", first)
    known = {each["metric"]: each["detected_day"] for each in (await replayed(collector))["episodes"]}
    assert known == {metric: day for metric, day in detected.items() if day == first}


async def test_a_backtest_shows_the_fleets_drop_once_and_a_clients_own_too(
    database: Database, collector: Program
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", client=f"c{number % 4}", fell=(30, 24), left=0.3)
    await fill(database, "own", client="own", fell=(60, 50), left=0.3)
    found = await replayed(collector)
    [drop] = found["fleet"]
    began = SETTLED - timedelta(days=30)
    assert str(began) < drop["first_day"] <= str(began + timedelta(days=3))
    assert str(SETTLED - timedelta(days=26)) <= drop["last_day"] <= str(SETTLED - timedelta(days=20))
    assert drop["profiles"] == 12
    assert 0.9 < drop["share"] < 0.93
    assert {each["profile"] for each in found["episodes"] if not each["inhibited"]} == {"own"}
    inhibited = [each for each in found["episodes"] if each["inhibited"]]
    assert {each["profile"] for each in inhibited} == {f"p{number}" for number in range(12)}
    assert all("as the whole fleet dropped (92 % of profiles)" in each["sentence"] for each in inhibited)
    assert (found["rates"]["alarms"], found["rates"]["inhibited"]) == (1, len(inhibited))
    lines = (await collector("alerts", "backtest")).out.splitlines()
    first = f"{drop['first_day']}  fleet: {drop['sentence']}"
    assert [line for line in lines if "fleet: " in line] == [lines[0]] == [first]
    assert lines[-1].endswith(f"{len(inhibited)} of the episodes belonged to the fleet's drops")


async def test_a_backtest_of_one_client_knows_the_fleets_drop(database: Database, collector: Program) -> None:
    for number in range(12):
        await fill(database, f"p{number}", client=f"c{number}", fell=(30, 24), left=0.3)
    whole, one = await replayed(collector), await replayed(collector, "--client", "c3")
    assert one["fleet"] == whole["fleet"] != []
    assert one["episodes"] == [each for each in whole["episodes"] if each["client"] == "c3"] != []
    assert (one["rates"]["profiles"], one["rates"]["alarms"]) == (1, 0)
    assert (await replayed(collector, "--since", str(SETTLED - timedelta(days=5))))["fleet"] == []


async def test_a_backtest_and_the_daemon_find_the_same_drop_of_the_fleet(
    database: Database, detector: Detector, collector: Program
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", client=f"c{number}", dropped=4 if number < 9 else 0, left=0.3)
    await fill(database, "before", dropped=20, left=0.3)
    await detector.run_once()
    found, listed = await replayed(collector), msgspec.json.decode((await collector("alerts", "list", "--json")).out)
    names = ("first_day", "last_day", "profiles", "sentence")
    told, daemons = ([{name: drop[name] for name in names} for drop in each["fleet"]] for each in (found, listed))
    assert told == daemons != []
    fields = ("profile", "metric", "first_day", "detected_day", "last_day", "inhibited", "sentence")
    keys = [
        sorted(tuple(each[name] for name in fields) for each in drops) for drops in (found["episodes"], listed["drops"])
    ]
    assert keys[0] == keys[1]


async def test_a_backtest_without_days_says_so(collector: Program, database: Database) -> None:
    assert await database.fetchval("SELECT count(*) FROM profile") == 0
    assert "0 alarms in 0 client-years" in (await collector("alerts", "backtest")).out
