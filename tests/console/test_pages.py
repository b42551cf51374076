"""The console over real sockets: what its pages say, to whom, and what they do not let in."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from collector.config import Role
from collector.console.overview import OverviewKeeper
from collector.detect.detector import Detector
from collector.loops.outage import Outage
from collector.store.client import ClientStore
from collector.store.daemon import DaemonStore
from collector.store.drop import DropStore
from collector.store.drop_list import DropList
from collector.store.leader import LeaderStore
from collector.store.pool import Database, connected, open_database
from tests.support.agency import make_agency
from tests.support.console import READ, console_session, page, token_of
from tests.support.databases import other_database
from tests.support.drops import SETTLED, fill, restate
from tests.support.profiles import registered

EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}%"""
NAMES = re.compile(r'<th scope="row"><a href="[^"]*">([^<]*)')


async def ids(database: Database) -> dict[str, int]:
    return dict(await database.fetch("SELECT name, id FROM profile"))


async def test_an_empty_collector_says_how_to_begin(database: Database) -> None:
    async with console_session(database) as session:
        text = await page(session, "/")
        operations = await page(session, "/operations")
    assert "collector profiles add" in text
    assert text.count("No profiles yet") == 3
    assert "All data is coming in" not in text + operations


async def test_the_fleet_shows_its_week_and_compares_only_what_is_whole(database: Database) -> None:
    for name in ("whole", "holed"):
        await fill(database, name, client=f"client of {name}", days=60)
    await database.execute("UPDATE daily_metric SET engagement = 100")
    await database.execute("UPDATE daily_metric SET engagement = 110 WHERE day > $1::date - 7", SETTLED)
    # In the week before, of which the fleet would seem to have risen by far more.
    await database.execute(
        "DELETE FROM daily_metric USING profile WHERE id = profile_id AND name = 'holed' AND day <= $1::date - 7",
        SETTLED,
    )
    async with console_session(database) as session:
        text = re.sub(r"\s+", " ", await page(session, "/"))
    assert 'title="1,540">1,540</span> <span><span class="change is-up">+10 %' in text
    assert f"{SETTLED:%a} {SETTLED.day} {SETTLED:%b %Y}" in text


async def test_the_list_is_searched_sorted_and_filtered(database: Database) -> None:
    await make_agency(database)
    async with console_session(database) as session:

        async def names(query: str) -> list[str]:
            return NAMES.findall(await page(session, f"/?part=list&{query}"))

        assert await names("q=nobody") == []
        # By a profile's name.
        assert await names("q=INSELN") == ["Fernweh Travel"]
        assert await names("view=profiles&q=inseln") == ["Fernweh Inseln"]
        by_name = await names("sort=name")
        assert by_name == sorted(by_name)
        assert len(by_name) == 15
        assert await names("view=profiles&state=unlinked") == ["Little Lantern Outlet"]
        assert await names("view=profiles&state=failing") == ["Hearth &amp; Loaf"]
        assert len(await names("view=x&sort=1;drop&state=%00&page=-1&days=9e9")) == 15


async def test_what_needs_attention_comes_first(database: Database) -> None:
    await make_agency(database)
    async with console_session(database) as session:
        text = await page(session, "/?part=attention")
        clients = NAMES.findall(await page(session, "/?part=list"))
    assert "Engagement of Casa Lumen fell to" in text
    assert "/?view=profiles&amp;state=unlinked" in text
    assert clients.index("Casa Lumen") < clients.index("Maison Mirabelle")


async def test_a_page_of_many_clients_leads_to_the_next(database: Database) -> None:
    await registered(database, {f"profile-{number:03}": f"key-of-{number:03}" for number in range(120)})
    await database.execute("UPDATE profile SET client = name")
    async with console_session(database) as session:
        first = await page(session, "/?sort=name&part=list")
        last = await page(session, "/?sort=name&page=9&part=list")
    assert "1\N{EN DASH}50 of 120 clients" in first
    assert 'href="/?sort=name&amp;page=2"' in first
    assert "101\N{EN DASH}120 of 120 clients" in last


async def test_a_profile_shows_its_days_its_drops_and_its_polls_in_words(database: Database) -> None:
    await make_agency(database)
    known = await ids(database)
    async with console_session(database) as session:
        whole = await page(session, f"/profiles/{known['Casa Lumen']}")
        assert "expected, and the least that is normal</li>" in whole
    await database.execute(
        "UPDATE drop_band SET since = $2::date - 9, expected = '{{NaN,25,25,25,25,25,25,25,25,26}}', "
        "low = '{{NaN,15,15,15,15,15,15,15,15,16}}' WHERE profile_id = $1",
        known["Casa Lumen"], SETTLED,
    )  # fmt: skip
    async with console_session(database) as session:
        lumen = await page(session, f"/profiles/{known['Casa Lumen']}?days=30&compare=1")
        outlet = await page(session, f"/profiles/{known['Little Lantern Outlet']}")
        slowed = await page(session, f"/profiles/{known['Hearth & Loaf']}")
    assert lumen.count('class="hit"') == 30
    for expected in ('class="drop"', 'class="hatch"', "The period before", "Provisional: Pinterest may"):
        assert expected in lumen
    assert lumen.count("Expected 25 (at least 15)") == 8
    assert lumen.count("Expected 26 (at least 16)") == 1
    assert "Expected" not in lumen.replace("Expected 2", ""), "the day before the band has none"
    assert "the least that is normal, where that can be told</li>" in lumen
    assert "have the client link it again" in outlet
    assert re.search(r"\d+ days left", outlet)
    assert "Ayrshare said 429: too many requests" in slowed


async def test_a_client_sums_its_profiles(database: Database) -> None:
    for name in ("one", "two"):
        await fill(database, name, client="A & B / <C>", days=40)
    await database.execute("UPDATE daily_metric SET engagement = 1000")
    async with console_session(database) as session:
        text = await page(session, "/client?name=A+%26+B+/+%3CC%3E&days=30")
    assert "<h1>A &amp; B / &lt;C&gt;</h1>" in text
    assert "Engagement 2,000" in text
    assert "/profiles/1" in text


async def test_every_version_of_a_day_is_told(database: Database) -> None:
    await fill(database, "alpha", days=40)
    day = SETTLED - timedelta(days=2)
    await restate(database, day, day, ("1 day", 2, "ESTIMATE"), ("3 days", 1, None))
    async with console_session(database) as session:
        assert f'href="/profiles/1/days/{day}"' in await page(session, "/profiles/1?table=1")
        text = await page(session, f"/profiles/1/days/{day}")
        assert "This day is not here" in await page(session, "/profiles/1/days/2001-01-01")
        await page(session, "/profiles/1/days/yesterday", 404)
    assert re.search(r"\+(99|100) %", text)
    assert "estimate" in text


async def test_names_are_text_and_nothing_else(database: Database) -> None:
    await fill(database, EVIL, client=EVIL, days=30)
    await database.execute("UPDATE profile SET tags = ARRAY[name], last_error = name, consecutive_failures = 3")
    async with console_session(database) as session:
        for path in ("/", "/?view=profiles", "/profiles/1", f"/profiles/1/days/{SETTLED}?why=1"):
            text = await page(session, path)
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            assert "{{ 7 * 7 }}" in text
        async with session.get("/client", params={"name": EVIL}) as response:
            assert response.status == 200
            assert "<script>alert" not in await response.text()
            policy = response.headers["Content-Security-Policy"]
        async with session.get("/", params={"q": EVIL + "\x00\u202e", "sort": EVIL, "view": EVIL}) as response:
            assert response.status == 200
            assert "<script>alert" not in await response.text()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert "unsafe" not in policy


async def test_a_visitor_of_a_client_sees_that_client_alone(database: Database) -> None:
    await fill(database, "ours", client="acme", days=30)
    await fill(database, "theirs", client="bolt", days=30)
    known = await ids(database)
    theirs = f"/profiles/{known['theirs']}"
    async with console_session(database, await token_of(database, "acme")) as session:
        async with session.get("/", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/client?name=acme")
        ours = await page(session, "/client?name=acme")
        await page(session, f"/profiles/{known['ours']}")
        # As one that there is not.
        assert await page(session, theirs, 404) == await page(session, "/profiles/999", 404)
        await page(session, f"{theirs}/days/{SETTLED}", 404)
        await page(session, "/client?name=bolt", 404)
        await page(session, "/metrics/profiles", 403)
        async with session.post(f"{theirs}/pause") as response:
            assert response.status == 404
    for foreign in ("theirs", "bolt", "Fleet", "/metrics"):
        assert foreign not in ours
    assert await database.fetchval("SELECT count(*) FROM profile WHERE state = 'paused'") == 0


async def test_a_reader_has_no_buttons_and_cannot_press_them(database: Database) -> None:
    await fill(database, "alpha", days=30)
    async with console_session(database, READ) as session:
        assert 'method="post"' not in await page(session, "/profiles/1")
        async with session.post("/profiles/1/pause") as response:
            assert response.status == 403
    async with console_session(database) as session:
        assert 'action="/profiles/1/pause"' in await page(session, "/profiles/1")


async def test_a_profile_is_paused_resumed_and_accepted(database: Database) -> None:
    await fill(database, "alpha", days=30)
    await database.execute("UPDATE profile SET account_changed_at = now()")
    async with console_session(database) as session:
        for action, state in (("pause", "paused"), ("resume", "active"), ("accept", "active")):
            async with session.post(f"/profiles/1/{action}", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (303, "/profiles/1")
            assert await database.fetchval("SELECT state FROM profile") == state
        async with session.post("/profiles/1/accept") as response:
            assert response.status == 409
            assert "Not marked as another account" in await response.text()
        async with session.post("/profiles/1/explode") as response:
            assert response.status == 404


async def test_a_page_is_sent_once_and_assets_are_kept_for_ever(database: Database) -> None:
    async with console_session(database) as session:
        paths = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', await page(session, "/")))
        assert len(paths) == 4
        for path in paths:
            async with session.get(path) as response:
                assert "immutable" in response.headers["Cache-Control"]
                assert response.headers["Content-Encoding"] == "gzip"
        await page(session, "/assets/console.000000000000.css", 404)
        async with session.get("/?part=list") as response:
            etag = response.headers["ETag"]
        async with session.get("/?part=list", headers={"If-None-Match": etag}) as response:
            assert (response.status, await response.read()) == (304, b"")


async def test_persons_are_told_in_a_page_and_programs_in_a_line(database: Database) -> None:
    async with console_session(database) as session:
        assert "There is no such page" in await page(session, "/no-such-page", 404)
        async with session.get("/no-such-page", headers={"Accept": "*/*"}) as response:
            assert await response.text() == "404: Not Found"


async def test_a_page_says_that_the_database_is_away_and_comes_back(server_dsn: str, dsn: str) -> None:
    outage = Outage()
    allow = "ALTER DATABASE collector WITH ALLOW_CONNECTIONS {}"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'collector'"
    async with (
        open_database(dsn) as opened,
        console_session(opened, outage=outage) as session,
        connected(other_database(server_dsn, "postgres")) as connection,
    ):
        await page(session, "/")
        try:
            await connection.execute(allow.format("false"))
            await connection.execute(end)
            outage.failed("poller", "refused")
            text = await page(session, "/drops", 503)
            await page(session, "/drops?part=list", 503)
            async with session.post("/pins/new", data={"title": "What was typed"}) as response:
                form = await response.text()
                assert (response.status, 'value="What was typed"' in form) == (503, True)
            async with session.post("/pins/1/edit", data={"title": "What was typed"}) as response:
                assert (response.status, "http-equiv" in await response.text()) == (503, False)
        finally:
            await connection.execute(allow.format("true"))
        outage.worked("poller")
        await page(session, "/drops")
    assert "The database is away" in text
    assert '<meta http-equiv="refresh" content="5">' in text
    assert f'datetime="{datetime.now(UTC):%Y-%m-%d}' in text


async def test_the_pulse_names_what_is_wrong(database: Database) -> None:
    async with console_session(database) as session:
        assert "Collecting" in await page(session, "/pulse")
    async with console_session(database, problems=("the loop 'poller' is late",)) as session:
        text = await page(session, "/pulse")
    assert "Not collecting" in text
    assert "the loop &#39;poller&#39; is late" in text


@pytest.mark.parametrize(("looked", "pause", "anew"), [(True, 30.0, True), (True, 10.0, False), (False, 30.0, False)])
async def test_the_sums_are_made_anew_and_more_often_while_somebody_looks(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, looked: bool, pause: float, anew: bool
) -> None:
    await registered(database, {"alpha": "key-of-alpha"})
    keeper = OverviewKeeper(database)
    await keeper.refresh()
    await registered(database, {"beta": "key-of-beta"})
    if looked:
        await keeper.get()
    # As if making them took a second, so long ago.
    monkeypatch.setattr(keeper, "_took_seconds", 1.0)
    monkeypatch.setattr(keeper, "_made_at", keeper._made_at - pause)
    await keeper.refresh()
    found = await keeper.get()
    assert found is not None
    assert found.profiles == (2 if anew else 1)


async def test_the_fleet_opens_before_its_sums_are_made(database: Database) -> None:
    await make_agency(database)
    keeper = OverviewKeeper(database)
    async with console_session(database, keeper=keeper) as session:
        early = await page(session, "/")
        profiles = await page(session, "/?part=list&view=profiles&q=inseln")
        await keeper.refresh()
        later = await page(session, "/")
    assert "The collector has just started" in early
    assert "Engagement of Casa Lumen fell to" in early
    assert "All data is coming in" not in early
    assert 'hx-trigger="every 1s"' in early
    assert NAMES.findall(profiles) == ["Fernweh Inseln"]
    assert "The collector has just started" not in later
    assert 'hx-trigger="every 1s"' not in later


async def test_drops_are_listed_with_their_sentences(database: Database) -> None:
    await make_agency(database)
    async with console_session(database) as session:
        opened, closed = await page(session, "/drops"), await page(session, "/drops?state=closed&part=list")
        by_client, nobody = await page(session, "/drops?q=CASA&part=list"), await page(session, "/drops?q=casanova")
    assert "Engagement of Casa Lumen fell to" in opened
    assert "Engagement of Casa Lumen fell to" not in closed
    assert "Engagement of Casa Lumen fell to" in by_client
    assert "Nothing matches" in nobody
    assert "lower than their past" not in nobody


async def test_a_drop_is_dismissed_by_those_who_may(database: Database) -> None:
    await fill(database, "acme-eu", client="acme", dropped=4, left=0.3)
    await Detector(DropStore(database)).run_once()
    [drop] = await DropList(database).listed(0)
    path, note = f"/drops/{drop.id}/dismiss", {"note": "a holiday", "back": "profile"}
    for token, status in ((READ, 403), (await token_of(database, "another"), 404)):
        async with console_session(database, token) as session, session.post(path, data=note) as response:
            assert response.status == status
    async with console_session(database, READ) as session:
        assert "Why is it a drop?" in await page(session, "/drops")
        assert "Not a problem?" not in await page(session, "/drops")
    elsewhere = {"Origin": "https://elsewhere.example"}
    async with console_session(database) as session, session.post(path, data=note, headers=elsewhere) as response:
        assert response.status == 403
    async with console_session(database, await token_of(database, "acme")) as session:
        for refused, status in (({"note": " "}, 422), (b"note=\xff", 415)):
            async with session.post(path, data=refused) as response:
                assert response.status == status
        assert await DropList(database).notes() == {}
        async with session.post(path, data=note, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"][:10]) == (303, "/profiles/")
        assert "a holiday" in await page(session, "/drops?state=dismissed&part=list")
        assert "said by of acme" in await page(session, response.headers["Location"])
        usual = await page(session, f"{response.headers['Location']}/days/{SETTLED - timedelta(days=10)}?why=1")
        future = await page(session, f"{response.headers['Location']}/days/{SETTLED + timedelta(days=1)}?why=1")
    assert "Nearest to a drop" in usual
    assert "Within chance" in usual
    assert "Nothing can be said" in future


async def test_the_queue_is_searched_and_a_pin_tells_its_story(database: Database) -> None:
    await make_agency(database)
    failed = await database.fetchval("SELECT id FROM pin WHERE state = 'failed' ORDER BY id LIMIT 1")
    async with console_session(database) as session:
        assert "No pin is like that" in await page(session, "/pins?q=nothing-like-it&part=list")
        listed = await page(session, "/pins?state=failed&part=list")
        story = await page(session, f"/pins/{failed}")
    assert f'href="/pins/{failed}"' in listed
    assert "the image is too small" in story
    assert "Correct what Ayrshare names, and queue it again as new." in story
    assert f'action="/pins/{failed}/retry"' in story


async def test_a_queued_pin_is_cancelled_once_and_by_those_who_may(database: Database) -> None:
    await make_agency(database)
    queued, client = (
        await database.fetch(
            "SELECT n.id, f.client FROM pin n JOIN profile f ON f.id = n.profile_id WHERE n.state = 'queued' LIMIT 1"
        )
    )[0]
    path = f"/pins/{queued}"
    for token, status in ((READ, 403), (await token_of(database, "another client"), 404)):
        async with console_session(database, token) as session:
            assert (await session.post(f"{path}/cancel")).status == status
    assert await database.fetchval("SELECT state FROM pin WHERE id = $1", queued) == "queued"
    async with console_session(database, await token_of(database, client)) as session:
        assert "Cancel the pin" in await page(session, path)
        assert (await session.post(f"{path}/cancel")).status == 200
        assert (await session.post(f"{path}/cancel")).status == 409
    assert await database.fetchval("SELECT state FROM pin WHERE id = $1", queued) == "cancelled"


async def test_operations_say_of_every_profile_how_it_is_collected(database: Database) -> None:
    await make_agency(database)
    await database.execute("UPDATE profile SET state = 'paused', state_reason = 'on leave' WHERE name = 'Casa Lumen'")
    await database.execute("DELETE FROM daemon")
    await registered(database, {"newcomer": "key-of-newcomer"})
    async with console_session(database, problems=("the database is read-only",)) as session:

        async def told(text: str) -> str:
            return await page(session, f"/operations?part=fleet&q={text}")

        assert "the database is read-only" in await page(session, "/operations")
        assert "Pinterest is not linked any more: have the client link it again." in await told("little+lantern")
        paused = await told("casa+lumen")
        assert "Nobody reads it until it is resumed." in paused
        assert "on leave" in paused
        assert "Nobody has that name" in await told("nobody")
        assert "No collector polls: start one" in await told("newcomer")
        await DaemonStore(database).report("host-1", "0.1.0", [Role.POLLER])
        assert "It is not read yet" in await told("newcomer")
        await database.execute("UPDATE profile SET next_poll_at = now() - interval '1 hour' WHERE name = 'newcomer'")
        assert "It is overdue" in await told("newcomer")


async def test_operations_show_who_is_nearest_to_a_limit_and_which_replica_fell_silent(database: Database) -> None:
    await registered(database, {"calm": "key-of-calm", "busy": "key-of-busy", "spent": "key-of-spent"})
    await database.execute(
        "UPDATE profile SET last_poll_at = now(), rate_limit_max = 300, rate_limit_count = 285 WHERE name = 'busy'"
    )
    await database.execute(
        """
        INSERT INTO pin_lane (profile_id, paused_reason, not_before)
        SELECT id, 'quota', now() + interval '3 days' FROM profile WHERE name = 'spent'
        """
    )
    await database.execute(
        "INSERT INTO pin (profile_id, client_ref, media_urls, description) "
        "SELECT id, 'r', '{https://x.example/a.jpg}', 'words' FROM profile WHERE name = 'spent'"
    )
    for owner in ("alive", "killed"):
        await DaemonStore(database).report(owner, "0.1.0", [Role.POLLER])
    await database.execute("UPDATE daemon SET seen_at = now() - interval '1 hour' WHERE owner = 'killed'")
    await LeaderStore(database, owner="alive").lead(["detector"], seconds=60.0)
    known = await ids(database)
    async with console_session(database) as session:
        text = re.sub(r"<[^>]*>|\s+", " ", await page(session, "/operations"))
        busy = await page(session, f"/profiles/{known['busy']}")
        spent = await page(session, f"/profiles/{known['spent']}")
        listed = html.unescape(await page(session, "/pins?state=queued"))
    names = re.findall("spent|busy|calm", text[text.index("What Ayrshare allows") :])
    assert names == ["spent", "busy", "calm"]
    assert "Posts used up" in text
    assert "1 profile whose pins wait: the month's posts are used up." in html.unescape(text)
    assert "It waits: the month's posts are used up, until <time" in listed
    assert "95 % used" in text
    assert text.index("alive") < text.index("leads detector since") < text.index("killed") < text.index("Silent")
    assert "285 of 300 calls in five minutes" in busy
    assert "used up until" not in busy
    assert "used up until" in spent


async def test_a_long_list_leads_to_its_next_page(database: Database) -> None:
    await registered(database, {"a": "key-of-a"})
    await database.execute(
        "INSERT INTO pin (profile_id, client_ref, media_urls, publish_at) "
        "SELECT id, format('pin-%s', n), ARRAY['https://example.com/a.jpg'], now() + n * interval '1 minute' "
        "FROM profile, generate_series(1, 150) n"
    )
    async with console_session(database) as session:
        first = await page(session, "/pins?state=queued")
        onward = html.unescape(re.findall(r'rel="next" href="([^"]*)"', first)[0])
        second = await page(session, onward)
        nonsense = await page(session, "/pins?state=queued&after=%5B%22x%22%2C%22y%22%5D")
    seen = [set(re.findall(r'href="(/pins/[0-9]+)"', text)) for text in (first, second)]
    assert [len(each) for each in seen] == [50, 50]
    assert not seen[0] & seen[1]
    assert "50 of 150 pins" in nonsense


async def test_a_client_sees_its_own_drops_and_pins_and_no_operations(database: Database) -> None:
    await make_agency(database)
    async with console_session(database, await token_of(database, "Fernweh Travel")) as session:
        assert (await session.get("/operations")).status == 403
        drops = await page(session, "/drops?state=all&q=Casa")
        pins = await page(session, "/pins?part=list")
    assert "Casa Lumen" not in drops
    assert "Casa Lumen" not in pins
    assert "Fernweh" in pins


async def test_the_holidays_of_a_chart_are_those_of_the_clients_country(database: Database) -> None:
    await fill(database, "shop", client="Laden", days=365)
    [profile_id] = (await ids(database)).values()
    async with console_session(database) as session:
        path = f"/profiles/{profile_id}?days=365&part=numbers"
        assert "German Unity Day" not in await page(session, path)
        await ClientStore(database).set_country("Laden", "DE")
        assert "German Unity Day" in await page(session, path)
        assert "German Unity Day" in await page(session, "/client?name=Laden&days=365&part=numbers")


async def test_missing_days_are_told_with_their_reason(database: Database) -> None:
    await make_agency(database)
    inseln = (await ids(database))["Fernweh Inseln"]
    async with console_session(database) as session:
        for path in (f"/profiles/{inseln}?part=trouble", "/client?name=Fernweh+Travel&part=trouble"):
            text = re.sub(r"\s+", " ", await page(session, path))
            assert "(2 days)" in text
            assert re.search(r"\d+ days left", text)
            assert "Pinterest: Ayrshare answered, without numbers of it" in text
