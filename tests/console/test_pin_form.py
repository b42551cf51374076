"""The form of a pin over real sockets: what it queues, changes and refuses, and for whom."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from collector.console.draft import LIMITS
from collector.errors import PinError
from collector.models.history import HistoryCheck
from collector.models.pin import Board, PinState
from collector.publish.media import Media
from collector.store.pin import PinStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.away import Away
from tests.support.console import READ, console_session, page, token_of
from tests.support.profiles import new_profile
from tests.support.publishing import pin

TIMES = "\N{MULTIPLICATION SIGN}"
IMAGE, OTHER = "https://images.example.com/a.jpg", "https://images.example.com/b.jpg"
SOON = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=40)
TYPED: dict[str, Any] = {"profile": "ours", "media_urls": IMAGE, "made_ref": "console-1", "title": "Spring"}


@pytest.fixture
async def two(database: Database) -> Database:
    """Two clients with a profile each: ``ours`` of acme, ``theirs`` of bolt."""
    await ProfileStore(database).put([
        new_profile("ours", "key of ours", client="acme"),
        new_profile("theirs", "key of theirs", client="bolt"),
    ])  # fmt: skip
    return database


async def send(session: aiohttp.ClientSession, path: str, fields: Any, **headers: str) -> tuple[int, str]:
    """Post a form; return the status, and where it leads or what it says."""
    async with session.post(path, data=fields, headers=headers, allow_redirects=False) as response:
        return response.status, response.headers.get("Location") or await response.text()


async def queued(database: Database, profile: str = "ours", **content: Any) -> int:
    return (await PinStore(database).enqueue(pin(profile, "a", **content))).id


def value_of(text: str, name: str) -> str:
    """Return what a field of the form holds."""
    found = re.findall(rf'name="{name}"[^>]*? value="([^"]*)"', text) or re.findall(
        rf'name="{name}"[^>]*>\n?([^<]*)</textarea>', text
    )
    return html.unescape(found[0])


async def test_a_form_queues_one_pin_however_often_it_is_sent(two: Database) -> None:
    fields = [
        ("profile", "ours"), ("made_ref", "console-1"), ("publish_at", f"{SOON:%Y-%m-%dT%H:%M}"),
        ("zone", "America/New_York"), ("title", "Spring"), ("description", "One\r\ntwo"), ("board_id", "12"),
        ("media_urls", IMAGE), ("alt_texts", "A table"), ("media_urls", ""), ("alt_texts", ""),
        ("media_urls", OTHER), ("alt_texts", ""), ("link", " https://example.com "), ("note", ""),
    ]  # fmt: skip
    async with console_session(two) as session:
        assert await send(session, "/pins/new", fields) == (303, "/pins/1")
        assert await send(session, "/pins/new", fields) == (303, "/pins/1")
        status, text = await send(session, "/pins/new", [*fields[:4], ("title", "Summer"), *fields[5:]])
        assert (status, "This form has queued pin 1 already, with another title" in text) == (409, True)
        assert value_of(text, "title") == "Summer"
        assert value_of(text, "made_ref") not in {"", "console-1"}
    found, _ = await PinStore(two).story(1)
    assert (found.description, found.media_urls, found.alt_texts) == ("One\ntwo", [IMAGE, OTHER], ["A table"])
    assert (found.title, found.link, found.note, found.board_id) == ("Spring", "https://example.com", None, "12")
    assert found.publish_at.hour in {13, 14}
    assert await two.fetchval("SELECT count(*) FROM pin") == 1


WRONG: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"profile": ""}, "profile", "Choose a profile"),
    ({"profile": "nobody"}, "profile", "There is no profile nobody"),
    ({"title": "x" * 101}, "title", "101 characters"),
    ({"link": "javascript:alert(1)"}, "link", "does not begin with https://"),
    ({"media_urls": ""}, "media_urls-0", "There is no address"),
    ({"media_urls": "https://drive.google.com/x"}, "media_urls-0", "is a page that shows a file"),
    ({"media_urls": "https://x.example/a.mp4"}, "thumbnail_url", "A video needs a cover image"),
    ({"media_urls": [IMAGE, "http://x"], "alt_texts": ["", ""]}, "media_urls-1", "Address 2 does not begin"),
    ({"media_urls": [IMAGE] * 6, "alt_texts": [""] * 6}, "media_urls-0", "There are 6 addresses"),
    ({"alt_texts": "x" * 501}, "alt_texts-0", "Alt text 1 has 501 characters"),
    ({"board_id": "mine"}, "board_id", "The board is not a number in digits: mine."),
    (
        {"publish_at": "2020-01-01T10:00"},
        "publish_at",
        "The time is past, so the pin would go out at once: 2020-01-01 10:00 UTC; choose a later",
    ),
    ({"publish_at": "2031-03-30T02:30", "zone": "Europe/Berlin"}, "publish_at", "does not exist in Europe/Berlin"),
    ({"publish_at": "soon"}, "publish_at", "is not a time: soon"),
    ({"publish_at": "2031-01-01T00:00", "zone": "Mars"}, "zone", "There is no time zone Mars"),
    ({"title": "\x00"}, "title", "NUL character"),
)


async def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(two: Database) -> None:
    async with console_session(two) as session:
        for fields, field, words in WRONG:
            sent = {**TYPED, "description": "<b>kept</b>", **fields}
            flat = [
                (name, each) for name, value in sent.items() for each in ([value] if isinstance(value, str) else value)
            ]
            status, text = await send(session, "/pins/new", flat)
            assert (status, f'href="#field-{field}"' in text) == (422, True), text
            beside = re.findall(rf'id="about-field-{field}">\s*<div class="error">([^<]*)', text)
            assert any(words in html.unescape(each) for each in beside), beside
            assert re.search(rf'id="field-{field}"[^>]*aria-invalid="true"', text), field
            for name in sent.keys() - {"media_urls", "alt_texts", "zone", "board_id"}:
                assert value_of(text, name) == sent[name], name
            assert all(value_of(text, "media_urls") == url for url in [flat[1][1]])
    assert not await two.fetchval("SELECT count(*) FROM pin")


@pytest.mark.parametrize(("name", "most"), LIMITS.items())
async def test_the_limits_of_the_form_are_those_of_the_table(two: Database, name: str, most: int) -> None:
    fields = {**TYPED, name: "\N{CHRISTMAS TREE}" * most}
    async with console_session(two) as session:
        assert f'data-most="{most}"' in await page(session, "/pins/new")
        assert (await send(session, "/pins/new", {**fields, name: f"{fields[name]}x"}))[0] == 422
        assert (await send(session, "/pins/new", fields))[0] == 303


async def test_images_are_looked_at_and_refused_but_for_those_who_insist(two: Database) -> None:
    away = Away()
    away.media = {
        IMAGE: Media(IMAGE, 1000, 1500, 214_000, form="JPEG"),
        OTHER: Media(OTHER, 640, 480, form="PNG"),
        "https://x.example/page": Media("https://x.example/page", problem="it is no image but text/html"),
    }
    carousel = [*TYPED.items(), ("alt_texts", ""), ("media_urls", OTHER), ("alt_texts", "")]
    async with console_session(two, away=away) as session:
        status, part = await send(session, "/pins/new", [*carousel, ("look", "1")], **{"HX-Request": "true"})
        assert (status, "<html" in part) == (200, False)
        for told in (
            f"JPEG, 1,000 {TIMES} 1,500 px, 214 kB",
            f"PNG, 640 {TIMES} 480 px",
            'viewBox="0 0 640 480"',
            "1000x1500, 640x480",
        ):
            assert told in part
        # Without a script it is the whole form.
        status, whole = await send(session, "/pins/new", [*carousel, ("look", "1")])
        assert (status, f"PNG, 640 {TIMES} 480 px" in whole, value_of(whole, "title")) == (200, True, "Spring")
        status, text = await send(session, "/pins/new", carousel)
        assert (status, 'name="as_they_are"' in text, "mend it, or tick the box below" in text) == (422, True, True)
        status, text = await send(
            session, "/pins/new", {**TYPED, "title": "x" * 101, "media_urls": "https://x.example/page"}
        )
        assert re.search(r'id="about-field-media_urls-0">\s*<div class="error">https://x.example/page: it is no', text)
        assert (status, "101 characters" in text) == (422, True)
        assert (await send(session, "/pins/new", [*carousel, ("as_they_are", "1")]))[0] == 303
        assert IMAGE not in re.findall(r'<img[^>]*src="([^"]*)"', whole)


async def test_a_queued_pin_is_changed_and_keeps_what_was_not(two: Database) -> None:
    due = SOON + timedelta(seconds=17)
    found = await PinStore(two).enqueue(pin("ours", "a", title="Before", media_urls=(IMAGE, OTHER), alt_texts=("x",)))
    await two.execute("UPDATE pin SET publish_at = $1, carousel = '[{}, {}]'", due)
    path = f"/pins/{found.id}/edit"
    async with console_session(two) as session:
        text = await page(session, f"{path}?zone=Asia/Tokyo")
        version = value_of(text, "version")
        assert value_of(text, "publish_at") == f"{SOON + timedelta(hours=9):%Y-%m-%dT%H:%M}"
        fields = [
            ("version", version), ("zone", "Asia/Tokyo"), ("publish_at", value_of(text, "publish_at")),
            ("title", "After"), ("media_urls", IMAGE), ("alt_texts", "x"), ("media_urls", OTHER), ("alt_texts", ""),
        ]  # fmt: skip
        assert await send(session, path, fields) == (303, f"/pins/{found.id}")
        changed, _ = await PinStore(two).story(found.id)
        assert (changed.title, changed.publish_at, changed.alt_texts) == ("After", due, ["x"])
        assert (changed.carousel, changed.client_ref) == ("[{}, {}]", "a")
        # Somebody saw it before that.
        status, text = await send(session, path, [*fields[:3], ("title", "Late"), *fields[4:]])
        assert (status, "was changed meanwhile" in text, value_of(text, "title")) == (409, True, "Late")
        await two.execute("UPDATE pin SET state = 'sending', attempts = 1")
        status, text = await send(session, path, fields)
        assert (status, "is sending; only a queued one can be changed" in text) == (409, True)
        await page(session, path, 409)
    assert await two.fetchval("SELECT title FROM pin") == "After"


async def test_a_pin_is_queued_again_as_a_new_one(two: Database) -> None:
    old = await queued(two, title="Again", alt_texts=("x",), note="n", board_id="7")
    await two.execute("UPDATE pin SET state = 'published', publish_at = now() - interval '9 days'")
    async with console_session(two) as session:
        text = await page(session, f"/pins/new?like={old}")
        assert [value_of(text, name) for name in ("title", "note", "board_id", "profile")] == [
            "Again",
            "n",
            "7",
            "ours",
        ]
        assert value_of(text, "publish_at") == ""
        assert value_of(text, "made_ref") != value_of(await page(session, f"/pins/new?like={old}"), "made_ref")
        await page(session, "/pins/new?like=999", 404)
        assert (
            value_of(await page(session, "/pins/new?profile=ours&day=2031-05-04"), "publish_at") == "2031-05-04T09:00"
        )


async def test_profiles_and_boards_are_suggested(two: Database) -> None:
    away = Away()
    away.boards = [Board("12", "Spring & Co")]
    async with console_session(two, away=away) as session:
        assert 'value="theirs"' in await page(session, "/pins/new/profiles?profile=BOLT")
        assert "option" not in await page(session, "/pins/new/profiles?profile=nobody%00")
        boards = await page(session, "/pins/new/boards?profile=ours&board_id=12")
        assert '<option value="12" selected>Spring &amp; Co</option>' in boards
        away.boards = PinError("no such endpoint")
        # Asked once, and kept.
        assert await page(session, "/pins/new/boards?profile=ours&board_id=12") == boards
        other = html.unescape(await page(session, "/pins/new/boards?profile=theirs&board_id=9"))
        assert (value_of(other, "board_id"), "No such endpoint." in other) == ("9", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html><script>alert(1)</script></html>", b"", b"3", b"null", b'{"boards": 5}', b"[" * 100_000,
        b'{"boards": [1, "x", [[]], {"id": true}, {"id": -1}, {"id": 1e400}, {"id": {}}]}',
        b'{"boards": [{"id": "%s", "name": "x"}]}' % (b"9" * 5000),
        b'{"boards": [{"id": 12, "name": "<script>alert(1)</script>\\u202e\\u0000"}]}',
        b'{"boards": [%s]}' % b",".join(b'{"id": %d, "name": "x"}' % number for number in range(10_000)),
    ],
    ids=["html", "nothing", "number", "null", "no list", "deep", "odd rows", "long", "evil", "10,000"],
)  # fmt: skip
async def test_whatever_comes_as_boards_a_pin_can_be_queued(two: Database, answer: bytes) -> None:
    away = Away()
    away.boards = answer
    async with console_session(two, away=away) as session:
        boards = await page(session, "/pins/new/boards?profile=ours&board_id=77")
        assert "<script>alert" not in boards
        assert len(boards) < 250_000
        status, _ = await send(session, "/pins/new", {**TYPED, "board_id": "77"})
    assert ('value="77"' in boards, status) == (True, 303)
    assert await two.fetchval("SELECT board_id FROM pin") == "77"


HISTORY = HistoryCheck(
    pin_id=1, attempt=1, state=PinState.PUBLISHED, absent=False, next_seconds=None, finding="x", found_attempt=1
)


async def test_a_pin_that_may_be_live_is_sent_or_given_up_only_by_those_who_are_sure(two: Database) -> None:
    pin_id = await queued(two)
    await two.execute("UPDATE pin SET state = 'unknown', attempts = 1, owner = 'x', last_error = 'not in the history'")
    await two.execute("INSERT INTO pin_attempt (pin_id, attempt, owner, outcome) VALUES (1, 1, 'x', 'unknown')")
    away = Away()

    async def state() -> str:
        return str(await two.fetchval("SELECT state FROM pin"))

    async with console_session(two, away=away) as session:
        story = await page(session, f"/pins/{pin_id}")
        assert ("It may be live." in story, "It was refused." in story) == (True, False)
        for action in ("retry", "cancel"):
            status, text = await send(session, f"/pins/{pin_id}/{action}", {})
            assert (status, "It may be live" in text, await state()) == (409, True, "unknown")
            assert f'action="/pins/{pin_id}/{action}"' in text
        assert await send(session, f"/pins/{pin_id}/cancel", {"sure": "1"}) == (303, f"/pins/{pin_id}")
        assert await state() == "cancelled"
        assert (await send(session, f"/pins/{pin_id}/retry", {"sure": "1"}))[0] == 303
        assert await state() == "queued"
        await two.execute("UPDATE pin SET state = 'unknown'")
        away.history = HISTORY
        assert (await send(session, f"/pins/{pin_id}/retry", {}))[0] == 303
        assert await state() == "published"
        assert (await send(session, f"/pins/{pin_id}/retry", {}))[0] == 409


ROUTES = (
    ("GET", "/pins/new"),
    ("GET", "/pins/new/profiles"),
    ("GET", "/pins/new/boards?profile=theirs"),
    ("GET", "/pins/new?like={id}"),
    ("GET", "/pins/{id}/edit"),
    ("POST", "/pins/new"),
    ("POST", "/pins/{id}/edit"),
    ("POST", "/pins/{id}/cancel"),
    ("POST", "/pins/{id}/retry"),
)


async def test_each_page_is_for_those_who_may(two: Database) -> None:
    theirs = await queued(two, "theirs", title="secret of bolt")
    away = Away()
    away.boards = [Board("12", "secret of bolt")]
    before = await two.fetch("SELECT p::text FROM pin p")
    fields = {**TYPED, "profile": "theirs"}

    async def ask(session: aiohttp.ClientSession, route: tuple[str, str], **headers: str) -> tuple[int, str]:
        method, path = route[0], route[1].format(id=theirs)
        data = fields if method == "POST" else None
        async with session.request(method, path, data=data, headers=headers) as response:
            return response.status, await response.text()

    async with console_session(two, READ, away=away) as session:
        for route in ROUTES:
            assert (await ask(session, route))[0] == 403, route
    async with console_session(two, await token_of(two, "acme"), away=away) as session:
        for route in ROUTES:
            status, text = await ask(session, route)
            expected = 404 if "{id}" in route[1] else 422 if route[0] == "POST" else 200
            assert status == expected, (route, text)
            assert "secret of bolt" not in text
            assert "theirs" not in text.replace("There is no profile theirs", "").replace('value="theirs"', "")
    async with console_session(two) as session:
        for route in ROUTES:
            if route[0] == "POST":
                assert (await ask(session, route, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403, route
    assert await two.fetch("SELECT p::text FROM pin p") == before


async def test_a_reader_sees_no_way_to_change_pins(two: Database) -> None:
    pin_id = await queued(two)
    async with console_session(two, READ) as session:
        for path in ("/pins", f"/pins/{pin_id}"):
            text = await page(session, path)
            assert not re.search(r'method="post"|/edit"|/pins/new', text.replace("/sign-out", ""))


async def test_what_is_no_form_is_refused(two: Database) -> None:
    pin_id = await queued(two)
    async with console_session(two) as session:
        for body, kind, status in (
            (b"{}", "application/json", 415),
            (b"\xff=1", "application/x-www-form-urlencoded", 400),
            (b"&".join([b"a=1"] * 200), "application/x-www-form-urlencoded", 400),
            (b"--x", "multipart/form-data", 415),
        ):
            for path in ("/pins/new", f"/pins/{pin_id}/move"):
                async with session.post(path, data=body, headers={"Content-Type": kind}) as response:
                    assert response.status == status
        for carousel in ("{bad", '"\\u0000"'):
            status, text = await send(session, "/pins/new", TYPED | {"carousel": carousel})
            assert (status, "nothing was" in text) == (422, True)
