"""The publisher: claims lanes that have something to do, sends their pins, and records what became of them."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import structlog

from collector.cancellation import uninterrupted
from collector.errors import DatabaseUnavailableError
from collector.loops.batch import BatchWriter
from collector.loops.claiming import ClaimLoop
from collector.loops.every import Heartbeats, backoff
from collector.loops.gate import Gate, Hold, Permits
from collector.loops.recall import Recall
from collector.models.pin import PinClaim, PinResult, PinState
from collector.publish.decision import (
    PublishPolicy,
    claim_lost,
    doubted,
    interrupted,
    unexpected,
    verdict_of,
    was_well,
)
from collector.publish.outcome import OutcomeTarget
from collector.publish.sender import Sender
from collector.store.pin_queue import CHANNEL, PinQueue
from collector.store.pool import Database
from collector.telemetry import PIN_PUBLISH_SECONDS, PINS_IN_FLIGHT

log = structlog.get_logger(__name__)

# A database that does not answer at all must not keep the process from ending.
_CLAIM_SECONDS = 2.0
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
    """Sends pins, at most ``concurrency`` at once, one of a profile, and as fast as the gate permits."""

    def __init__(
        self,
        sender: Sender,
        queue: PinQueue,
        database: Database,
        gate: Gate,
        recall: Recall,
        policy: PublishPolicy,
        *,
        concurrency: int,
        on_result: Callable[[Published], None] = lambda _result: None,
    ) -> None:
        self._sender = sender
        self._queue = queue
        self._database = database
        self._gate = gate
        self._recall = recall
        self._policy = policy
        self._outcomes = BatchWriter("outcomes of pins", OutcomeTarget(queue))
        self._concurrency = concurrency
        self._on_result = on_result
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        # Pins whose call was begun here and whose outcome is not recorded; whether a claim was made and not heard of.
        self._started: set[int] = set()
        self._claim_in_doubt = False

    async def run(self, heartbeats: Heartbeats) -> None:
        """Publish what is due until cancelled; then let calls under way end, and record what became of all."""
        loop = ClaimLoop(
            "publisher",
            self._gate,
            self._claim_due,
            room=lambda: self._concurrency - len(self._calls),
            writing_seconds=self._outcomes.waiting_seconds,
            wake=self._wake,
            urgent=True,
        )
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self._outcomes.run(), name="outcomes of pins")
            listening = group.create_task(self._listen(), name="pin notifications")
            try:
                await loop.run(heartbeats)
            finally:
                listening.cancel()
                await uninterrupted(self._wind_down(writing))

    async def _claim_due(self, permits: Permits) -> bool:
        # A claim that was made and not heard of would leave its pins unknown, though they were never sent.
        return await uninterrupted(self._start(permits), seconds=_CLAIM_SECONDS)

    async def _start(self, permits: Permits) -> bool:
        """Claim pins and begin their calls; tell whether more may be due."""
        await self._recall.run_if_wanted()
        await self._return_strays()
        claimed_at = time.monotonic()
        self._claim_in_doubt = True
        claims, more = await self._queue.claim(permits.count)
        self._claim_in_doubt = False
        permits.used = len(claims)
        for claim in claims:
            self._started.add(claim.pin_id)
            task = asyncio.create_task(self._publish(claim, claimed_at), name=f"pin {claim.pin_id}")
            self._calls.add(task)
            task.add_done_callback(self._ended)
        return more

    async def _return_strays(self) -> None:
        """Give back pins of a claim that was committed although its answer was lost; they were certainly not sent."""
        if self._claim_in_doubt:
            results = [claim_lost(call) for call in await self._queue.stray(self._started)]
            if results:
                await self._queue.finish(results)

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
                result = interrupted(claim, self._policy)
            except Exception as error:
                # A defect that one pin brings out must not stop the publishing of all the others.
                log.exception("publishing a pin failed unexpectedly", pin=claim.pin_id, profile=claim.profile)
                result = unexpected(claim, error, self._policy)
            result = self._weighed(claim, result)
            if not await uninterrupted(self._outcomes.write(result)):
                log.warning("its outcome is not recorded; the pin becomes unknown", pin=claim.pin_id)
                return
        self._started.discard(claim.pin_id)
        self._report(claim, result)

    def _weighed(self, claim: PinClaim, result: PinResult) -> PinResult:
        """Return the result, or one that parks nobody where the whole fleet is refused."""
        verdict = verdict_of(result)
        if verdict is not None or result.state is PinState.PUBLISHED:
            self._gate.weigh(claim.profile_id, verdict, was_well=was_well(claim))
        if verdict is None or self._gate.hold is not Hold.FLEET_REFUSED:
            return result
        self._recall.want()
        return doubted(claim, result)

    def _report(self, claim: PinClaim, result: PinResult) -> None:
        if result.state is PinState.PUBLISHED:
            PIN_PUBLISH_SECONDS.observe(max(0.0, (datetime.now(UTC) - claim.due_at).total_seconds()))
        else:
            log.warning(
                "a pin was not published",
                pin=claim.pin_id,
                profile=claim.profile,
                state=result.state.value,
                reason=result.detail,
            )
        if result.pause is not None:
            log.warning("the pins of a profile wait", profile=claim.profile, reason=result.pause.value)
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

    async def _wind_down(self, writing: asyncio.Task[None]) -> None:
        if self._calls:
            await asyncio.wait(self._calls, timeout=_GRACE_SECONDS)
        for call in list(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=_WIND_DOWN_SECONDS - _GRACE_SECONDS)
        writing.cancel()
        await asyncio.wait([writing])
        self._outcomes.give_up()
