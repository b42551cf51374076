"""A TCP proxy that cuts, freezes, slows, resets, half closes and forgets the connections that go through it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65_536
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.client = client
        self.server = server
        self.flowing = asyncio.Event()
        self.lost = False

    def abort(self) -> None:
        """Let both ends see a reset."""
        for _, writer in (self.client, self.server):
            if not writer.is_closing():
                raw = writer.get_extra_info("socket")
                with suppress(OSError):  # a local socket knows no reset
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            writer.transport.abort()

    def close(self) -> None:
        for _, writer in (self.client, self.server):
            writer.close()


class Proxy:
    """Forwards a port of this machine to whatever ``connect`` opens; `latency_seconds` delays each piece."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self.latency_seconds = 0.0
        self.port = 0
        self._connect = connect
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._frozen = False
        self._listener: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        return len(self._links)

    def freeze(self) -> None:
        """Forward nothing any more, and close nothing; new connections are taken, and hear nothing."""
        self._frozen = True
        for link in self._links:
            link.flowing.clear()

    def lose(self) -> None:
        """Forget the present connections without a word to either end, as a router does; new ones work."""
        for link in self._links:
            link.lost = True
            link.flowing.clear()

    def reset(self) -> None:
        for link in list(self._links):
            link.abort()

    def half_close(self) -> None:
        """Tell the clients that the server says nothing more, and take what they still say."""
        for link in self._links:
            with suppress(OSError, RuntimeError):
                link.client[1].write_eof()

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    def bury(self) -> None:
        """End the connections that were lost, as the keepalives of both ends do in the end."""
        for link in [each for each in self._links if each.lost]:
            link.abort()

    async def mend(self) -> None:
        """Forward everything at once again, at the same port; connections that were lost stay so."""
        self.latency_seconds = 0.0
        self._frozen = False
        for link in self._links:
            if not link.lost:
                link.flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            link = _Link((reader, writer), await self._connect())
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        if not self._frozen:
            link.flowing.set()
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, link.client[0], link.server[1]), self._pump(link, link.server[0], link.client[1])
            )
        except (OSError, RuntimeError, asyncio.CancelledError):
            link.abort()  # one end has gone, so the other goes too
        finally:
            link.close()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _pump(self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            await link.flowing.wait()
            if self.latency_seconds:
                await asyncio.sleep(self.latency_seconds)
            sink.write(data)
            await sink.drain()
        await link.flowing.wait()
        with suppress(OSError, RuntimeError):
            sink.write_eof()


@asynccontextmanager
async def proxied(connect: Callable[[], Awaitable[Streams]]) -> AsyncIterator[Proxy]:
    """Yield a proxy that listens on a free port."""
    proxy = Proxy(connect)
    await proxy.mend()
    try:
        yield proxy
    finally:
        await proxy.close()
