"""The gate to Ayrshare that all calls of a process go through: their pace, and the breaker of a refused API key."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from collector.models import Failure
from collector.telemetry import API_KEY_REFUSED

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 60.0

# What a proxy or a defect of ours cannot have said.
_ACCEPTED = frozenset({None, Failure.SUSPENDED, Failure.UNLINKED, Failure.KEY_INVALID})


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


class Permits:
    """How many calls may start now, and how many of them were used; ``paced`` tells that the pace allows no more."""

    def __init__(self, count: int, *, paced: bool) -> None:
        self.count = count
        self.paced = paced
        self.used = 0


class Gate:
    """Lets calls start, at most ``rate`` a second, and none but a probe while the API key is refused."""

    def __init__(self, rate: float) -> None:
        self._pacer = Pacer(rate)
        self._breaker = Breaker()

    @property
    def key_refused(self) -> bool:
        return self._breaker.open

    def note(self, failure: Failure | None, http_status: int | None) -> None:
        """Take note of what became of a call; see :meth:`Breaker.note`."""
        self._breaker.note(failure, http_status)

    @contextmanager
    def permits(self, wanted: int, *, urgent: bool = False) -> Iterator[Permits]:
        """Yield up to ``wanted`` permits; those not ``used`` at the end are given back, however it comes.

        ``urgent`` is as for :meth:`Pacer.take`.
        """
        allowed = self._breaker.allows(wanted)
        count = self._pacer.take(allowed, urgent=urgent)
        permits = Permits(count, paced=count < allowed)
        try:
            yield permits
        finally:
            self._pacer.give_back(count - permits.used)
            self._breaker.started(permits.used)

    def seconds_to_next(self) -> float:
        """Return for how long the pace will allow no call."""
        return self._pacer.seconds_to_next()
