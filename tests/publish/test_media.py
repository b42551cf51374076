"""Looking at images before a pin is queued: what is refused, what is not known, and who is never asked."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from collector.cli.media import look_first, media_problems
from collector.errors import PinError
from collector.models.pin import NewPin, PinContent
from collector.publish.media import Media, MediaCheck, WhichMedia, findings, open_media_check, to_look_at
from collector.publish.public_session import is_public
from tests.support.images import GIF, JPEG, LATE_JPEG, PNG, SVG, WEBP, Handler, body, make_identity, serving, trusting


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    return make_identity(tmp_path)


@asynccontextmanager
async def checking() -> AsyncIterator[MediaCheck]:
    async with open_media_check(allowed=lambda _address: True, tls=trusting()) as check:
        yield check


async def looked_at(identity: Path, answer: Handler, *, seconds: float = 20.0) -> Media:
    async with serving(identity, answer) as url, checking() as check:
        [found] = (await check.look([f"{url}/a"], seconds=seconds)).values()
    return found


@pytest.mark.parametrize(
    ("content", "size"),
    [(PNG, (1000, 1500)), (GIF, (640, 480)), (WEBP, (1000, 1500)), (JPEG, (1000, 1500)), (LATE_JPEG, (None, None))],
    ids=["png", "gif", "webp", "jpeg", "late jpeg"],
)
async def test_width_and_height_are_read_from_the_first_bytes(
    identity: Path, content: bytes, size: tuple[int | None, int | None]
) -> None:
    found = await looked_at(identity, body(content, "application/octet-stream"))
    assert ((found.width, found.height), found.problem) == (size, None)
    assert found.size_bytes == len(content)
    assert (found.unknown is not None) == (size[0] is None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (body(b"<html>Log in</html>", "text/html"), "it is no image but text/html"),
        (body(SVG, "image/svg+xml"), "it is no image but image/svg+xml"),
        (body(b"", "text/plain", status=302, headers={"Location": "/other"}), "it redirects (HTTP 302)"),
        (body(PNG, "image/png", status=206, headers={"Content-Range": "bytes 0-9/20000001"}), "it has 20.0 MB"),
    ],
)
async def test_what_ayrshare_would_refuse_is_a_problem(identity: Path, answer: Handler, words: str) -> None:
    found = await looked_at(identity, answer)
    assert found.problem is not None
    assert found.problem.startswith(words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (body(b"", "text/html", status=404), "HTTP 404"),
        (body(b"", "text/html", status=503), "HTTP 503"),
        (body(bytes(100), "video/mp4"), "not read: video/mp4"),
    ],
)
async def test_what_cannot_be_known_is_no_fault_of_the_pin(identity: Path, answer: Handler, words: str) -> None:
    found = await looked_at(identity, answer)
    assert (found.problem, found.unknown) == (None, words)


async def test_many_images_are_looked_at_a_few_at_a_time(identity: Path) -> None:
    tasks: list[int] = []

    async def answer(_request: web.Request) -> web.Response:
        tasks.append(len(asyncio.all_tasks()))
        return web.Response(body=PNG)

    async with serving(identity, answer) as url, checking() as check:
        found = await check.look([f"{url}/{number}" for number in range(200)], seconds=60.0)
    assert {(each.width, each.height) for each in found.values()} == {(1000, 1500)}
    assert (len(found), len(tasks)) == (200, 200)
    assert max(tasks) < 60


async def test_an_endless_image_is_read_to_its_first_64_kilobytes(identity: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(PNG)
        while True:
            await response.write(bytes(65_536))

    assert (await looked_at(identity, endless)).width == 1000


async def test_a_server_that_does_not_answer_is_waited_for_so_long(identity: Path) -> None:
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    found = await looked_at(identity, silent, seconds=0.3)
    assert found.unknown is not None
    assert found.unknown.startswith("not looked at within")


async def test_a_private_address_is_never_connected_to(identity: Path) -> None:
    asked = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with serving(identity, note) as url, open_media_check() as check:
        port = url.rpartition(":")[2]
        urls = [url, f"https://localhost:{port}", f"https://[::ffff:127.0.0.1]:{port}", "https://169.254.169.254/x"]
        found = await check.look(urls, seconds=10.0)
    assert asked == []
    assert [each.unknown is not None and "no public address" in each.unknown for each in found.values()] == [True] * 4


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("2002:a00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b:1::a00:1", False),
        ("::10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("fec0::1", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_asked(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_a_carousel_whose_sizes_differ_is_refused_with_the_sizes() -> None:
    urls = tuple(f"https://x/{i}" for i in range(3))
    content = PinContent(media_urls=urls)
    seen = {urls[0]: Media(urls[0], 1000, 1500), urls[1]: Media(urls[1], unknown="HTTP 404")}
    assert findings(content, seen | {urls[2]: Media(urls[2], 1000, 1500)}) == ([], ["https://x/1: HTTP 404"])
    [problem], _ = findings(content, seen | {urls[2]: Media(urls[2], 1000, 1000)})
    assert "1000x1500, 1000x1000" in problem


def test_of_a_video_the_cover_is_looked_at_and_of_single_images_only_on_demand() -> None:
    video = PinContent(media_urls=("https://x/a.mp4",), thumbnail_url="https://x/a.png")
    found = [to_look_at(video, which) for which in (WhichMedia.ALL, WhichMedia.CAROUSELS, WhichMedia.NONE)]
    assert found == [("https://x/a.png",), (), ()]


async def test_a_pin_or_line_whose_images_differ_is_refused(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.cli.media.open_media_check", checking)

    async def by_name(request: web.Request) -> web.Response:
        return web.Response(body=GIF if request.path == "/other" else PNG)

    async with serving(identity, by_name) as url:
        bad = PinContent(media_urls=(f"{url}/a", f"{url}/other"))
        good = PinContent(media_urls=(f"{url}/a", f"{url}/b"))
        lines = [(2, NewPin(profile="acme", client_ref="a", content=each)) for each in (good, bad)]
        [(line, reason)] = await media_problems([lines[0], (3, lines[1][1])], "carousels")
        assert (line, "1000x1500, 640x480" in reason) == (3, True)
        await look_first(good, "carousels")
        with pytest.raises(PinError, match="same width and height"):
            await look_first(bad, "carousels")
        await look_first(bad, "none")
