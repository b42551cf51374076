"""The API key is tried when a daemon starts: a refused one is said at once, and nobody is sent home for it."""

import asyncio
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from collector.ayrshare.client import open_client
from collector.config import Role
from collector.loops import gate as gate_module
from collector.loops.gate import Gate
from collector.registry import trial
from collector.registry.trial import try_api_key
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon

REFUSED = "Ayrshare refuses the API key: check COLLECTOR_AYRSHARE_API_KEY"


async def readiness(address: str, expected: int) -> str:
    """Return what /readyz says once it answers so."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20.0):
        while True:
            async with session.get(f"http://{address}/readyz") as response:
                if response.status == expected:
                    return await response.text()
            await asyncio.sleep(0.05)


async def test_a_refused_key_is_said_before_any_profile_is_due_and_healed_by_itself(
    database: Database, dsn: str, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(gate_module, "_PROBE_SECONDS", 0.1)
    await ayrshare.fault("*", "unauthorized", endpoint="/profiles")
    with capture_logs() as logs:
        async with daemon(database, dsn, ayrshare, Role.PUBLISHER) as address:
            assert REFUSED in await readiness(address, 503)
            await ayrshare.heal()
            await readiness(address, 200)

    told = [line for line in logs if line.get("reason") == REFUSED]
    assert [(line["log_level"], line["event"]) for line in told] == [
        ("error", "all calls to Ayrshare are held, and one a minute tries again")
    ]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"fault": "status", "status": 503}, 1),
        ({"fault": "rate_limited"}, 0),
        ({"fault": "hang", "seconds": 60}, 1),
        ({"fault": "html"}, 1),
    ],
)
async def test_an_api_that_cannot_be_asked_is_only_a_warning(
    ayrshare: Ayrshare, fault: dict[str, Any], told: int
) -> None:
    await ayrshare.fault("*", endpoint="/profiles", **fault)
    gate = Gate(10.0)
    async with open_client(
        url=ayrshare.url,
        api_key=SecretStr(ayrshare.config.api_key),
        request_timeout=0.5,
        connections=1,
        on_verdict=gate.note,
    ) as client:
        with capture_logs() as logs:
            async with asyncio.timeout(10.0):
                await try_api_key(client, gate)

    assert gate.hold is None
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("warning", "the API key could not be tried")
    ] * told


async def test_a_daemon_without_roles_that_call_ayrshare_asks_nothing(
    database: Database, dsn: str, ayrshare: Ayrshare
) -> None:
    async with daemon(database, dsn, ayrshare, Role.EXPORTER) as address:
        await readiness(address, 200)

    assert (await ayrshare.record())["requests"] == {}
