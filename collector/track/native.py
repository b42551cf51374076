"""Looks once a day for pins of an account that were not made here. What the list is like is not confirmed.

So an answer that cannot be used is no failure of the tracker: it is logged, and the profile is asked again a day later.
"""

import asyncio

import structlog

from collector.ayrshare.client import AyrshareClient
from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.crypto import KeyRing
from collector.errors import AyrshareError, DatabaseUnavailableError, KeyDecryptionError
from collector.loops.gate import Gate
from collector.models.outcome import Failure
from collector.store.native_pin import NativeClaim, NativePinStore
from collector.store.pin_queue import PinQueue
from collector.telemetry import PAYLOAD_PROBLEMS

log = structlog.get_logger(__name__)

_AT_ONCE = 4


class NativeLook:
    """Asks a few profiles a round, each for the newest 500 of its pins: one call a profile and day."""

    def __init__(
        self, client: AyrshareClient, keys: KeyRing, pins: NativePinStore, queue: PinQueue, gate: Gate
    ) -> None:
        self._client = client
        self._keys = keys
        self._pins = pins
        self._queue = queue
        self._gate = gate

    async def run_once(self) -> None:
        """Ask profiles that are due, as many as the pace permits; none while calls are held."""
        if self._gate.hold is not None:
            return
        with self._gate.permits(_AT_ONCE) as permits:
            claims = await self._pins.claim(permits.count) if permits.count else []
            permits.used = len(claims)
        async with asyncio.TaskGroup() as tasks:
            for claim in claims:
                tasks.create_task(self._look(claim))

    async def _look(self, claim: NativeClaim) -> None:
        try:
            page = await self._client.native_pins(self._keys.decrypt(claim.key_ciphertext), analytics=True)
            for problem in page.problems:
                PAYLOAD_PROBLEMS.labels(problem.reason).inc()
            await self._pins.keep(claim.profile_id, page.pins)
        except DatabaseUnavailableError:
            raise
        except (AyrshareError, KeyDecryptionError) as error:
            log.info("no list of an account's own pins", profile=claim.profile, reason=str(error))
            if isinstance(error, AyrshareError) and error.failure is Failure.RATE_LIMITED:
                await self._queue.note_rate_limited(claim.profile_id, seconds=RATE_LIMIT_WINDOW, lengthens=False)
        except Exception:
            # A defect that one list brings out must not keep the other profiles from being asked.
            log.exception("reading an account's own pins failed unexpectedly", profile=claim.profile)
