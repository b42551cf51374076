"""Finds out what became of pins that were sent and not heard of: in Ayrshare's history, one request a profile."""

import asyncio
from datetime import UTC, datetime

import structlog

from collector.ayrshare.client import AyrshareClient
from collector.crypto import KeyRing
from collector.errors import AyrshareError, DatabaseUnavailableError, KeyDecryptionError
from collector.loops.gate import Gate
from collector.models.history import HistoryCheck, NativePin, UnknownPins
from collector.models.outcome import Failure
from collector.models.pin import PinState
from collector.publish.check import check_history, missing, rate_limit_wait, unreadable_history
from collector.publish.decision import PublishPolicy, worker_died
from collector.publish.search import read_history, read_native_pins
from collector.store.pin_check import CheckStore
from collector.store.pin_queue import PinQueue
from collector.telemetry import PIN_FAILURES, PIN_LOOKS, PINS_PUBLISHED

log = structlog.get_logger(__name__)

_BATCH = 32


class Reconciler:
    """Looks for unknown pins, and finds those whose worker died; its claim to a check ends after ``claim_seconds``."""

    def __init__(
        self,
        client: AyrshareClient,
        keys: KeyRing,
        queue: PinQueue,
        checks: CheckStore,
        gate: Gate,
        policy: PublishPolicy,
        *,
        claim_seconds: float,
    ) -> None:
        self._client = client
        self._keys = keys
        self._queue = queue
        self._checks = checks
        self._gate = gate
        self._policy = policy
        self._claim_seconds = claim_seconds

    async def run_once(self) -> None:
        """Call pins unknown whose lease ran out, and make the checks that are due."""
        await self._expire()
        with self._gate.permits(_BATCH, urgent=True) as permits:
            groups = await self._checks.claim(permits.count, seconds=self._claim_seconds) if permits.count else []
            permits.used = len(groups)
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(self._reconcile(group))

    async def check(self, group: UnknownPins) -> list[HistoryCheck]:
        """Ask Ayrshare, and return what its answer says of these pins; nothing is written."""
        now = datetime.now(UTC)
        try:
            key = self._keys.decrypt(group.key_ciphertext)
            since = min(pin.first_sent_at for pin in group.pins)
            history = await read_history(
                self._client, key, since=since, now=now, enough=lambda history: not missing(group.pins, history)
            )
            native: tuple[NativePin, ...] = ()
            if missing(group.pins, history):
                native = await read_native_pins(self._client, key, since=since)
        except KeyDecryptionError as error:
            return unreadable_history(group.pins, AyrshareError(Failure.KEY_INVALID, str(error)), self._policy, now)
        except AyrshareError as error:
            if error.failure is Failure.RATE_LIMITED:
                await self._queue.note_rate_limited(group.profile_id, seconds=rate_limit_wait(error))
            return unreadable_history(group.pins, error, self._policy, now)
        return check_history(group.pins, history, native=native, policy=self._policy, now=now)

    async def _reconcile(self, group: UnknownPins) -> None:
        try:
            checks = await self.check(group)
            states = await self._checks.record(checks) if checks else {}
        except DatabaseUnavailableError:
            raise
        except Exception:
            # A defect that one profile's history brings out must not keep the others from being looked for.
            log.exception("looking for unknown pins failed unexpectedly", profile=group.profile)
            return
        for check in checks:
            if check.pin_id in states:
                _report(group.profile, check)

    async def _expire(self) -> None:
        results = [worker_died(call, self._policy) for call in await self._queue.expired()]
        if not results:
            return
        for pin_id in await self._queue.finish(results):
            PIN_FAILURES.labels("worker_died").inc()
            log.warning("the worker of a pin died; nobody knows whether it is live", pin=pin_id)


def _report(profile: str, check: HistoryCheck) -> None:
    found = check.state.value if check.state is not PinState.UNKNOWN else "absent" if check.absent else "undecided"
    PIN_LOOKS.labels(found).inc()
    if check.state is PinState.PUBLISHED:
        PINS_PUBLISHED.inc()
        log.info("an unknown pin is live", pin=check.pin_id, profile=profile, url=check.publication.pin_url)
    elif check.state is PinState.UNKNOWN and check.next_seconds is None:
        log.error(
            "a pin's fate stays unknown; look at the account, then `collector pins retry` or `cancel`",
            pin=check.pin_id,
            profile=profile,
        )
    else:
        log.warning("looked for an unknown pin", pin=check.pin_id, profile=profile, found=check.finding)
