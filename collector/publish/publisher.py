"""The publisher: claims lanes that have something to do, sends their pins, and records what became of them."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from collector.cancellation import uninterrupted
from collector.errors import DatabaseUnavailableError
from collector.loops import Breaker, Heartbeats, Pacer, attempt, backoff
from collector.models import PinClaim, PinResult, PinState
from collector.publish.recorder import Recorder
from collector.publish.sender import Sender
from collector.store.pin_queue import CHANNEL, PinQueue
from collector.store.pool import Database
from collector.telemetry import PIN_PUBLISH_SECONDS, PINS_IN_FLIGHT

log = structlog.get_logger(__name__)

HEARTBEAT = "publisher"

# Notifications come at once; this is for pins that become due by themselves, and for a lost notification.
_IDLE_SECONDS = 1.0
_STUCK_WRITE_SECONDS = 15.0
# Shorter than what orchestrators wait before they kill.
_GRACE_SECONDS = 6.0
_WIND_DOWN_SECONDS = 8.0


class Published(msgspec.Struct, frozen=True):
    """How the sending of one pin ended."""

    profile: str
    pin_id: int
    state: PinState
    pin_url: str | None


class Publisher:
    """Sends pins, at most ``concurrency`` at once, one of a profile, and as fast as ``pacer`` permits."""

    def __init__(
        self,
        sender: Sender,
        queue: PinQueue,
        database: Database,
        *,
        concurrency: int,
        pacer: Pacer,
        breaker: Breaker,
        on_result: Callable[[Published], None] = lambda _result: None,
    ) -> None:
        self._sender = sender
        self._queue = queue
        self._database = database
        self._recorder = Recorder(queue)
        self._concurrency = concurrency
        self._pacer = pacer
        self._breaker = breaker
        self._on_result = on_result
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        # Pins whose call was begun here and whose outcome is not recorded; whether a claim was made and not heard of.
        self._started: set[int] = set()
        self._claim_in_doubt = False
        self._rest_seconds = 0.0

    async def run(self, heartbeats: Heartbeats) -> None:
        """Publish what is due until cancelled; then let calls under way end, and record what became of all."""
        heartbeats.expect(HEARTBEAT, _IDLE_SECONDS)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(), name="pin notifications")
                await self._claim_for_ever(heartbeats)
        finally:
            await uninterrupted(self._wind_down())

    async def _claim_for_ever(self, heartbeats: Heartbeats) -> None:
        failures = 0
        while True:
            self._wake.clear()
            if await attempt(HEARTBEAT, self._claim_due, failures):
                failures = 0
                if self._recorder.waiting_seconds() < _STUCK_WRITE_SECONDS:
                    heartbeats.beat(HEARTBEAT)
                await self._rest()
            else:
                failures += 1
                await asyncio.sleep(0.2 + backoff(failures, base=0.5, cap=15.0))

    async def _claim_due(self) -> None:
        wanted = self._breaker.allows(self._concurrency - len(self._calls))
        permits = self._pacer.take(wanted, urgent=True) if wanted > 0 else 0
        self._rest_seconds = _IDLE_SECONDS if permits or not wanted else self._pacer.seconds_to_next()
        if not permits:
            return
        # A claim that was made and not heard of would leave its pins unknown, though they were never sent.
        await uninterrupted(self._start(permits))

    async def _start(self, permits: int) -> None:
        """Claim up to ``permits`` pins and begin their calls."""
        await self._return_strays()
        claimed_at = time.monotonic()
        claims: list[PinClaim] = []
        self._claim_in_doubt = True
        try:
            claims, more = await self._queue.claim(permits)
        finally:
            self._pacer.give_back(permits - len(claims))
        self._claim_in_doubt = False
        self._breaker.started(len(claims))
        for claim in claims:
            self._started.add(claim.pin_id)
            task = asyncio.create_task(self._publish(claim, claimed_at), name=f"pin {claim.pin_id}")
            self._calls.add(task)
            task.add_done_callback(self._ended)
        if more:
            self._rest_seconds = 0.0

    async def _return_strays(self) -> None:
        """Give back pins of a claim that was committed although its answer was lost; they were certainly not sent."""
        if self._claim_in_doubt:
            results = [
                PinResult(
                    pin_id=pin_id,
                    profile_id=profile_id,
                    attempt=attempt,
                    owner=owner,
                    state=PinState.QUEUED,
                    reason="claim_lost",
                    detail="not sent: the database did not confirm the claim",
                )
                for pin_id, profile_id, attempt, owner in await self._queue.stray(self._started)
            ]
            if results:
                await self._queue.finish(results)

    async def _rest(self) -> None:
        """Wait until somebody queues a pin or a call ends; at the latest until the next look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rest_seconds):
                await self._wake.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an outcome could not be recorded; its pin becomes unknown", task=task.get_name(), exc_info=error)

    async def _publish(self, claim: PinClaim, claimed_at: float) -> None:
        with PINS_IN_FLIGHT.track_inprogress():
            try:
                result = await self._sender.send(claim, claimed_at)
            except asyncio.CancelledError:
                result = self._sender.interrupted(claim)
            except Exception as error:
                # A defect that one pin brings out must not stop the publishing of all the others.
                log.exception("publishing a pin failed unexpectedly", pin=claim.pin_id, profile=claim.profile)
                result = self._sender.unexpected(claim, error)
            await self._recorder.record(result)
        self._started.discard(claim.pin_id)
        self._report(claim, result)

    def _report(self, claim: PinClaim, result: PinResult) -> None:
        if result.state is PinState.PUBLISHED:
            PIN_PUBLISH_SECONDS.observe(max(0.0, (datetime.now(UTC) - claim.publish_at).total_seconds()))
        else:
            log.warning(
                "a pin was not published",
                pin=claim.pin_id,
                profile=claim.profile,
                state=result.state.value,
                reason=result.detail,
            )
        self._on_result(Published(claim.profile, claim.pin_id, result.state, result.publication.pin_url))

    async def _listen(self) -> None:
        """Wake up at every notification; without them, due pins are found a little later."""
        failures = 0
        while True:
            try:
                await self._database.listen(CHANNEL, self._wake.set)
            except DatabaseUnavailableError:
                failures += 1
            except Exception:
                # Without notifications pins are found a second later; nothing else may end for that.
                failures += 1
                log.exception("waiting for notifications failed; trying again")
            await asyncio.sleep(0.5 + backoff(failures + 1, base=0.5, cap=15.0))

    async def _wind_down(self) -> None:
        self._recorder.give_up_after(_WIND_DOWN_SECONDS)
        if self._calls:
            await asyncio.wait(self._calls, timeout=_GRACE_SECONDS)
        for call in list(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=_WIND_DOWN_SECONDS - _GRACE_SECONDS)
