"""Who may see the pages, over real sockets, and what clients that mean no good can hold of them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from collector.config import OpenPages
from collector.loops.every import Heartbeats
from collector.store.pool import Database
from collector.web.door import Door
from collector.web.health import Health
from collector.web.listener import Limits
from collector.web.server import Pages, serving
from collector.web.tokens import Tokens
from tests.support.console import make_console

FULL, READ = "full-0123456789ab", "read-0123456789ab"
PATIENCE_SECONDS = 10.0


class MorePages(Pages):
    """The pages, one that changes something, and one that never ends."""

    def application(self, *middlewares: Middleware) -> web.Application:
        app = super().application(*middlewares)
        app.add_routes([web.post("/change", self.change), web.get("/endless", self.endless)])
        return app

    async def change(self, _request: web.Request) -> web.Response:
        return web.Response(text="changed")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))


@asynccontextmanager
async def pages(
    database: Database, door: Door | None = None, limits: Limits | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    shown = MorePages(Health(database, Heartbeats(), hold=lambda: None), None, make_console(database))
    async with (
        serving(shown, "127.0.0.1", 0, door=door, limits=limits or Limits()) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def status(session: aiohttp.ClientSession, method: str, path: str, token: str | None = None, **more: str) -> int:
    headers = more | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    async with session.request(method, path, headers=headers) as response:
        return response.status


async def connect(
    session: aiohttp.ClientSession, sent: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = session._base_url
    assert url is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Wait for the end of a connection and return what came before."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    ("method", "path", "token", "expected"),
    [
        ("GET", "/metrics", None, 401),
        ("GET", "/readyz", None, 401),
        ("GET", "/healthz", "", 401),
        ("GET", "/no-such-page", None, 401),
        ("POST", "/change", None, 401),
        ("GET", "/metrics", READ[:-1], 401),
        ("GET", "/metrics", f"{READ}x", 401),
        ("GET", "/metrics", "schl\u00fcssel", 401),
        ("GET", "/metrics", READ, 200),
        ("GET", "/metrics", FULL, 200),
        ("POST", "/change", READ, 403),
        ("POST", "/change", FULL, 200),
        ("GET", "/", None, 401),
    ],
)
async def test_a_token_opens_what_it_is_for(
    database: Database, method: str, path: str, token: str | None, expected: int
) -> None:
    door = Door(Tokens(SecretStr(FULL), SecretStr(READ)))
    async with pages(database, door) as session:
        assert await status(session, method, path, token) == expected


async def test_pages_that_were_opened_need_no_token_and_no_others_do_without(database: Database) -> None:
    door = Door(Tokens(SecretStr(FULL)), opened=[OpenPages.METRICS])
    async with pages(database, door) as session:
        assert await status(session, "GET", "/metrics") == 200
        assert await status(session, "GET", "/readyz") == 401
        assert await status(session, "POST", "/metrics") == 401
        assert await status(session, "GET", "/metrics/../readyz") == 401
        assert await status(session, "GET", "/metrics%2f") == 401


async def test_a_token_for_reading_alone_lets_nobody_change_anything(database: Database) -> None:
    async with pages(database, Door(Tokens(read_only=SecretStr(READ)))) as session:
        assert await status(session, "GET", "/readyz", READ) == 200
        assert await status(session, "POST", "/change", READ) == 403
        assert await status(session, "POST", "/change") == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Host": "localhost:9470"}, 200),
        ({"Host": "[::1]:9470", "Origin": "http://[::1]:9470"}, 200),
        ({"Host": "rebound.example.com:9470"}, 403),
        ({"Host": "127.0.0.1.example.com"}, 403),
        ({"Host": "localhost@example.com"}, 403),
        ({"Host": "127.0.0.1", "Origin": "https://example.com"}, 403),
        ({"Host": "127.0.0.1", "Origin": "null"}, 403),
        ({"Host": "not a host"}, 403),
    ],
)
async def test_without_a_token_a_page_of_another_site_gets_nothing(
    database: Database, headers: dict[str, str], expected: int
) -> None:
    async with pages(database) as session:
        assert await status(session, "POST", "/change", **headers) == expected
        assert await status(session, "GET", "/metrics", **headers) == expected


async def test_a_thousand_half_sent_requests_keep_nobody_out(database: Database) -> None:
    async with pages(database, limits=Limits(connections=64)) as session, AsyncExitStack() as opened:
        for _ in range(1000):
            _, writer = await connect(session, b"GET /metrics HTTP/1.1\r\nHost: local")
            opened.callback(writer.close)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await status(session, "GET", "/healthz") == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea",
    ],
    ids=["nothing", "half a request", "one request", "one request and a half"],
)
async def test_a_client_that_says_nothing_more_is_let_go(database: Database, sent: bytes) -> None:
    async with pages(database, limits=Limits(idle_seconds=0.2)) as session:
        reader, writer = await connect(session, sent)
        answer = await closed(reader)
        writer.close()
    assert answer.count(b"200 OK") == sent.count(b"\r\n\r\n")


async def test_headers_that_trickle_in_are_not_waited_for(database: Database) -> None:
    async with pages(database, limits=Limits(idle_seconds=0.2)) as session:
        reader, writer = await connect(session, b"GET / HTTP/1.1\r\n")
        ended = asyncio.create_task(closed(reader))
        while not ended.done():
            writer.write(b"X: 1\r\n")
            await asyncio.wait([ended], timeout=0.05)
        writer.close()
    assert await ended == b""


async def test_a_client_that_takes_no_answer_is_let_go(database: Database) -> None:
    async with pages(database, limits=Limits(request_seconds=0.3)) as session:
        _, writer = await connect(session, b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Nothing reads, so only a write can notice the end.
            while not writer.transport.is_closing():
                assert await status(session, "GET", "/healthz") == 200
                writer.write(b"x")
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x1b[31mred HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\x1b[31m\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 500 + b"\r\n",
        b"POST /change HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_nonsense_is_refused_and_one_line_of_the_log(
    database: Database, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with pages(database) as session:
            reader, writer = await connect(session, sent)
            answer = await closed(reader)
            writer.close()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert len(caplog.records) == 1
    text = caplog.text.rstrip("\n")
    assert text.isprintable()
    assert len(text) < 400
