"""Processes that die, stop, are told to stop, or are held up."""

import asyncio
from signal import SIGCONT, SIGSTOP
from typing import Any

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import MORE, Stage

_BUSY = "SELECT owner FROM pin WHERE state = 'sending' AND lease_until > now() ORDER BY random() LIMIT 1"
_POLLED_INTERVAL, _POLLED_LEASE = 20.0, 6.0
_POLLED_PROFILES = 400
_POLLED_ROLES = "poller,publisher"
# A slot may be half an interval further away; then there are the call, and a process that wakes up.
_POLLED_LATEST = 1.5 * _POLLED_INTERVAL + _POLLED_LEASE + 4.0
# Pairs of polls of a profile since a moment, and those that came too late, or within half an interval.
_PAIRS = """
WITH pair AS (
    SELECT extract(epoch FROM polled_at - lag(polled_at) OVER (PARTITION BY profile_id ORDER BY polled_at)) AS seconds
    FROM poll_log
    WHERE polled_at > $1
)
SELECT
    count(seconds) AS pairs,
    count(*) FILTER (WHERE seconds > $2) AS late,
    count(*) FILTER (WHERE seconds < $3) AS twice
FROM pair
"""
_LEASES_OF_STOPPED = """
SELECT (SELECT count(*) FROM profile WHERE lease_owner LIKE '%-' || $1 || '-%')
     + (SELECT count(*) FROM pin WHERE state = 'sending' AND owner LIKE '%-' || $1 || '-%')
"""
# What can go wrong with a call: before it is done, after it, and in words.
_BAD_POSTS: tuple[dict[str, Any], ...] = (
    {"fault": "latency", "seconds": 0.3},
    {"fault": "reset_before", "probability": 0.04},
    {"fault": "reset_after", "probability": 0.05},
    {"fault": "hang", "probability": 0.02, "seconds": 5.0, "after_work": True},
    {"fault": "status", "status": 500, "probability": 0.03},
    {"fault": "status", "status": 500, "probability": 0.04, "after_work": True},
)


async def _bad_calls(stage: Stage) -> None:
    for fault in _BAD_POSTS:
        await stage.fault(endpoint="/post", **fault)
    await stage.fault("short_history", endpoint="/history", rows=2, counts_all=False, probability=0.7)
    await stage.fault("latency", seconds=0.2)


async def _killed(stage: Stage) -> None:
    """Kill, again and again, a daemon that is in a call; ``seconds`` are so many kills."""
    await _bad_calls(stage)
    async with stage.trouble():
        for kill in range(int(stage.seconds)):
            await asyncio.sleep(stage.dice.uniform(0.1, 1.2))
            if kill % 10 == 0:
                for index in range(len(stage.profiles)):
                    await stage.pin(stage.name(index))
            owner = await stage.server.owner.fetchval(_BUSY)
            busy = [each for each in stage.daemons if owner is not None and f"-{each.pid}-" in owner]
            await stage.kill(busy[0] if busy else stage.dice.choice(stage.daemons))
            await stage.start(ALL_ROLES)


async def _killed_while_polling(stage: Stage) -> None:
    """Kill one of the pollers every few seconds, and look at when each profile was polled."""
    await stage.register(_POLLED_PROFILES - len(stage.profiles), pins=0)
    await stage.fault("latency", seconds=0.2)
    await stage.until("SELECT NOT EXISTS (SELECT FROM profile WHERE last_success_at IS NULL)")
    began = await stage.server.owner.fetchval("SELECT now()")
    loop = asyncio.get_running_loop()
    end = loop.time() + stage.seconds
    while loop.time() < end:
        await asyncio.sleep(stage.dice.uniform(2.0, 8.0))
        await stage.kill(stage.dice.choice(stage.daemons))
        await stage.start(_POLLED_ROLES)
    [(pairs, late, twice)] = await stage.server.owner.fetch(_PAIRS, began, _POLLED_LATEST, _POLLED_INTERVAL / 2)
    if late or twice >= pairs / 100 or not pairs:
        stage.complaints.append(f"of {pairs} polls {late} came too late, and {twice} were of a profile just polled")


async def _told_to_stop(stage: Stage) -> None:
    """Tell daemons to stop under load; ``seconds`` are so many times."""
    await stage.fault("latency", endpoint="/post", seconds=0.4)
    await stage.fault("latency", seconds=0.3)
    async with stage.trouble():
        for _ in range(int(stage.seconds)):
            for index in range(len(stage.profiles)):
                await stage.pin(stage.name(index))
            await stage.server.owner.execute("UPDATE profile SET next_poll_at = now()")
            await asyncio.sleep(stage.dice.uniform(0.2, 0.8))
            leaver = stage.daemons[0]
            await stage.stop(leaver)
            held = await stage.server.owner.fetchval(_LEASES_OF_STOPPED, str(leaver.pid))
            if held:
                stage.complaints.append(f"a daemon that was told to stop left {held} leases")
            newcomer = await stage.start(ALL_ROLES)
            await newcomer.until_running()


async def _stopped_beyond_the_lease(stage: Stage) -> None:
    """Stop a daemon in the middle of its work until others have taken it over, then let it go on."""
    await stage.fault("latency", endpoint="/post", seconds=0.3)
    await stage.fault("latency", seconds=0.3)
    async with stage.trouble():
        for _ in range(max(1, int(stage.seconds / 12))):
            for index in range(len(stage.profiles)):
                await stage.pin(stage.name(index))
            await asyncio.sleep(0.5)
            sleeper = stage.dice.choice(stage.daemons)
            sleeper.send(SIGSTOP)
            await asyncio.sleep(9.0)
            sleeper.send(SIGCONT)
            await asyncio.sleep(2.0)


SCENARIOS = (
    Scenario(
        name="killed",
        injected="SIGKILL 50 times on three replicas in calls, six faults, short histories",
        play=_killed,
        seconds=50,
        short=4,
        daemons=(ALL_ROLES,) * 3,
        patience=180,
    ),
    Scenario(
        name="killed-while-polling",
        injected="SIGKILL every few seconds for ten minutes on three replicas that poll 400 profiles every 20 s",
        play=_killed_while_polling,
        seconds=600,
        daemons=(_POLLED_ROLES,) * 3,
        settings={"POLL_INTERVAL": f"{_POLLED_INTERVAL:.0f}s", "LEASE_TIME": f"{_POLLED_LEASE:.0f}s"},
        emulator={"profiles": _POLLED_PROFILES + MORE},
    ),
    Scenario(
        name="told-to-stop",
        injected="SIGTERM ten times under load, two replicas: exit 0 within 5 s, no lease kept",
        play=_told_to_stop,
        seconds=10,
        daemons=(ALL_ROLES,) * 2,
    ),
    Scenario(
        name="stopped-beyond-lease",
        injected="SIGSTOP for 9 s with leases of 6 s, then SIGCONT, three times, two replicas",
        play=_stopped_beyond_the_lease,
        seconds=36,
        daemons=(ALL_ROLES,) * 2,
    ),
)
