"""Makes what talks to Ayrshare: the gate of this process, and clients that go through it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient, open_client
from collector.config import Settings, require_secrets
from collector.loops.gate import Gate


def make_gate(settings: Settings) -> Gate:
    """Return what all calls of this process to Ayrshare go through."""
    return Gate(settings.max_requests_per_second)


@asynccontextmanager
async def open_ayrshare(
    settings: Settings, gate: Gate, *, connections: int | None = None, idle_seconds: float = 15.0
) -> AsyncIterator[AyrshareClient]:
    """Yield a client that tells the gate of every call, with a connection for each concurrent poll by default.

    Raises:
        ConfigurationError: there is no API key.
    """
    require_secrets(settings)
    async with open_client(
        url=settings.ayrshare_url,
        api_key=settings.ayrshare_api_key or SecretStr(""),
        request_timeout=settings.request_seconds,
        connections=connections or settings.poll_concurrency,
        idle_seconds=idle_seconds,
        on_verdict=gate.note,
    ) as client:
        yield client
