"""Listens for requests, and bounds what a client can hold: connections, time, and lines of the log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

_LONGEST_LOGGED = 200
# For the rest of a body that no page reads.
_LINGER_SECONDS = 1.0


class Limits(msgspec.Struct, frozen=True):
    """What clients may hold.

    ``connections`` are all together; one more closes the oldest that waits for its client. ``idle_seconds`` bound the
    time to send a request's headers, and between requests; ``request_seconds`` the time until an answer is taken.
    """

    connections: int = 256
    idle_seconds: float = 20.0
    request_seconds: float = 60.0


class Listener:
    """An application on a socket, with limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._answering: set[RequestHandler] = set()

    def middleware(self) -> Middleware:
        @web.middleware
        async def bound(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._answering.add(request.protocol)
            try:
                async with asyncio.timeout(self._limits.request_seconds):
                    response = await handler(request)
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                # Closing it tidily would wait for the client that does not read.
                if request.transport is not None:
                    request.transport.abort()
                raise
            finally:
                self._answering.discard(request.protocol)
            return response

        return bound

    @asynccontextmanager
    async def serving(self, app: web.Application, host: str, port: int) -> AsyncIterator[int]:
        """Serve ``app`` and yield the port. Raises ``OSError`` when the address cannot be listened on."""
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=1.0,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=_LINGER_SECONDS,
            logger=_logger(),
        )
        await runner.setup()
        try:
            await _Site(runner, self._admit, host, port).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    def _admit(self, server: web.Server) -> RequestHandler:
        """Make room for one more connection, and return what handles it."""
        transports = [(each, each.transport) for each in server.connections]
        present = [(each, transport) for each, transport in transports if transport and not transport.is_closing()]
        # A stable sort: those that wait for their client first, each kind from the oldest on.
        present.sort(key=lambda connection: connection[0] in self._answering)
        for _, transport in present[: max(0, len(present) + 1 - self._limits.connections)]:
            transport.abort()
        return server()


class _Site(web.BaseSite):
    """A TCP socket that asks before it lets a connection in."""

    def __init__(
        self, runner: web.AppRunner, admit: Callable[[web.Server], RequestHandler], host: str, port: int
    ) -> None:
        super().__init__(runner)
        self._admit = admit
        self._address = host, port

    @property
    def name(self) -> str:
        return "http://{}:{}".format(*self._address)

    async def start(self) -> None:
        await super().start()
        server = cast("web.Server", self._runner.server)  # the runner is set up
        self._server = await asyncio.get_running_loop().create_server(partial(self._admit, server), *self._address)


class _OneLine(logging.Filter):
    """Shortens what aiohttp reports of a bad request: a client's nonsense is one line, a defect keeps its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | ConnectionError | TimeoutError):
            # What the client sent must not write lines of its own, nor colour them.
            reason = ascii(" ".join(str(error.args[-1] if error.args else error).split()))[1:-1][:_LONGEST_LOGGED]
            record.msg, record.args = "%s: %s", (record.getMessage(), reason or type(error).__name__)
            record.exc_info = None
        return True


def _logger() -> logging.Logger:
    logger = logging.getLogger(__name__)
    if not logger.filters:
        logger.addFilter(_OneLine())
    return logger
