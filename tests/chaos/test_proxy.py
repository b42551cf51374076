"""What the proxy does to connections, as both ends see it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.support.proxy import Proxy, Streams, proxied

Connect = Callable[[], Awaitable[Streams]]
PATIENCE_SECONDS = 5.0
SILENCE_SECONDS = 0.15


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that says what it hears."""
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with proxied(lambda: asyncio.open_connection("127.0.0.1", port)) as made:
            yield made


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    opened: list[Streams] = []

    async def connected() -> Streams:
        opened.append(await asyncio.open_connection("127.0.0.1", proxy.port))
        return opened[-1]

    yield connected
    for _, writer in opened:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def said(streams: Streams, words: bytes) -> bytes:
    """Say something and return what comes back, nothing if nothing comes."""
    reader, writer = streams
    writer.write(words)
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENCE_SECONDS):
            return await reader.read(1000)
    return b""


async def heard(streams: Streams) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await streams[0].read(1000)


async def test_what_is_frozen_arrives_when_it_is_mended(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    assert await said(streams, b"one") == b"one"
    proxy.freeze()
    assert await said(streams, b"two") == b""
    later = await connect()
    assert await said(later, b"three") == b""
    await proxy.mend()
    assert await heard(streams) == b"two"
    assert await heard(later) == b"three"


async def test_a_cut_resets_and_refuses_until_it_is_mended(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    assert await said(streams, b"one") == b"one"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await heard(streams)
    with pytest.raises(ConnectionRefusedError):
        await connect()
    await proxy.mend()
    assert await said(await connect(), b"two") == b"two"


async def test_a_reset_is_for_those_that_are_open(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    assert await said(streams, b"one") == b"one"
    assert proxy.connections == 1
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await heard(streams)
    assert await said(await connect(), b"two") == b"two"


async def test_of_what_is_half_closed_the_client_hears_the_end(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    assert await said(streams, b"one") == b"one"
    proxy.half_close()
    assert await heard(streams) == b""
    streams[1].write(b"two")
    assert not streams[1].is_closing()


async def test_what_was_lost_is_silent_for_good_and_the_next_connection_works(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    assert await said(streams, b"one") == b"one"
    proxy.lose()
    await proxy.mend()
    assert await said(streams, b"two") == b""
    assert await said(await connect(), b"three") == b"three"


async def test_latency_delays_each_piece(proxy: Proxy, connect: Connect) -> None:
    streams = await connect()
    proxy.latency_seconds = SILENCE_SECONDS
    assert await said(streams, b"one") == b""
    assert await heard(streams) == b"one"
