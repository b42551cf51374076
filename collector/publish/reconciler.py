"""Finds out what became of pins that were sent and not heard of: in Ayrshare's history, one request a profile."""

import asyncio
import math
from datetime import UTC, datetime

import structlog

from collector.ayrshare.client import AyrshareClient
from collector.crypto import KeyRing
from collector.errors import AyrshareError, DatabaseUnavailableError, KeyDecryptionError
from collector.loops import Breaker, Pacer
from collector.models import Failure, History, PinLook, PinResult, PinState
from collector.publish.decision import PublishPolicy
from collector.publish.look import failed_looks, goes_back_far_enough, read_looks
from collector.store.pin_look import LookStore, UnknownPins
from collector.store.pin_queue import PinQueue
from collector.telemetry import PIN_FAILURES, PIN_LOOKS, PINS_PUBLISHED

log = structlog.get_logger(__name__)

# Ayrshare's usual page, and its largest.
_LIMITS = (100, 1000)
_MOST_DAYS = 365
_BATCH = 32


class Reconciler:
    """Looks for unknown pins, and finds those whose worker died; its claim to a look ends after ``hold`` seconds."""

    def __init__(
        self,
        client: AyrshareClient,
        keys: KeyRing,
        queue: PinQueue,
        looks: LookStore,
        policy: PublishPolicy,
        *,
        hold: float,
        pacer: Pacer,
        breaker: Breaker,
    ) -> None:
        self._client = client
        self._keys = keys
        self._queue = queue
        self._looks = looks
        self._policy = policy
        self._hold = hold
        self._pacer = pacer
        self._breaker = breaker

    async def run_once(self) -> None:
        """Call pins unknown whose lease ran out, and do the looks that are due."""
        await self._expire()
        permits = self._pacer.take(self._breaker.allows(_BATCH), urgent=True)
        groups: list[UnknownPins] = []
        try:
            groups = await self._looks.claim(permits, seconds=self._hold) if permits else []
        finally:
            self._pacer.give_back(permits - len(groups))
        self._breaker.started(len(groups))
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(self._reconcile(group))

    async def look(self, group: UnknownPins) -> list[PinLook]:
        """Ask Ayrshare, and return what its answer says of these pins; nothing is written."""
        now = datetime.now(UTC)
        try:
            key = self._keys.decrypt(group.key_ciphertext)
            since = min(pin.first_sent_at for pin in group.pins)
            days = min(_MOST_DAYS, math.ceil((now - since).total_seconds() / 86_400) + 1)
            history, limit = History((), rows=0, oldest=None, as_of=None), _LIMITS[0]
            for limit in _LIMITS:
                history = await self._client.history(key, days=days, limit=limit)
                if goes_back_far_enough(history, since, limit=limit):
                    break
        except KeyDecryptionError as error:
            return failed_looks(group.pins, AyrshareError(Failure.KEY_INVALID, str(error)), self._policy, now)
        except AyrshareError as error:
            if error.failure is Failure.RATE_LIMITED:
                await self._queue.note_rate_limited(group.profile_id)
            return failed_looks(group.pins, error, self._policy, now)
        return read_looks(group.pins, history, limit=limit, policy=self._policy, now=now)

    async def _reconcile(self, group: UnknownPins) -> None:
        try:
            looks = await self.look(group)
            states = await self._looks.record(looks) if looks else {}
        except DatabaseUnavailableError:
            raise
        except Exception:
            # A defect that one profile's history brings out must not keep the others from being looked for.
            log.exception("looking for unknown pins failed unexpectedly", profile=group.profile)
            return
        for look in looks:
            if look.pin_id in states:
                _report(group.profile, look)

    async def _expire(self) -> None:
        results = [
            PinResult(
                pin_id=pin_id,
                profile_id=profile_id,
                attempt=attempt,
                owner=owner,
                state=PinState.UNKNOWN,
                reason="worker_died",
                detail=f"its worker {owner} was not heard of again",
                look_seconds=self._policy.looks[0],
            )
            for pin_id, profile_id, attempt, owner in await self._queue.expired()
        ]
        if not results:
            return
        for pin_id in await self._queue.finish(results):
            PIN_FAILURES.labels("worker_died").inc()
            log.warning("the worker of a pin died; nobody knows whether it is live", pin=pin_id)


def _report(profile: str, look: PinLook) -> None:
    found = look.state.value if look.state is not PinState.UNKNOWN else "absent" if look.counts else "undecided"
    PIN_LOOKS.labels(found).inc()
    if look.state is PinState.PUBLISHED:
        PINS_PUBLISHED.inc()
        log.info("an unknown pin is live", pin=look.pin_id, profile=profile, url=look.publication.pin_url)
    elif look.state is PinState.UNKNOWN and look.next_seconds is None:
        log.error(
            "a pin's fate stays unknown; look at the account, then `collector pins retry` or `cancel`",
            pin=look.pin_id,
            profile=profile,
        )
    else:
        log.warning("looked for an unknown pin", pin=look.pin_id, profile=profile, seen=look.seen)
