"""The loop of a worker that claims work: as much as it has room for and the gate permits, then a rest."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from collector.loops.every import Heartbeats, attempt, backoff
from collector.loops.gate import Gate, Permits

# Work may come without a word: because its time has come, or its notification was lost.
_IDLE_SECONDS = 1.0
# With the pace as the limit, permits are gathered for at least as long as this.
_PACE_SECONDS = 0.1

# A write that takes longer holds back the claims, and one that takes much longer the heartbeat.
_SLOW_WRITE_SECONDS = 5.0
_STUCK_WRITE_SECONDS = 15.0

# Claims up to ``permits.count``, sets ``permits.used``, begins the work, and tells whether more may be due.
Claim = Callable[[Permits], Awaitable[bool]]


class ClaimLoop:
    """Claims for ever; ``room`` is how much more can be begun, ``writing_seconds`` for how long results have waited.

    ``wake`` ends a rest early: work has come, or there is room again. ``urgent`` is as for :meth:`Gate.permits`.
    """

    def __init__(
        self,
        name: str,
        gate: Gate,
        claim: Claim,
        *,
        room: Callable[[], int],
        writing_seconds: Callable[[], float],
        wake: asyncio.Event,
        urgent: bool = False,
    ) -> None:
        self._name = name
        self._gate = gate
        self._claim = claim
        self._room = room
        self._writing_seconds = writing_seconds
        self._wake = wake
        self._urgent = urgent
        self._rest_seconds = 0.0
        self._patient = False

    async def run(self, heartbeats: Heartbeats) -> None:
        """Claim until cancelled; failures are logged, counted and tried again."""
        heartbeats.expect(self._name, _IDLE_SECONDS)
        failures = 0
        while True:
            self._wake.clear()
            if await attempt(self._name, self._claim_once, failures, heartbeats.outage):
                failures = 0
                if self._writing_seconds() < _STUCK_WRITE_SECONDS:
                    heartbeats.beat(self._name)
                await self._rest()
            else:
                failures += 1
                await asyncio.sleep(0.2 + backoff(failures, base=0.5, cap=15.0))

    async def _claim_once(self) -> None:
        # Results that cannot be stored are lost with the process, so no more are made.
        room = self._room() if self._writing_seconds() < _SLOW_WRITE_SECONDS else 0
        with self._gate.permits(room, urgent=self._urgent) as permits:
            more = await self._claim(permits) if permits.count else permits.paced
        self._patient = more and permits.paced
        if self._patient:
            self._rest_seconds = max(_PACE_SECONDS, self._gate.seconds_to_next())
        else:
            self._rest_seconds = 0.0 if more and permits.used < permits.count else _IDLE_SECONDS

    async def _rest(self) -> None:
        if self._patient:
            await asyncio.sleep(self._rest_seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rest_seconds):
                await self._wake.wait()
