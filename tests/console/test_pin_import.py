"""A table of pins that is uploaded in the console: what it says of each line, and what it queues."""

import io
import re
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from collector.console.upload_form import LARGEST_BYTES
from collector.publish.media import Media
from collector.store.pin_import import Imported
from collector.store.pin_upload import UploadStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.retention import expire
from tests.support.away import Away
from tests.support.console import READ, console_session, page, token_of
from tests.support.profiles import new_profile
from tests.table.test_table import row, workbook

IMPORT = "/pins/import"
HEADER = "profile,client_ref,publish_at,description,media_urls\n"
GOOD = "alpha,{},2031-07-01 18:00,Spring,https://example.com/a.jpg\n"
BADGES = re.compile(r'class="badge is-[a-z]+">([^<]+)<')


@pytest.fixture
async def registry(database: Database) -> Database:
    """Two profiles of two clients."""
    await ProfileStore(database).put([new_profile("alpha", "key-a"), new_profile("beta", "key-b", client="bolt")])
    return database


async def sent(
    session: aiohttp.ClientSession, data: str | bytes, *, name: str = "pins.csv", **fields: str
) -> tuple[int, str]:
    """Upload a table; return the status, and where it leads or else the page."""
    form = aiohttp.FormData({"time_zone": "Europe/Berlin", "date_format": "iso", **fields})
    form.add_field("file", io.BytesIO(data if isinstance(data, bytes) else data.encode()), filename=name)
    async with session.post(IMPORT, data=form, allow_redirects=False) as response:
        return response.status, response.headers.get("Location") or await response.text()


async def confirmed(session: aiohttp.ClientSession, where: str, text: str) -> str:
    """Press the button of a plan; return where that leads."""
    [digest] = re.findall(r'name="digest" value="([0-9a-f]+)"', text)
    async with session.post(where, data={"digest": digest}, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
        return response.headers["Location"]


async def queue(database: Database) -> dict[str, datetime]:
    return dict(await database.fetch("SELECT client_ref, publish_at FROM pin ORDER BY client_ref"))


async def test_each_line_says_what_is_wrong_with_it_and_nothing_is_queued(registry: Database) -> None:
    table = (
        HEADER
        + GOOD.format("fine")
        + "nobody,r,2031-07-01 18:00,,https://example.com/a.jpg\n"
        + "alpha,r,2031-03-30 02:30,,http://example.com/a.jpg\n"
        + "alpha,s,2020-01-01 18:00,,https://example.com/a.jpg\n"
        + "alpha,t\n"
        + "alpha,u,24.12.2031 18:00,,https://example.com/a.jpg\n"
    )
    async with console_session(registry) as session:
        status, where = await sent(session, table)
        assert status == 303
        refused, everything = await page(session, where), await page(session, f"{where}?what=all")
    assert "5 lines of 6 cannot be queued" in refused
    assert "digest" not in refused
    for reason in (
        "no such profile: nobody",
        "publish_at does not exist in Europe/Berlin, where clocks change: 2031-03-30 02:30",
        "media URL 1 does not begin with https://",
        "publish_at is past, so the pin would go out at once: 2020-01-01 17:00 UTC; tick that times may be past",
        "2 cells, where the header has 5",
        "publish_at is not a time: 24.12.2031 18:00; write 2026-12-24T18:00:00Z, or choose how days are written",
    ):
        assert reason in refused
    assert BADGES.findall(refused) == ["Refused"] * 5
    assert BADGES.findall(everything) == ["To be queued", *["Refused"] * 5]
    assert "Tue 1 Jul 2031 16:00" in everything
    assert await queue(registry) == {}


async def test_what_was_shown_is_queued_once(registry: Database) -> None:
    table = "profile;client_ref;publish_at;description;media_urls\n" + "".join(
        f"alpha;ref-{number};1.7.2031 18:00;Spring;https://example.com/a.jpg\n" for number in range(3)
    )
    async with console_session(registry) as session:
        _, where = await sent(session, table, date_format="german")
        text = await page(session, where)
        assert "Queue 3 pins" in text
        assert await queue(registry) == {}
        # Twice, as from two tabs.
        assert [await confirmed(session, where, text) for _ in range(2)] == [where, where]
        assert "3 pins queued" in await page(session, where)
        _, again = await sent(session, table, date_format="german")
        assert "There is nothing to do" in await page(session, again)
    assert await queue(registry) == dict.fromkeys(("ref-0", "ref-1", "ref-2"), datetime(2031, 7, 1, 16, tzinfo=UTC))
    assert await registry.fetch("SELECT DISTINCT length(data) FROM pin_upload WHERE done_at IS NOT NULL") == [(0,)]


async def test_a_queue_that_changed_meanwhile_is_shown_first(registry: Database) -> None:
    async with console_session(registry) as session:
        _, where = await sent(session, HEADER + GOOD.format("a") + GOOD.format("b"))
        text = await page(session, where)
        _, other = await sent(session, HEADER + GOOD.format("a").replace("Spring", "Autumn"))
        await confirmed(session, other, await page(session, other))
        changed = await confirmed(session, where, text)
        assert "The queue has changed since you looked." in await page(session, changed)
        assert list(await queue(registry)) == ["a"]
        refused = await page(session, where)
        assert "tick that pins may be changed to change it" in refused
        _, where = await sent(session, HEADER + GOOD.format("a") + GOOD.format("b"), replaces="on")
        text = await page(session, where)
        assert "description: Autumn → Spring" in text
        assert "Queue 1 pin and change 1 pin" in text
        assert "1 pin queued, 1 changed" in await page(session, await confirmed(session, where, text))
    assert await registry.fetchval("SELECT description FROM pin WHERE client_ref = 'a'") == "Spring"


async def test_a_client_imports_for_its_profiles_and_a_reader_not_at_all(registry: Database) -> None:
    theirs = GOOD.format("theirs").replace("alpha", "beta")
    async with console_session(registry) as session:
        _, of_all = await sent(session, HEADER + theirs)
        # As somebody else's and as nobody's it is refused alike.
        await confirmed(session, of_all, await page(session, of_all))
    async with console_session(registry, await token_of(registry, "acme")) as session:
        _, where = await sent(session, HEADER + GOOD.format("ours") + theirs)
        text = await page(session, f"{where}?what=all")
        assert "no such profile: beta" in text
        assert BADGES.findall(text) == ["To be queued", "Refused"]
        async with session.post(where, data={"digest": ""}, allow_redirects=False) as response:
            assert response.headers["Location"].endswith("changed=1")
        await page(session, of_all, 404)
        _, where = await sent(session, HEADER + GOOD.format("ours"))
        await confirmed(session, where, await page(session, where))
    async with console_session(registry, await token_of(registry, "bolt")) as session:
        await page(session, where, 404)
    async with console_session(registry, READ) as session:
        assert "Import a table" not in await page(session, "/pins")
        await page(session, IMPORT, 403)
        assert (await sent(session, HEADER + GOOD.format("read")))[0] == 403
    assert list(await queue(registry)) == ["ours", "theirs"]


async def test_what_is_no_table_is_refused_with_its_reason(registry: Database) -> None:
    async with console_session(registry) as session:
        for data, fields, status, reason in (
            ("a,b\n1,2\n", {}, 422, "Line 1: none of the columns is named here"),
            (HEADER, {}, 422, "nothing follows the header"),
            (b"\xff\xfe\xff", {}, 422, "the file begins as UTF-16"),
            ("", {}, 400, "Choose a file that is not empty"),
            (HEADER + GOOD, {"time_zone": "Mars/Base"}, 400, "There is no time zone Mars/Base"),
            (HEADER + GOOD, {"date_format": "french"}, 400, "french&#39; is not a valid"),
            (b"x" * (LARGEST_BYTES + 1), {}, 413, "It has more than 5 MB"),
            (HEADER + GOOD.format("x") * 10_001, {}, 422, "10,000 at most are taken here at once"),
            (HEADER + "a\n" * 10_001, {}, 422, "10,001 lines; 10,000 at most are taken here at once"),
            (",".join(["profile", *map("c{}".format, range(50_000))]), {}, 422, "c19, and 49,980 more"),
        ):
            found = await sent(session, data, **fields)
            assert found[0] == status, (reason, found)
            assert reason in found[1]
        for body, kind, status in (
            (b"file=x", "application/x-www-form-urlencoded", 415),
            (b"--x\r\nno header", "multipart/form-data; boundary=x", 400),
        ):
            async with session.post(IMPORT, data=body, headers={"Content-Type": kind}) as response:
                assert response.status == status
        assert "is not here any more" in await page(session, f"{IMPORT}/{'0' * 8}-0000-0000-0000-{'0' * 12}", 404)
    assert await registry.fetchval("SELECT count(*) FROM pin_upload") == 0


async def test_a_workbook_is_read_and_one_that_asks_for_gigabytes_is_not(registry: Database) -> None:
    cells = ("alpha", "w", "2031-07-01 18:00", "Spring", "https://example.com/a.jpg")
    names = row(1, *HEADER.strip().split(","))
    async with console_session(registry) as session:
        _, where = await sent(session, workbook(names, row(2, *cells)), name="pins.xlsx")
        await confirmed(session, where, await page(session, where))
        huge = workbook(names, '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
        status, text = await sent(session, huge, name="huge.xlsx")
        assert (status, list(await queue(registry))) == (422, ["w"])
        assert "takes too much memory or time to be read" in text
        status, text = await sent(session, workbook(names, *(row(place, "x" * 1_000_000) for place in range(2, 35))))
    assert status == 422
    assert "takes too much memory or time to be read" in text


async def test_the_images_of_carousels_are_looked_at_first(registry: Database) -> None:
    small, large, gone = (f"https://example.com/{name}.jpg" for name in ("small", "large", "gone"))
    away = Away()
    away.media = {
        small: Media(small, 100, 100),
        large: Media(large, 200, 200),
        gone: Media(gone, unknown="HTTP 404"),
    }
    lines = [f"alpha,r{place},,,{urls}\n" for place, urls in enumerate((f"{small}|{large}", f"{small}|{gone}"))]
    async with console_session(registry, away=away) as session:
        _, where = await sent(session, HEADER + "".join(lines))
        text = await page(session, where)
    assert "these have 100x100, 200x200" in text
    assert "1 line of 2 cannot be queued" in text
    assert "1 image could not be looked at" in text


async def test_uploads_are_forgotten_in_time(registry: Database) -> None:
    async with console_session(registry) as session:
        _, oldest = await sent(session, HEADER + GOOD.format("x"))
        await registry.execute("UPDATE pin_upload SET created_at = now() - interval '2 minutes'")
        await registry.execute(
            "INSERT INTO pin_upload (file_name, data, time_zone, date_format, replaces, past, media, created_at) "
            "SELECT 'x', 'x', '', 'iso', false, false, '{}', now() - interval '1 minute' FROM generate_series(1, 19)"
        )
        await page(session, oldest)
        _, newest = await sent(session, HEADER + GOOD.format("x"))
        await page(session, oldest, 404)
        await page(session, newest)
        assert await registry.fetchval("SELECT count(*) FROM pin_upload") == 20
        await registry.execute("UPDATE pin_upload SET created_at = created_at - $1::interval", timedelta(days=1))
        await page(session, newest, 404)
    await expire(registry, retention_days=None)
    assert await registry.fetchval("SELECT count(*) FROM pin_upload") == 0


async def test_nobody_pushes_out_what_others_uploaded(registry: Database) -> None:
    async with console_session(registry) as session:
        _, ours = await sent(session, HEADER + GOOD.format("x"))
        async with console_session(registry, await token_of(registry, "acme")) as theirs:
            for _ in range(20):
                await sent(theirs, HEADER + GOOD.format("x"))
        await page(session, ours)


async def test_of_two_that_confirm_at_once_the_page_tells_what_was_queued(registry: Database) -> None:
    uploads = UploadStore(registry)
    async with console_session(registry) as session:
        _, where = await sent(session, HEADER + GOOD.format("x") + GOOD.format("y"))
        for done in (Imported(0, 0), Imported(2, 0)):
            await uploads.finish(where.rpartition("/")[2], done, lines=2)
        text = await page(session, where)
    assert "2 pins queued" in text
    assert "known already" not in text


async def test_a_file_may_have_any_name(registry: Database) -> None:
    name = "filename*=utf-8''a%00%01%E2%80%AEb"  # U+202E would turn what follows around
    body = f'--x\r\nContent-Disposition: form-data; name="file"; {name}\r\n\r\n{HEADER}{GOOD.format("n")}\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    async with (
        console_session(registry) as session,
        session.post(IMPORT, data=body.encode(), headers=kind) as response,
    ):
        assert response.status == 200
        assert "<h1>ab</h1>" in await response.text()


async def test_what_a_table_holds_is_text_and_nothing_else(registry: Database) -> None:
    evil = "<script>alert(1)</script>"
    async with console_session(registry) as session:
        _, where = await sent(session, HEADER + f"{evil},{evil},{evil},{evil},{evil}\n", name=f"{evil}.csv")
        text = await page(session, where)
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
