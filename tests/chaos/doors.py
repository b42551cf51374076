"""Clients of the pages that mean no good: half requests, nonsense, wrong tokens, nobody who reads the answer."""

import asyncio
from contextlib import suppress

from yarl import URL

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import Stage

_TOKEN = "full-0123456789abcdef"
_NONSENSE = (
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\x1b[31mred HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
_PAGE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
_HALF = b"GET /metrics HTTP/1.1\r\nHost: local"


async def _open(url: str, sent: bytes) -> asyncio.StreamWriter | None:
    address = URL(url)
    with suppress(OSError):
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(sent)
        return writer
    return None


async def _crowd(stage: Stage) -> None:
    """Hold 600 connections that say half a request or nonsense, or take no answer."""
    url = await stage.daemons[0].until_running()
    sent = (_HALF, b"", _PAGE * 50, *_NONSENSE)
    crowd = []
    try:
        async with stage.trouble():
            for place in range(600):
                crowd.append(await _open(url, sent[place % len(sent)]))  # noqa: PERF401 -- closed if it ends early
            async with asyncio.timeout(10), stage.ayrshare.session.get(f"{url}/healthz") as response:
                if response.status != 200:
                    stage.complaints.append(f"/healthz answered {response.status} in a crowd")
            await stage.lasts()
    finally:
        for writer in crowd:
            if writer is not None:
                writer.transport.abort()
    for line in stage.daemons[0].log.splitlines():
        if not line.isprintable() or "Traceback" in line:
            stage.complaints.append(f"a client wrote into the log: {line[:200]!r}")


async def _tokens(stage: Stage) -> None:
    """Ask a second daemon, with a token, for pages with wrong ones, and the first as another site."""
    async with stage.trouble():
        url = await stage.daemons[0].until_running()
        foreign = {"Host": "rebound.example.com"}
        await _refused(stage, 403, f"{url}/metrics", foreign)
        await _refused(stage, 403, f"{url}/metrics", {"Origin": "https://example.com"})
        closed = await stage.start(ALL_ROLES, API_TOKEN=_TOKEN)
        address = await closed.until_running()
        for path in ("/metrics", "/metrics/profiles", "/readyz", "/healthz"):
            for wrong in ("", _TOKEN[:-1], _TOKEN + "x"):
                await _refused(stage, 401, address + path, {"Authorization": f"Bearer {wrong}"})
        await _refused(stage, 200, f"{address}/healthz", {"Authorization": f"Bearer {_TOKEN}"})
        await stage.stop(closed)


async def _refused(stage: Stage, status: int, url: str, headers: dict[str, str]) -> None:
    async with stage.ayrshare.session.get(url, headers=headers) as response:
        if response.status != status:
            stage.complaints.append(f"{url} answered {response.status} to {headers}")


SCENARIOS = (
    Scenario(
        name="crowd-at-the-door",
        injected="600 connections: half requests, silence, nonsense, answers that nobody reads, for 12 s",
        play=_crowd,
        seconds=12,
    ),
    Scenario(
        name="wrong-tokens",
        injected="thirteen requests with wrong tokens, or of another site",
        play=_tokens,
    ),
)
