"""Pictures of pins: which are taken into a report, and whom nobody asks for one."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from collector.report.pictures import Pictures, open_pictures
from tests.support.images import GIF, JPEG, PNG, SVG, WEBP, Handler, body, make_identity, serving, trusting

HUGE = PNG.replace((1000).to_bytes(4), (10_000).to_bytes(4)).replace((1500).to_bytes(4), (10_000).to_bytes(4))


class Server:
    """Counts what it is asked for."""

    def __init__(self, answer: Handler) -> None:
        self.asked = 0
        self._answer = answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        response: web.StreamResponse = await self._answer(request)
        return response


@asynccontextmanager
async def pictures() -> AsyncIterator[Pictures]:
    async with open_pictures(allowed=lambda _address: True, tls=trusting()) as made:
        yield made


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(JPEG)
    try:
        while True:
            await response.write(bytes(100_000))
    except ConnectionError:
        return response


async def gone(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(("content", "kind"), [(PNG, "png"), (JPEG, "jpeg"), (GIF, "gif"), (WEBP, "webp")])
async def test_a_picture_is_held_whatever_the_server_calls_it_and_asked_for_once(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    server = Server(body(content, "application/octet-stream"))
    async with serving(make_identity(tmp_path), server.answer) as url, pictures() as held:
        expected = {f"{url}/a": f"data:image/{kind};base64,{b64encode(content).decode()}"}
        assert await held.fetch([f"{url}/a", f"{url}/a"]) == expected
        assert await held.fetch([f"{url}/a"]) == expected
    assert server.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        body(SVG, "image/svg+xml"),
        body(b"<html>Log in</html>", "image/png"),
        body(PNG, "image/png", status=404),
        body(PNG, "image/png", status=302, headers={"Location": "/other"}),
        body(PNG + bytes(600_000), "image/png"),
        body(HUGE, "image/png"),
        body(PNG[:16], "image/png"),
        endless,
        gone,
    ],
    ids=["svg", "page", "missing", "redirect", "large", "many pixels", "cut", "endless", "gone"],
)
async def test_what_is_no_small_picture_is_left_out(tmp_path: Path, answer: Handler) -> None:
    async with serving(make_identity(tmp_path), answer) as url, pictures() as held, asyncio.timeout(10.0):
        assert await held.fetch([f"{url}/a"]) == {}


async def test_neither_this_machine_nor_anything_but_https_is_asked(tmp_path: Path) -> None:
    server = Server(body(PNG, "image/png"))
    async with serving(make_identity(tmp_path), server.answer) as url, open_pictures(tls=trusting()) as held:
        port = url.rpartition(":")[2]
        asked = [f"{url}/a", f"https://localhost:{port}/a", f"https://[::ffff:127.0.0.1]:{port}/a", "https://[/a"]
        assert await held.fetch([*asked, "https://10.0.0.1/a", "https://169.254.169.254/a"]) == {}
    async with serving(make_identity(tmp_path), server.answer) as url, pictures() as held:
        assert await held.fetch([url.replace("https", "http") + "/a", "data:image/png;base64,x", "file:///a"]) == {}
    assert server.asked == 0


async def test_a_host_that_fails_again_and_again_is_left_alone(tmp_path: Path) -> None:
    server = Server(gone)
    async with serving(make_identity(tmp_path), server.answer) as url, pictures() as held:
        for number in range(10):
            assert await held.fetch([f"{url}/{number}"]) == {}
    assert server.asked <= 6, "each of three times, and as often again where the client tries a connection twice"
