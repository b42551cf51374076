"""Few pages and answers are made at once; others wait for their turn, and what takes none is answered meanwhile."""

import asyncio

import msgspec
import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import TestClient, TestServer

from collector.access import VISITOR, Entry, Visitor
from collector.api.route import route, routes_of
from collector.api.serve import handler_of
from collector.console.page import answer
from collector.turn import TURNS
from tests.support.publishing import until

AT_ONCE, ASKED = 2, 6


class Nothing(msgspec.Struct):
    """An answer."""


class Site:
    """A page, and a call of the API, that read until they are ``released``."""

    def __init__(self) -> None:
        self.reading, self.most = 0, 0
        self.released = asyncio.Event()

    async def read(self) -> None:
        self.reading += 1
        self.most = max(self.most, self.reading)
        await self.released.wait()
        self.reading -= 1

    async def page(self, request: web.Request) -> web.Response:
        request[VISITOR] = Visitor(may_change=False, entry=Entry.LOCAL)
        return await answer(request, "fleet", {"totals": self.read}, section="fleet")

    @route(hdrs.METH_GET, "/call")
    async def called(self) -> Nothing:
        await self.read()
        return Nothing()

    async def call(self, request: web.Request) -> web.StreamResponse:
        request[VISITOR] = Visitor(may_change=False, entry=Entry.LOCAL)
        [declared] = routes_of([self])
        return await handler_of(declared)(request)

    async def free(self, _request: web.Request) -> web.Response:
        return web.Response()

    def application(self) -> web.Application:
        app = web.Application()
        app[TURNS] = asyncio.Semaphore(AT_ONCE)
        app.add_routes([web.get("/", self.page), web.get("/call", self.call), web.get("/free", self.free)])
        return app


@pytest.mark.parametrize("path", ["/?part=totals", "/call"])
async def test_pages_and_answers_wait_for_their_turn(path: str) -> None:
    site = Site()

    async def some_read() -> bool:
        return site.reading >= AT_ONCE

    async with TestClient(TestServer(site.application())) as client, asyncio.TaskGroup() as group:
        asked = [group.create_task(client.get(path)) for _ in range(ASKED)]
        await until(some_read)
        for _ in range(ASKED):
            assert (await client.get("/free")).status == web.HTTPOk.status_code
        assert not any(each.done() for each in asked)
        site.released.set()
        assert [(await each).status for each in asked] == [web.HTTPOk.status_code] * ASKED
    assert site.most == AT_ONCE
