"""Serves the pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from collector import __version__
from collector.api.site import as_problems
from collector.console.page import as_pages
from collector.errors import CollectorError, DatabaseUnavailableError
from collector.fleet.page import CONTENT_TYPE, Page, Part
from collector.telemetry import REGISTRY
from collector.turn import AT_ONCE, TURNS
from collector.web.door import Door
from collector.web.health import Health
from collector.web.listener import Limits, Listener
from collector.web.signing_in import SigningIn

_SLICE = 256 * 1024
# A page of another site may neither show these in a frame nor take them for a script.
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers hide the origin of our own forms as well, and the door takes them for another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Site(Protocol):
    """Pages that come from a package of their own."""

    def add_to(self, app: web.Application) -> None: ...


class Pages:
    """The handlers, and what they show; ``page`` is None where this process has no exporter."""

    def __init__(self, health: Health, page: Callable[[Part], Awaitable[Page | None]] | None, *sites: Site) -> None:
        self._health = health
        self._page = page
        self._sites = sites

    def application(self, *middlewares: Middleware) -> web.Application:
        app = web.Application(middlewares=middlewares)
        app[TURNS] = asyncio.Semaphore(AT_ONCE)
        app.on_response_prepare.append(_forbid_frames)
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
                web.get("/metrics/profiles", self.profiles),
            ]
        )
        for site in self._sites:
            site.add_to(app)
        return app

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True, "version": __version__})

    async def readyz(self, _request: web.Request) -> web.Response:
        problems = await self._health.problems()
        return web.json_response({"ready": not problems, "problems": problems}, status=503 if problems else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def profiles(self, request: web.Request) -> web.StreamResponse:
        if self._page is None:
            raise web.HTTPNotFound(text="this process has no exporter: add it to COLLECTOR_ROLES, or ask another one\n")
        part = _part(request)
        try:
            page = await self._page(part)
        except LookupError as error:
            raise web.HTTPNotFound(text=f"no profile has the client {part.client!r}\n") from error
        if page is None:
            raise web.HTTPServiceUnavailable(text="the profiles have not been read yet; try again in a moment\n")
        headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            view = memoryview(page.gzipped)
            slices = (view[start : start + _SLICE] for start in range(0, len(view), _SLICE))
            return await _send(request, slices, len(view), headers | {"Content-Encoding": "gzip"})
        return await _send(request, page.unpacked(), page.plain_bytes, headers)


@web.middleware
async def answer_outages(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say that the database is away, rather than fail."""
    try:
        return await handler(request)
    except DatabaseUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}; try again in a moment\n") from error


def _part(request: web.Request) -> Part:
    """Return which part of the fleet is asked for. Raises ``HTTPBadRequest``: half a fleet is not to pass for all."""
    shard = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", request.query.get("shard", "1/1"))
    part = Part(int(shard[1]), int(shard[2]), request.query.get("client")) if shard else None
    if part is None or not 1 <= part.shard <= part.shards or request.query.keys() - {"shard", "client"}:
        raise web.HTTPBadRequest(
            text=f"{request.query_string!r} is no part of this page; write shard=1/8 to shard=8/8, each for an eighth "
            "of the profiles (up to 999 shards), client=NAME for those of a client, or both\n"
        )
    return part


async def _forbid_frames(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


async def _send(
    request: web.Request, pieces: Iterable[bytes | memoryview], length: int, headers: dict[str, str]
) -> web.StreamResponse:
    """Send piece by piece, waiting for a slow reader, so that one scrape never holds up the others or the loop."""
    response = web.StreamResponse(headers=headers)
    response.content_length = length
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


@asynccontextmanager
async def serving(
    pages: Pages,
    host: str,
    port: int,
    *,
    door: Door | None = None,
    limits: Limits | None = None,
    middlewares: Sequence[Middleware] = (),
) -> AsyncIterator[str]:
    """Serve ``pages`` to those whom ``door`` lets in, and yield their address; port 0 takes a free one.

    ``middlewares`` come last.

    Raises:
        CollectorError: the address cannot be listened on.
    """
    listener, door = Listener(limits or Limits()), door or Door()
    app = pages.application(
        listener.middleware(), as_pages, answer_outages, as_problems(), door.middleware(), *middlewares
    )
    app.add_routes(SigningIn(door).routes())
    async with AsyncExitStack() as open_until_the_end:
        try:
            bound = await open_until_the_end.enter_async_context(listener.serving(app, host, port))
        except OSError as error:
            raise CollectorError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another COLLECTOR_HTTP_HOST "
                "or COLLECTOR_HTTP_PORT (of the demo: --port)"
            ) from error
        yield _address(host, bound)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
