"""The fleet page, which Prometheus reads."""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collector.fleet.exporter import Exporter
from collector.fleet.page import EVERYONE, Fleet, Page, Part
from collector.models.profile import ProfileState
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore, ProfileStatus
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.drops import stored_drop
from tests.support.profiles import new_profile, remove

TODAY = datetime.now(UTC).date()
# All that a database can hold.
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
HOSTILE = 'a"b\\c\nd{e}=,é\u2028'

Samples = dict[str, dict[tuple[str, str], float]]


def samples(page: Page) -> Samples:
    """Return the page's values by metric and (client, profile), read by the client library's own parser."""
    found: Samples = {}
    for family in text_string_to_metric_families(gzip.decompress(page.gzipped).decode()):
        for sample in family.samples:
            key = (sample.labels.get("client", ""), sample.labels.get("profile", ""))
            of_metric = found.setdefault(sample.name, {})
            assert key not in of_metric or sample.name == "collector_profile_state", "no series may come twice"
            of_metric[key] = sample.value
    return found


async def page_of(database: Database) -> Page:
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    return await shown(exporter)


async def shown(exporter: Exporter, part: Part = EVERYONE) -> Page:
    page = await exporter.page(part)
    assert page is not None
    return page


async def fill(database: Database, name: str, *, client: str = "acme") -> None:
    await ProfileStore(database).put([new_profile(name, f"key of {name!a}".replace(" ", "-"), client=client)])
    await database.execute(
        "UPDATE profile SET first_day = $2::date - 9, last_day = $2::date - 1, settled_through = $2::date - 3, "
        "settle_days = 3, "
        "last_success_at = now() WHERE name = $1",
        name,
        TODAY,
    )
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression, engagement, engagement_rate, save) "
        "SELECT id, $2::date - i, 1000 - i, 0, 0.25, 9007199254740993 FROM profile, generate_series(1, 9) i "
        "WHERE name = $1 AND i <> 5",
        name,
        TODAY,
    )
    await database.execute(
        "INSERT INTO account_snapshot (profile_id, observed_at, impression, followers) "
        "SELECT id, now() - i * interval '1 hour', 5000 + i, 70 + i FROM profile, generate_series(0, 1) i "
        "WHERE name = $1",
        name,
    )


async def test_a_profile_shows_its_newest_settled_day_and_its_window(database: Database) -> None:
    await fill(database, "one")
    found = samples(await page_of(database))
    one = ("acme", "one")
    assert found["pinterest_impressions"] == {one: 997.0}, "three days old, not newer"
    assert found["pinterest_engagements"] == {one: 0.0}, "zero is a number"
    assert found["pinterest_engagements_ratio"] == {one: 0.25}
    assert "pinterest_outbound_clicks" not in found, "and no number is no line"
    assert found["pinterest_window_impressions"] == {one: 5000.0}
    assert found["pinterest_followers"] == {one: 70.0}
    assert found["pinterest_missing_days"] == {one: 1.0}
    midnight = datetime.combine(TODAY - timedelta(days=3), datetime.min.time(), tzinfo=UTC)
    assert found["pinterest_data_timestamp_seconds"] == {one: midnight.timestamp()}
    assert found["collector_profile_state"] == {one: 1.0}


async def test_hostile_names_neither_break_the_page_nor_merge(database: Database) -> None:
    names = [HOSTILE, HOSTILE.replace("\n", "\\n"), 'x",client="other', "plain"]
    for name in names:
        await fill(database, name, client=HOSTILE)
    found = samples(await page_of(database))["pinterest_impressions"]
    assert sorted(profile for _, profile in found) == sorted(names)
    assert {client for client, _ in found} == {HOSTILE}


async def test_the_page_of_an_empty_fleet_is_valid(database: Database) -> None:
    page = await page_of(database)
    assert samples(page) == {"pinterest_fleet_drop": {("", ""): 0}}
    assert b"# TYPE pinterest_impressions gauge" in gzip.decompress(page.gzipped)


async def test_the_unpacked_page_is_the_same_page(database: Database) -> None:
    await fill(database, "one")
    page = await page_of(database)
    plain = b"".join(page.unpacked())
    assert plain == gzip.decompress(page.gzipped)
    assert len(plain) == page.plain_bytes


async def test_every_contracted_name_is_on_the_page(database: Database) -> None:
    page = await page_of(database)
    text = gzip.decompress(page.gzipped).decode()
    for name in (
        "pinterest_impressions", "pinterest_engagements", "pinterest_saves", "pinterest_pin_clicks",
        "pinterest_outbound_clicks", "pinterest_window_impressions", "pinterest_saves_ratio", "pinterest_followers",
        "pinterest_data_timestamp_seconds", "pinterest_missing_days", "pinterest_days_until_data_loss",
        "collector_profile_state", "collector_profile_last_success_timestamp_seconds",
    ):  # fmt: skip
        assert f"# TYPE {name} gauge" in text


async def test_what_was_polled_is_shown_without_reading_everything_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database, "one")
    await fill(database, "two")
    exporter = Exporter(FleetStore(database), DropList(database))
    monkeypatch.setattr("collector.fleet.exporter._SHARE", 0.0)
    await exporter.refresh()
    first = await exporter.page()
    await exporter.refresh()
    assert await exporter.page() is first, "nothing changed, so nothing was rendered"
    await database.execute("UPDATE daily_metric SET impression = impression + 1")
    await database.execute(
        "INSERT INTO poll_log (profile_id, outcome, duration_seconds, rows_new, rows_changed, problems) "
        "SELECT id, 'ok', 0, 0, 1, 0 FROM profile WHERE name = 'two'"
    )
    await exporter.refresh()
    found = samples(await shown(exporter))["pinterest_impressions"]
    assert found == {("acme", "one"): 997.0, ("acme", "two"): 998.0}


async def test_the_loop_is_not_late_while_a_large_fleet_is_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.store.fleet.BATCH", 2)
    for number in range(5):
        await fill(database, f"p{number}")
    beats: list[int] = []
    await Exporter(FleetStore(database), DropList(database)).refresh(lambda: beats.append(1))
    assert len(beats) == 3, "once for each batch"


async def test_a_removed_profile_leaves_the_page_with_the_next_full_reading(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.fleet.exporter._FULL_SECONDS", 0.0)
    monkeypatch.setattr("collector.fleet.exporter._SHARE", 0.0)
    await fill(database, "one")
    await fill(database, "two")
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    await remove(database, "one")
    await exporter.refresh()
    assert list(samples(await shown(exporter))["pinterest_impressions"]) == [("acme", "two")]


async def test_shards_together_are_the_whole_page_and_have_nothing_twice(database: Database) -> None:
    for number in range(7):
        await fill(database, f"p{number}", client=f"c{number % 2}")
    await stored_drop(database, await database.fetchval("SELECT id FROM profile WHERE name = 'p3'"))
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    whole = samples(await shown(exporter))
    assert len(whole["pinterest_engagement_drop_info"]) == 1
    together: Samples = {}
    for shard in (1, 2, 3):
        for metric, found in samples(await shown(exporter, Part(shard, 3))).items():
            of_metric = together.setdefault(metric, {})
            assert of_metric.keys().isdisjoint(found), "a series on two shards is a duplicate for Prometheus"
            of_metric |= found
    assert together == whole


async def test_the_page_of_a_client_has_its_profiles_alone(database: Database) -> None:
    for name, client in (("one", "Acme"), ("two", "Acme"), ("three", "Acme and Sons")):
        await fill(database, name, client=client)
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    found = samples(await shown(exporter, Part(client="Acme")))
    assert set(found["pinterest_impressions"]) == {("Acme", "one"), ("Acme", "two")}
    assert "pinterest_fleet_drop" not in found, "the other clients' trouble is not its business"
    with pytest.raises(LookupError):
        await exporter.page(Part(client="acme"))


async def test_many_scrapes_at_once_render_a_part_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(database, "one")
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    first, *others = await asyncio.gather(*(exporter.page(Part(1, 2)) for _ in range(5)))
    assert all(other is first for other in others)
    monkeypatch.setattr("collector.fleet.exporter._KEPT_SECONDS", -1.0)
    await exporter.refresh()
    assert await exporter.page(Part(1, 2)) is not first, "a part that nobody asks for any more is not kept"


async def test_a_scrape_that_breaks_off_leaves_the_next_one_no_old_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.fleet.exporter._FULL_SECONDS", 0.0)
    monkeypatch.setattr("collector.fleet.exporter._SHARE", 0.0)
    await fill(database, "one")
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    await exporter.page()
    await fill(database, "two")
    await exporter.refresh()
    broken = asyncio.create_task(exporter.page())
    await asyncio.sleep(0)
    broken.cancel()
    await asyncio.wait([broken])
    assert broken.cancelled()
    assert (await shown(exporter)).profiles == 2


def status(profile_id: int, **values: Any) -> ProfileStatus:
    unknown: dict[str, Any] = dict.fromkeys(ProfileStatus.__struct_fields__)
    known = {"id": profile_id, "name": f"p{profile_id}", "client": "c", "state": ProfileState.ACTIVE}
    return ProfileStatus(**unknown | known | values)


@given(name=st.text(LETTERS, max_size=20), client=st.text(LETTERS, max_size=20))
def test_any_name_comes_out_of_the_page_as_it_went_in(name: str, client: str) -> None:
    fleet = Fleet()
    fleet.update([status(1, name=name, client=client, impression=7)])
    page = asyncio.run(fleet.render())
    assert samples(page)["pinterest_impressions"] == {(client, name): 7.0}


async def test_rendering_a_large_page_lets_other_tasks_run() -> None:

    fleet = Fleet()
    fleet.update(status(index, impression=index) for index in range(20_000))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    page = await fleet.render()
    task.cancel()
    assert turns > 40, "the loop must have had its turn many times"
    assert page.profiles == 20_000
