"""Runs work every so often, backs off when it fails, and knows which loops are late."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from collector.errors import DatabaseUnavailableError
from collector.loops.outage import Outage
from collector.telemetry import LOOP_FAILURES, LOOP_LAST_SUCCESS

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0


def backoff(failures: int, *, base: float, cap: float) -> float:
    """Return seconds to wait after the ``failures``-th failure in a row: exponential, with full jitter, capped.

    "Full jitter" is Brooker's (AWS Architecture Blog, 2015): uniform between nothing and the exponential.
    """
    return jitter(min(cap, base * 2.0 ** min(failures - 1, 32)))


def jitter(seconds: float) -> float:
    """Return a random wait of up to ``seconds``, so that not all come at once."""
    return random.uniform(0.0, seconds)  # noqa: S311 -- jitter is no secret


class LoopState(msgspec.Struct, frozen=True, kw_only=True):
    """A loop of this process: how often it is to work, and for how many seconds it has not.

    ``longest_seconds`` is for how long the work itself may take before the loop is late.
    """

    name: str
    period_seconds: float
    longest_seconds: float
    idle_seconds: float
    late: bool


class Heartbeats:
    """When each loop of this process last did its work, and how long it may go without.

    A loop that has not come round for three periods is late; that, not a living process, is what readiness means.
    """

    def __init__(self) -> None:
        self._loops: dict[str, tuple[float, float, float]] = {}
        self.outage = Outage()

    def expect(self, name: str, period: float, longest: float = 0.0) -> None:
        """Announce a loop that will beat every ``period`` seconds, and ``longest`` more; the first counts from now."""
        self._loops[name] = (period, longest, time.monotonic())
        LOOP_FAILURES.labels(name)  # from zero, so that the first failure is an increase

    def beat(self, name: str) -> None:
        period, longest, _ = self._loops[name]
        self._loops[name] = (period, longest, time.monotonic())
        LOOP_LAST_SUCCESS.labels(name).set_to_current_time()

    def states(self) -> list[LoopState]:
        """Return all loops by name."""
        now = time.monotonic()
        return [
            LoopState(
                name=name,
                period_seconds=period,
                longest_seconds=longest,
                idle_seconds=now - beat,
                late=now - beat > 3 * max(period + longest, 5.0),
            )
            for name, (period, longest, beat) in sorted(self._loops.items())
        ]

    def late(self) -> dict[str, float]:
        """Return the late loops and for how many seconds each has not done its work."""
        return {loop.name: loop.idle_seconds for loop in self.states() if loop.late}


async def every(
    period: float,
    name: str,
    work: Callable[[], Awaitable[object]],
    heartbeats: Heartbeats,
    *,
    longest: float = 0.0,
) -> None:
    """Do ``work`` every ``period`` seconds until cancelled. A failure is logged and counted, and tried again sooner.

    ``longest`` is for how many seconds the work itself may take, where it waits for others.
    """
    heartbeats.expect(name, period, longest)
    failures = 0
    while True:
        failures = 0 if await attempt(name, work, failures, heartbeats.outage) else failures + 1
        if failures:
            await asyncio.sleep(min(period, 0.5 + backoff(failures, base=1.0, cap=_LONGEST_PAUSE_SECONDS)))
        else:
            heartbeats.beat(name)
            await asyncio.sleep(period)


async def attempt(name: str, work: Callable[[], Awaitable[object]], failures: int, outage: Outage) -> bool:
    """Do ``work`` once and tell whether it went well; the one place where a loop outlives what it did not expect."""
    try:
        await work()
    except DatabaseUnavailableError as error:
        LOOP_FAILURES.labels(name).inc()
        outage.failed(name, str(error))
    except Exception:
        LOOP_FAILURES.labels(name).inc()
        log.exception("a loop failed; trying again", loop=name)
    else:
        if not outage.worked(name) and failures:
            log.info("working again", loop=name, failures=failures)
        return True
    return False
