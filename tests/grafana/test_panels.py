"""Panels of fleets with problems: profiles paused, young, late or with holes, and polls that fail."""

import json
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.store.pool import Database, connected
from collector.store.profile import ProfileStore
from collector.store.role import GRAFANA
from grafana.builder.__main__ import FOLDER
from grafana.queries import expand
from grafana.queries.expand import Choice, Window
from grafana.queries.targets import Query, queries
from tests.support.alert_rules import tool
from tests.support.databases import as_user
from tests.support.profiles import new_profile

TODAY = datetime.now(UTC).date()
SETTLED = TODAY - timedelta(days=3)

_FILL = """
WITH filled AS (
    UPDATE profile
    SET state = $2, settled_through = $4::date, settle_days = 3, first_day = $3::date, last_day = $5::date,
        window_days = 30, last_success_at = $5::date::timestamp AT TIME ZONE 'UTC'
    WHERE name = $1
    RETURNING id
)
INSERT INTO daily_metric (profile_id, day, impression, engagement)
SELECT f.id, d.day::date, 10 * $6::bigint, $6::bigint
FROM filled f
CROSS JOIN generate_series($3::date, $5::date, interval '1 day') AS d (day)
"""


def ago(days: int) -> date:
    """Return the day that many days before the newest settled one."""
    return SETTLED - timedelta(days=days)


async def fill(
    database: Database,
    name: str,
    *,
    client: str = "acme",
    state: str = "active",
    first: int = 59,
    settled: int = 0,
    last: int | None = None,
    a_day: int = 100,
) -> int:
    """Register a profile that has the days from ``first`` to ``last``, or to ``settled``; return its id.

    All three are in days before the newest settled day.
    """
    await ProfileStore(database).put([new_profile(name, f"key-of-{name}", client=client)])
    await database.execute(_FILL, name, state, ago(first), ago(settled), ago(settled if last is None else last), a_day)
    found: int = await database.fetchval("SELECT id FROM profile WHERE name = $1", name)
    return found


async def change(database: Database, profile: int, since: int, a_day: int) -> None:
    """Change the numbers of the days from ``since`` days before the newest settled one on."""
    await database.execute(
        "UPDATE daily_metric SET impression = 10 * $3::bigint, engagement = $3 WHERE profile_id = $1 AND day >= $2",
        profile,
        ago(since),
        a_day,
    )


async def expect(database: Database, profile: int, since: int, expected: float) -> None:
    """Store what the detector expected of the days from ``since`` days before the newest settled one on."""
    await database.execute(
        "INSERT INTO drop_band (profile_id, since, expected, low) "
        "VALUES ($1, $2, array_fill($4::real, ARRAY[$3::integer]), array_fill($5::real, ARRAY[$3::integer]))",
        profile,
        ago(since),
        since + 1,
        expected,
        expected / 2,
    )


def query_of(board: str, title: str, target: int = 0) -> Query:
    made = json.loads((FOLDER / f"{board}.json").read_text(encoding="utf-8"))
    return [each for each in queries(made) if each.title == title][target]


async def ask(
    dsn: str, board: str, title: str, *clients: str, days: int = 90, until: int = 0, target: int = 0, **chosen: str
) -> list[dict[str, Any]]:
    """Return the rows of a panel's query, as Grafana runs it.

    The time range has ``days`` and ended ``until`` days ago; ``target`` is the query's place among the panel's.
    """
    query = query_of(board, title, target)
    several = Choice.several(*clients) if clients else Choice.everything("''")
    choices = {
        "client": Choice.one(clients[0] if clients else "acme") if board == "client" else several,
        "profile": Choice.everything("''"),
        **{name: Choice.one(value) for name, value in ({"metric": "engagement", "compare": "", "search": "",
           "page": "1", "day": ""} | chosen).items()},
    }  # fmt: skip
    end = datetime.now(UTC) - timedelta(days=until)
    text = expand.sql(query.text, Window(end - timedelta(days=days), end), choices)
    async with connected(as_user(dsn, GRAFANA)) as reader:
        return [dict(row) for row in await reader.fetch(text)]


@pytest.mark.parametrize("state", ["paused", "unlinked"])
async def test_a_profile_that_is_no_longer_read_does_not_stop_its_clients_row(
    dsn: str, database: Database, state: str
) -> None:
    fallen = await fill(database, "read")
    await change(database, fallen, 6, 10)
    await fill(database, "left", state=state, first=100, settled=40)
    [row] = await ask(dsn, "fleet", "Clients")
    assert row["Last settled day"].date() == SETTLED
    assert row["Change, %"] == pytest.approx(-0.9)
    assert row["7 days"] == 70
    assert len(row["Trend"]) == 28


async def test_a_client_that_is_no_longer_read_keeps_its_last_days(dsn: str, database: Database) -> None:
    await fill(database, "first", state="unlinked", settled=20)
    await fill(database, "second", state="paused", settled=30)
    [row] = await ask(dsn, "fleet", "Clients")
    assert row["Last settled day"].date() == ago(20)


async def test_a_paused_profile_is_not_the_oldest_read(dsn: str, database: Database) -> None:
    await fill(database, "read")
    await fill(database, "left", state="paused", settled=40)
    await fill(database, "lost", state="unlinked", settled=5)
    [row] = await ask(dsn, "fleet", "Clients")
    assert row["Oldest read"].date() == ago(5)


async def test_the_band_is_drawn_only_where_every_profile_has_an_expectation(dsn: str, database: Database) -> None:
    """A young profile lifts the line; a drop of the old one would stay above a band without the young one."""
    old = await fill(database, "old")
    await fill(database, "young", first=9)
    await expect(database, old, 40, 100)
    await change(database, old, 6, 10)
    found = {row["time"].date(): row for row in await ask(dsn, "client", "The chosen metric by day")}
    assert found[ago(10)]["Settled"] == found[ago(10)]["Expected"] == 100
    assert found[ago(10)]["Lowest normal"] == 50
    for day in (9, 6, 0):
        assert found[ago(day)]["Settled"] == (200 if day == 9 else 110)
        assert found[ago(day)]["Expected"] is found[ago(day)]["Lowest normal"] is None


@pytest.mark.parametrize("hole", ["DELETE FROM daily_metric", "UPDATE daily_metric SET engagement = NULL"])
async def test_the_band_leaves_out_a_profile_that_has_no_number_as_the_line_does(
    dsn: str, database: Database, hole: str
) -> None:
    for name in ("first", "second"):
        profile = await fill(database, name)
        await expect(database, profile, 40, 100)
    await database.execute(f"{hole} WHERE profile_id = $1 AND day = $2", profile, ago(5))
    found = {row["time"].date(): row for row in await ask(dsn, "client", "The chosen metric by day")}
    assert (found[ago(5)]["Settled"], found[ago(5)]["Expected"], found[ago(5)]["Lowest normal"]) == (100, 100, 50)
    assert (found[ago(4)]["Settled"], found[ago(4)]["Expected"], found[ago(4)]["Lowest normal"]) == (200, 200, 100)


async def lose(database: Database, profile: int, *days: int) -> None:
    """Delete the days of these ages, in days before today."""
    await database.execute(
        "DELETE FROM daily_metric WHERE profile_id = $1 AND day = ANY ($2::date[])",
        profile,
        [TODAY - timedelta(days=each) for each in days],
    )


@pytest.mark.parametrize(
    ("days", "lost", "left"), [((60, 30, 29, 10), 2, 1), ((50, 4), 1, 26), ((60, 30), 2, None), ((5, 4), 0, 25)]
)
async def test_a_gap_that_is_lost_does_not_hide_what_can_still_be_fetched(
    dsn: str, database: Database, days: tuple[int, ...], lost: int, left: int | None
) -> None:
    """Ayrshare serves 30 days: one that is 29 days old is lost tomorrow."""
    profile = await fill(database, "holes", first=80)
    await lose(database, profile, *days)
    [row] = await ask(dsn, "fleet", "Gaps")
    assert row["Days missing"] == len(days)
    assert row["Days lost"] == lost == await database.fetchval("SELECT count(*) FROM missing_day WHERE lost")
    assert row["Days until lost"] == left
    if left is not None:
        assert left == await database.fetchval("SELECT days_until_data_loss FROM profile_status")


async def test_gaps_list_the_profiles_with_most_days_to_save_first(dsn: str, database: Database) -> None:
    await lose(database, await fill(database, "too late", first=80), *range(40, 60))
    await lose(database, await fill(database, "in time", first=80), 10, 20)
    assert [row["Profile"] for row in await ask(dsn, "fleet", "Gaps")] == ["in time", "too late"]


async def drop(database: Database, profile: int) -> None:
    """Store an open drop of a profile, of the newest settled week."""
    await database.execute(
        "INSERT INTO drop_episode (profile_id, metric, detected_day, first_day, last_day, observed, expected, "
        "expected_low, score, lost_share, sentence) "
        "VALUES ($1, 'engagement', $2, $3, $2, 10, 100, 70, 5, 0.9, 'It fell.')",
        profile,
        SETTLED,
        ago(6),
    )


async def test_an_open_drop_of_a_paused_profile_is_no_open_drop(dsn: str, database: Database) -> None:
    for name, state in (("read", "active"), ("lost", "unlinked"), ("left", "paused")):
        await drop(database, await fill(database, name, state=state))
    [fleet] = await ask(dsn, "fleet", "Open drops")
    [client] = await ask(dsn, "fleet", "Clients")
    assert (fleet["Open drops"], client["Open drops"]) == (2, 2)
    profiles = {row["Profile"]: row["Open drops"] for row in await ask(dsn, "client", "Profiles")}
    assert profiles == {"read": 1, "lost": 1, "left": 0}
    drops = {row["Profile"]: row["State"] for row in await ask(dsn, "client", "Drops")}
    assert drops == {"read": "open", "lost": "open", "left": "paused"}


async def test_a_drop_was_open_until_its_profile_was_paused(dsn: str, database: Database) -> None:
    await drop(database, await fill(database, "left", state="paused"))
    await database.execute("UPDATE drop_episode SET detected_day = first_day")
    await database.execute("UPDATE profile SET state_since = $1::date", TODAY - timedelta(days=1))
    for until, count in ((2, 1), (0, 0)):
        [fleet] = await ask(dsn, "fleet", "Open drops", until=until)
        assert fleet["Open drops"] == count


async def test_a_client_that_is_no_longer_read_does_not_stop_the_clients_chosen_with_it(
    dsn: str, database: Database
) -> None:
    await fill(database, "read", client="acme")
    await fill(database, "left", client="gone", state="unlinked", settled=40)
    await ProfileStore(database).put([new_profile("new", "key-of-new", client="gone")])
    rows = await ask(dsn, "fleet", "Engagements, 7 days", "acme", "gone")
    assert {row["time"].date(): row["Engagements"] for row in rows} == {ago(7): 700, SETTLED: 700}
    [alone] = [row for row in await ask(dsn, "fleet", "Engagements, 7 days", "gone") if row["time"].date() == ago(40)]
    assert alone["Engagements"] == 700


async def test_a_fleet_that_is_no_longer_read_keeps_its_last_days(dsn: str, database: Database) -> None:
    await fill(database, "first", state="suspended", settled=5)
    await fill(database, "second", state="paused", settled=5)
    rows = await ask(dsn, "fleet", "Engagements, 7 days")
    assert [row["time"].date() for row in rows] == [ago(12), ago(5)]


async def test_a_profile_with_missing_days_is_no_mover(dsn: str, database: Database) -> None:
    """Twenty clients are read as usual; the fleet's edge is that of 95 % of the active profiles."""
    for place in range(20):
        await fill(database, f"steady {place}", client=f"steady {place}", first=20)
    fallen = await fill(database, "fallen", client="fallen")
    await change(database, fallen, 6, 50)
    await fill(database, "left", client="fallen", state="paused", settled=3)
    await fill(database, "lost", client="lost", state="unlinked", settled=4)
    late = await fill(database, "late", client="late", settled=2, last=-2)
    await change(database, late, 1, 5)
    await fill(database, "young", client="young", first=9)
    await lose(database, await fill(database, "hole", client="hole"), 5)
    [row] = await ask(dsn, "fleet", "Movers down")
    assert row == {"Client": "fallen", "7 days": 350, "Change": -350, "Change, %": pytest.approx(-0.5)}
    assert await ask(dsn, "fleet", "Movers up") == []


async def test_a_profile_that_comes_or_goes_is_no_change_of_its_client(dsn: str, database: Database) -> None:
    await fill(database, "read")
    await fill(database, "left", state="paused", settled=3)
    await fill(database, "young", first=4)
    await lose(database, await fill(database, "hole"), 5)
    [row] = await ask(dsn, "fleet", "Clients")
    assert row["Change, %"] == 0
    assert row["7 days"] == 700 + 400 + 500 + 600


async def test_a_paused_profile_misses_no_day_after_its_last(dsn: str, database: Database) -> None:
    """Else a client that has left would lower the coverage for ever, and lead the list of gaps."""
    await fill(database, "read")
    await fill(database, "left", state="paused", settled=40, last=38)
    [row] = await ask(dsn, "fleet", "Coverage")
    assert row["Coverage"] == 1
    assert {row["Coverage"] for row in await ask(dsn, "fleet", "Coverage by day") if row["Coverage"] is not None} == {1}
    assert await ask(dsn, "fleet", "Gaps") == []


async def test_days_that_were_missing_before_a_pause_and_those_of_an_unlinked_profile_are_still_missing(
    dsn: str, database: Database
) -> None:
    await lose(database, await fill(database, "left", state="paused", settled=10), 20)
    await fill(database, "lost", state="unlinked", settled=10)
    gaps = {row["Profile"]: row["Days missing"] for row in await ask(dsn, "fleet", "Gaps")}
    assert gaps == {"left": 1, "lost": 10}
    [row] = await ask(dsn, "fleet", "Coverage")
    assert row["Coverage"] == pytest.approx((49 + 50) / (50 + 60))


async def test_the_heat_map_shows_settled_days_and_no_impressions_without_engagements(
    dsn: str, database: Database
) -> None:
    await fill(database, "first", last=-2)
    second = await fill(database, "second", last=-2)
    await database.execute(
        "UPDATE daily_metric SET engagement = NULL WHERE profile_id = $1 AND day = $2", second, ago(5)
    )
    rates = {row["time"].date(): row["rate"] for row in await ask(dsn, "fleet", "Engagement rate by client and day")}
    assert max(rates) == SETTLED
    assert set(rates.values()) == {0.1}


async def test_the_mean_of_a_weekday_is_that_of_days_that_all_active_profiles_have(
    dsn: str, database: Database
) -> None:
    await fill(database, "in time")
    await fill(database, "late", settled=2)
    means = [row["Mean"] for row in await ask(dsn, "client", "Weekdays", days=20)]
    assert means == [200] * 7


async def test_followers_are_the_last_number_of_a_day(dsn: str, database: Database) -> None:
    profile = await fill(database, "read")
    for hour, followers in ((6, 5000), (18, 4000)):
        await database.execute(
            "INSERT INTO account_snapshot (profile_id, observed_at, followers) VALUES ($1, $2, $3)",
            profile,
            datetime.combine(TODAY - timedelta(days=1), time(hour), UTC),
            followers,
        )
    [row] = await ask(dsn, "client", "Followers")
    assert row["followers"] == 4000


async def test_the_client_compared_with_ends_at_its_last_settled_day(dsn: str, database: Database) -> None:
    await fill(database, "mine")
    await fill(database, "other", client="other", settled=1, last=-2)
    rows = await ask(dsn, "client", "The chosen metric by day", "acme", target=1, compare="other")
    assert max(row["time"].date() for row in rows) == ago(1)


def at_six(day: date, age: int) -> datetime:
    return datetime.combine(day + timedelta(days=age), time(6), UTC)


async def test_a_profile_that_was_first_read_later_does_not_restate_a_day(dsn: str, database: Database) -> None:
    day = ago(30)
    for name, versions in (("first", ((0, 70), (2, 100))), ("second", ((20, 40),))):
        profile = await fill(database, name)
        for revision, (seen, following) in enumerate(pairwise(versions), start=1):
            await database.execute(
                "INSERT INTO daily_metric_revision "
                "(profile_id, day, revision, observed_at, last_seen_at, superseded_at, engagement) "
                "VALUES ($1, $2, $3, $4, $4, $5, $6)",
                profile,
                day,
                revision,
                at_six(day, seen[0]),
                at_six(day, following[0]),
                seen[1],
            )
        await database.execute(
            "UPDATE daily_metric SET revision = $3, updated_at = $4, engagement = $5 "
            "WHERE profile_id = $1 AND day = $2",
            profile,
            day,
            len(versions),
            at_six(day, versions[-1][0]),
            versions[-1][1],
        )
    bars = {row["After"]: row["Known"] for row in await ask(dsn, "client", "How $day was restated", day=str(day))}
    assert bars == {"same day": 110, "2 days": 140, "20 days": 140}


@pytest.mark.parametrize(("outcomes", "share"), [(("timeout",), 0), (("ok", "timeout"), 0.5), ((), None)])
def test_the_share_of_polls_that_succeeded_is_zero_when_none_did(
    tmp_path: Path, outcomes: tuple[str, ...], share: float | None
) -> None:
    """A replica has a series of an outcome only after the first poll that had it, so there may be none of ok."""
    end = datetime.now(UTC)
    window = Window(end - timedelta(hours=1), end)
    every = {"instance": Choice.everything(".+")}
    expression = expand.promql(query_of("operations", "Polls that succeeded").text, window, every)
    polls = [
        {"series": f'collector_polls_total{{instance="a", outcome="{outcome}"}}', "values": "0+1x240"}
        for outcome in outcomes
    ]
    samples = [] if share is None else [{"labels": "{}", "value": share}]
    test = {
        "interval": "15s",
        "input_series": polls,
        "promql_expr_test": [{"expr": expression, "eval_time": "1h", "exp_samples": samples}],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), encoding="utf-8")
    tool("promtool", "test", "rules", path)
