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


class Permits:
    """How many calls may start now, and how many of them were used; ``paced`` tells that the pace allows no more."""

    def __init__(self, count: int, *, paced: bool) -> None:
        self.count = count
        self.paced = paced
        self.used = 0


class Gate:
    """Lets calls start, at most ``rate`` a second, and but one probe a minute while Ayrshare refuses the API key."""

    def __init__(self, rate: float) -> None:
        self._pacer = Pacer(rate)
        self._probe_at: float | None = None

    @property
    def key_refused(self) -> bool:
        return self._probe_at is not None

    def note(self, failure: Failure | None, http_status: int | None) -> None:
        """Close on a refused API key; open on an answer that Ayrshare gives only to an accepted one."""
        if failure is Failure.UNAUTHORIZED:
            if not self.key_refused:
                log.error("Ayrshare refuses the API key; all calls are held, and one a minute tries again")
            self._probe_at = time.monotonic() + _PROBE_SECONDS
            API_KEY_REFUSED.set(1)
        elif self.key_refused and http_status is not None and failure in _ACCEPTED:
            log.info("Ayrshare accepts the API key again")
            self._probe_at = None
            API_KEY_REFUSED.set(0)

    @contextmanager
    def permits(self, wanted: int, *, urgent: bool = False) -> Iterator[Permits]:
        """Yield up to ``wanted`` permits; those not ``used`` at the end are given back, however it comes.

        ``urgent`` is as for :meth:`Pacer.take`.
        """
        if self._probe_at is not None:
            wanted = min(wanted, 1 if time.monotonic() >= self._probe_at else 0)
        count = self._pacer.take(wanted, urgent=urgent)
        permits = Permits(count, paced=count < wanted)
        try:
            yield permits
        finally:
            self._pacer.give_back(count - permits.used)
            if self._probe_at is not None and permits.used:
                self._probe_at = time.monotonic() + _PROBE_SECONDS

    def seconds_to_next(self) -> float:
        """Return for how long the pace will allow no call."""
        return self._pacer.seconds_to_next()
