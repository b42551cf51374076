"""Only a few pages are made at once; the others wait for their turn, and what takes none is answered meanwhile."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector.access import VISITOR, Entry, Visitor
from collector.console.page import answer
from collector.turn import TURNS
from tests.support.publishing import until

AT_ONCE, ASKED = 2, 6


class Site:
    """A page whose part is read until it is ``released``."""

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

    async def free(self, _request: web.Request) -> web.Response:
        return web.Response()

    def application(self) -> web.Application:
        app = web.Application()
        app[TURNS] = asyncio.Semaphore(AT_ONCE)
        app.add_routes([web.get("/", self.page), web.get("/free", self.free)])
        return app


async def test_pages_wait_for_their_turn() -> None:
    site = Site()

    async def some_read() -> bool:
        return site.reading >= AT_ONCE

    async with TestClient(TestServer(site.application())) as client, asyncio.TaskGroup() as group:
        asked = [group.create_task(client.get("/?part=totals")) for _ in range(ASKED)]
        await until(some_read)
        for _ in range(ASKED):
            assert (await client.get("/free")).status == web.HTTPOk.status_code
        assert not any(each.done() for each in asked)
        site.released.set()
        assert [(await each).status for each in asked] == [web.HTTPOk.status_code] * ASKED
    assert site.most == AT_ONCE
