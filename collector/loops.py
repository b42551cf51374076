"""What loops share: running every so often, backing off, keeping a pace, heeding a refused API key."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from collector.errors import DatabaseUnavailableError
from collector.models import Failure
from collector.telemetry import API_KEY_REFUSED, DATABASE_UP, LOOP_FAILURES, LOOP_LAST_SUCCESS

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0
_PROBE_SECONDS = 60.0

# What a proxy or a defect of ours cannot have said.
_ACCEPTED = frozenset({None, Failure.SUSPENDED, Failure.UNLINKED, Failure.KEY_INVALID})


def backoff(failures: int, *, base: float, cap: float) -> float:
    """Return seconds to wait after the ``failures``-th failure in a row: exponential, with full jitter, capped.

    "Full jitter" is Brooker's (AWS Architecture Blog, 2015): uniform between nothing and the exponential.
    """
    return random.uniform(0.0, min(cap, base * 2.0 ** min(failures - 1, 32)))  # noqa: S311 -- jitter is no secret


class Heartbeats:
    """When each loop of this process last did its work, and how long it may go without.

    A loop that has not come round for three periods is late; that, not a living process, is what readiness means.
    """

    def __init__(self) -> None:
        self._loops: dict[str, tuple[float, float]] = {}

    def expect(self, name: str, period: float) -> None:
        """Announce a loop that will beat every ``period`` seconds; the first time counts from now."""
        self._loops[name] = (period, time.monotonic())
        LOOP_FAILURES.labels(name)  # from zero, so that the first failure is an increase

    def beat(self, name: str) -> None:
        self._loops[name] = (self._loops[name][0], time.monotonic())
        LOOP_LAST_SUCCESS.labels(name).set_to_current_time()

    def late(self) -> dict[str, float]:
        """Return the late loops and for how many seconds each has not done its work."""
        now = time.monotonic()
        return {name: now - beat for name, (period, beat) in self._loops.items() if now - beat > 3 * max(period, 5.0)}


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
    heartbeats.expect(name, period + longest)
    failures = 0
    while True:
        failures = 0 if await attempt(name, work, failures) else failures + 1
        if failures:
            await asyncio.sleep(min(period, 0.5 + backoff(failures, base=1.0, cap=_LONGEST_PAUSE_SECONDS)))
        else:
            heartbeats.beat(name)
            DATABASE_UP.set(1)
            await asyncio.sleep(period)


async def attempt(name: str, work: Callable[[], Awaitable[object]], failures: int) -> bool:
    """Do ``work`` once and tell whether it went well; the one place where a loop outlives what it did not expect."""
    try:
        await work()
    except DatabaseUnavailableError as error:
        DATABASE_UP.set(0)
        LOOP_FAILURES.labels(name).inc()
        if failures == 0:
            log.warning("the database cannot be used; trying again", loop=name, reason=str(error))
    except Exception:
        LOOP_FAILURES.labels(name).inc()
        log.exception("a loop failed; trying again", loop=name)
    else:
        if failures:
            log.info("working again", loop=name, failures=failures)
        return True
    return False


class Pacer:
    """A token bucket: at most ``rate`` permits a second, of which one second's worth may come at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate)
        self._tokens = self._most
        self._refilled = time.monotonic()

    def take(self, wanted: int, *, urgent: bool = False) -> int:
        """Take up to ``wanted`` permits and return how many there were.

        ``urgent`` work may overdraw by a second's worth, so that a backlog of other work cannot hold it up: the others
        then wait until the debt is paid, and the pace is kept all the same.
        """
        now = time.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        taken = max(0, min(wanted, int(self._tokens + (self._most if urgent else 0.0))))
        self._tokens -= taken
        return taken

    def give_back(self, permits: int) -> None:
        self._tokens += permits

    def seconds_to_next(self) -> float:
        return max(0.0, (1.0 - self._tokens) / self._rate)


class Breaker:
    """Holds all calls while Ayrshare refuses the API key, save for one probe a minute."""

    def __init__(self) -> None:
        self._probe_at: float | None = None

    @property
    def open(self) -> bool:
        return self._probe_at is not None

    def note(self, failure: Failure | None, http_status: int | None) -> None:
        """Open on a refused API key; close on an answer that Ayrshare gives only to an accepted one."""
        if failure is Failure.UNAUTHORIZED:
            if not self.open:
                log.error("Ayrshare refuses the API key; all calls are held, and one a minute tries again")
            self._probe_at = time.monotonic() + _PROBE_SECONDS
            API_KEY_REFUSED.set(1)
        elif self.open and http_status is not None and failure in _ACCEPTED:
            log.info("Ayrshare accepts the API key again")
            self._probe_at = None
            API_KEY_REFUSED.set(0)

    def allows(self, wanted: int) -> int:
        """Return how many calls may start now."""
        if self._probe_at is None:
            return wanted
        return min(1, wanted) if time.monotonic() >= self._probe_at else 0

    def started(self, calls: int) -> None:
        """Take note of calls that were allowed and have something to do."""
        if self._probe_at is not None and calls:
            self._probe_at = time.monotonic() + _PROBE_SECONDS
