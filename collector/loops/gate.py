"""The gate to Ayrshare that all calls of a process go through: their pace, and the breaker.

The breaker holds them while the API key is refused, and while so large a share of the fleet is that no profile can be
blamed for it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

from collector.loops.verdicts import Verdicts
from collector.models.outcome import Failure
from collector.telemetry import API_KEY_REFUSED, FLEET_REFUSED

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 60.0


class Hold(StrEnum):
    """Why all calls are held, for the operator."""

    KEY_REFUSED = "Ayrshare refuses the API key: check COLLECTOR_AYRSHARE_API_KEY"
    FLEET_REFUSED = (
        "Ayrshare refuses a large share of the fleet: no profile is blamed, and one call a minute tries again"
    )


_GAUGES = {Hold.KEY_REFUSED: API_KEY_REFUSED, Hold.FLEET_REFUSED: FLEET_REFUSED}
# What ends the refusal of the API key. A proxy or a defect of ours cannot have said it.
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
    """Lets calls start, at most ``rate`` a second, and but one probe a minute while they are held."""

    def __init__(self, rate: float) -> None:
        self._pacer = Pacer(rate)
        self._verdicts = Verdicts()
        self._hold: Hold | None = None
        self._probe_at = 0.0
        self._probed = False

    @property
    def hold(self) -> Hold | None:
        return self._hold

    def note(self, failure: Failure | None, http_status: int | None) -> None:
        """Close on a refused API key; open on an answer that Ayrshare does not give while it refuses."""
        if failure is Failure.UNAUTHORIZED:
            self._close(Hold.KEY_REFUSED)
        elif self._hold is Hold.KEY_REFUSED and http_status is not None and failure in _ACCEPTED:
            self._open(self._hold)

    def weigh(self, profile_id: int, failure: Failure | None, *, was_well: bool = True) -> None:
        """Take note of a profile that was read or published to (None), or refused.

        Close if a large share of the profiles that were well get this refusal; open when one is served. Other calls
        prove nothing: the history of a profile that is not linked can be read.
        """
        if was_well:
            self._verdicts.add(profile_id, failure, time.monotonic())
        if failure is not None and was_well and self._hold is None and self._verdicts.suspicious():
            self._close(Hold.FLEET_REFUSED)
        # Of the fleet only a share is refused: the answers under way at that moment prove nothing.
        if failure is None and self._hold is Hold.FLEET_REFUSED and self._probed:
            self._open(self._hold)

    def _close(self, hold: Hold) -> None:
        if self._hold is not hold:
            log.error("all calls to Ayrshare are held, and one a minute tries again", reason=hold.value)
            if self._hold is not None:
                _GAUGES[self._hold].set(0)
        self._hold, self._probed = hold, False
        self._probe_at = time.monotonic() + _PROBE_SECONDS
        _GAUGES[hold].set(1)

    def _open(self, hold: Hold) -> None:
        log.info("Ayrshare answers again; calls are held no longer", held_because=hold.value)
        self._hold = None
        self._verdicts.clear()
        _GAUGES[hold].set(0)

    @contextmanager
    def permits(self, wanted: int, *, urgent: bool = False) -> Iterator[Permits]:
        """Yield up to ``wanted`` permits; those not ``used`` at the end are given back, however it comes.

        ``urgent`` is as for :meth:`Pacer.take`.
        """
        if self._hold is not None:
            wanted = min(wanted, 1 if time.monotonic() >= self._probe_at else 0)
        count = self._pacer.take(wanted, urgent=urgent)
        permits = Permits(count, paced=count < wanted)
        try:
            yield permits
        finally:
            self._pacer.give_back(count - permits.used)
            if self._hold is not None and permits.used:
                self._probed = True
                self._probe_at = time.monotonic() + _PROBE_SECONDS

    def seconds_to_next(self) -> float:
        """Return for how long the pace will allow no call."""
        return self._pacer.seconds_to_next()
