"""Ayrshare is slow, silent, refuses everybody, or answers with what is no answer; then it is well again."""

import asyncio
import time
from typing import Any

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import API_KEY, Stage

_STORM = (
    {"fault": "status", "status": 503, "probability": 0.3},
    {"fault": "html", "status": 502, "probability": 0.4},
    {"fault": "status", "status": 500, "probability": 0.5},
    {"fault": "status", "status": 504, "probability": 0.7},
)
_NO_ANSWERS = (
    {"fault": "huge", "size_bytes": 50_000_000, "probability": 0.15},
    {"fault": "huge", "size_bytes": 100_000_000_000, "probability": 0.15, "after_work": True},
    {"fault": "truncated", "probability": 0.3},
    {"fault": "wrong_json", "probability": 0.4, "after_work": True},
    {"fault": "html", "status": 200, "probability": 0.5, "after_work": True},
    {"fault": "hang", "probability": 0.5, "seconds": 5.0},
)
_KEY_REFUSED = "Ayrshare refuses the API key"
_FLEET_REFUSED = "Ayrshare refuses a large share of the fleet"


async def _everywhere(stage: Stage, *faults: dict[str, Any]) -> None:
    for fault in faults:
        await stage.fault(**{"endpoint": "*", **fault})


async def _lasting(stage: Stage, *faults: dict[str, Any]) -> None:
    """Inject at every endpoint, with work under way, and let it last."""
    await _everywhere(stage, *faults)
    async with stage.trouble():
        await stage.lasts()


async def _slow(stage: Stage) -> None:
    await _lasting(stage, {"fault": "latency", "seconds": 30.0})


async def _reset(stage: Stage) -> None:
    await stage.fault("latency", endpoint="*", seconds=0.2)
    async with stage.trouble():
        ends = time.monotonic() + stage.seconds
        while time.monotonic() < ends:
            stage.api.reset()
            await asyncio.sleep(stage.dice.uniform(0.05, 0.6))


async def _silent(stage: Stage) -> None:
    async with stage.trouble():
        stage.api.freeze()
        await stage.lasts(0.5)
        await stage.api.mend()
        stage.api.cut()
        await stage.lasts(0.25)
        await stage.api.mend()
        ends = time.monotonic() + stage.seconds / 4
        while time.monotonic() < ends:
            stage.api.half_close()
            await asyncio.sleep(0.2)


async def _storm_of_5xx(stage: Stage) -> None:
    await _lasting(stage, *_STORM, {"fault": "status", "status": 500, "probability": 0.3, "after_work": True})


async def _storm_of_429(stage: Stage) -> None:
    await _lasting(stage, {"fault": "rate_limited"})


async def _key_refused(stage: Stage) -> None:
    await _lasting(stage, {"fault": "unauthorized"})


async def _gateway(stage: Stage) -> None:
    await _lasting(stage, {"fault": "gateway"})


async def _fleet_refused(stage: Stage) -> None:
    async with stage.trouble(newcomers=0):
        await _everywhere(stage, {"fault": "suspended"})
        await stage.says(_FLEET_REFUSED)
        await stage.register(2)
        await stage.lasts()
        parked = await stage.server.owner.fetchval("SELECT count(*) FROM profile WHERE state <> 'active'")
        # Those that were refused first, before anybody could know that it was the fleet.
        if parked > len(stage.profiles) // 2:
            stage.complaints.append(f"{parked} profiles were parked")


async def _no_answers(stage: Stage) -> None:
    await _lasting(stage, *_NO_ANSWERS)


async def _not_resolved(stage: Stage) -> None:
    """Let one of two replicas look for Ayrshare at a name that does not exist, then start it with the right one."""
    async with stage.trouble():
        lost = await stage.start(ALL_ROLES, AYRSHARE_URL="http://ayrshare.invalid.internal:9/api")
        await lost.until_running()
        await stage.register(2)
        await stage.lasts()
        await stage.stop(lost)


async def _keys_echoed(stage: Stage) -> None:
    """Let every answer hold the keys of the call: in words, in escapes, in a page."""
    for index in range(20):
        key = stage.ayrshare.identity(index).profile_key
        words = f"refused for {key} of {API_KEY}"
        chance: dict[str, Any] = {"endpoint": "*", "profile": stage.name(index), "probability": 0.4, "message": words}
        await stage.fault("escaped", status=500, **chance)
        await stage.fault("status", status=500, **chance)
        await stage.fault("status", status=400, shape="network", **{**chance, "endpoint": "/analytics/social"})
        await stage.fault("gateway", **chance)
    async with stage.trouble():
        await stage.lasts()
        await stage.expect(0, "", "status")
        await stage.expect(0, "", "profiles", "list")
        await stage.expect(0, "", "pins", "list", "--json")
        await stage.command("poll", stage.name(0), stage.name(1))


SCENARIOS = (
    Scenario(
        name="api-429",
        injected="429 for everybody and everything for 20 s; the window of 300 s is waited for",
        play=_storm_of_429,
        seconds=20,
        patience=510,
    ),
    Scenario(
        name="api-401",
        injected="the API key refused for 20 s; one probe a minute",
        play=_key_refused,
        seconds=20,
        not_ready=_KEY_REFUSED,
        patience=180,
    ),
    Scenario(
        name="api-fleet-refused",
        injected="every profile suspended, in Ayrshare's words, for 20 s",
        play=_fleet_refused,
        first=16,
        seconds=20,
        settings={"POLL_CONCURRENCY": "2"},
        not_ready=_FLEET_REFUSED,
        patience=240,
    ),
    Scenario(
        name="api-gateway",
        injected='403 {"message":"Forbidden"} for everybody for 15 s',
        play=_gateway,
        seconds=15,
        patience=240,
    ),
    Scenario(
        name="api-slow",
        injected="30 s for each answer, for 40 s; a request may take 1.2 s",
        play=_slow,
        seconds=40,
        patience=90,
    ),
    Scenario(
        name="api-reset",
        injected="connections reset at random for 20 s",
        play=_reset,
        seconds=20,
        patience=90,
    ),
    Scenario(
        name="api-silent",
        injected="silent, refusing, then half closing, 24 s in all",
        play=_silent,
        seconds=24,
        patience=90,
    ),
    Scenario(
        name="api-5xx",
        injected="500, 502, 503, 504 for nine of ten calls for 20 s, some after the work",
        play=_storm_of_5xx,
        seconds=20,
        patience=90,
    ),
    Scenario(
        name="api-no-answers",
        injected="50 MB, endless, cut, other, HTML and late bodies for 20 s",
        play=_no_answers,
        seconds=20,
        patience=120,
    ),
    Scenario(
        name="api-not-resolved",
        injected="a second daemon with a host name that does not exist for 12 s",
        play=_not_resolved,
        seconds=12,
        patience=90,
    ),
    Scenario(
        name="keys-echoed",
        injected="every profile's key and the API key in words, escapes and other shapes for 15 s",
        play=_keys_echoed,
        seconds=15,
        patience=90,
    ),
)
