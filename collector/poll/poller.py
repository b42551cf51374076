"""The poller: a claimer, readers and a writer in a row, for as long as the daemon lives or for one pass."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from collector.cancellation import uninterrupted
from collector.errors import DatabaseUnavailableError
from collector.loops import Breaker, Heartbeats, Pacer, attempt, backoff
from collector.models import Claim, Outcome, PollRecord, Written
from collector.poll.reader import Reader
from collector.poll.writer import Writer
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 1.0
_WIND_DOWN_SECONDS = 3.0
# With the pace as the limit, claims are gathered for as long as this.
_PACE_SECONDS = 0.1

# A write that takes longer holds back the claims, and one that takes much longer the heartbeat.
_SLOW_WRITE_SECONDS = 5.0
_STUCK_WRITE_SECONDS = 15.0

HEARTBEAT = "poller"


class PollResult(msgspec.Struct, frozen=True):
    """How the poll of one profile ended; ``rows`` is None when its result was dropped because its lease was lost."""

    name: str
    outcome: Outcome
    detail: str | None
    rows: Written | None


class Poller:
    """Polls profiles, at most ``concurrency`` at once and as fast as ``pacer`` permits."""

    def __init__(
        self,
        reader: Reader,
        leases: LeaseStore,
        metrics: MetricStore,
        *,
        concurrency: int,
        pacer: Pacer,
        breaker: Breaker,
        on_result: Callable[[PollResult], None] = lambda _result: None,
    ) -> None:
        self._reader = reader
        self._leases = leases
        self._writer = Writer(metrics, self._settled)
        self._concurrency = concurrency
        self._pacer = pacer
        self._on_result = on_result
        self._breaker = breaker
        self._claims: asyncio.Queue[Claim] = asyncio.Queue()
        self._hungry = asyncio.Event()
        self._rest_seconds = _IDLE_SECONDS
        # Everything claimed and not yet written.
        self._held: dict[int, Claim] = {}

    @property
    def api_key_refused(self) -> bool:
        return self._breaker.open

    async def run(self, heartbeats: Heartbeats) -> None:
        """Poll what is due until cancelled; then store what was read and give back what was not."""
        heartbeats.expect(HEARTBEAT, _IDLE_SECONDS)
        async with self._machinery():
            failures = 0
            while True:
                self._hungry.clear()
                if await attempt(HEARTBEAT, self._claim_due, failures):
                    failures = 0
                    if self._writer.waiting_seconds() < _STUCK_WRITE_SECONDS:
                        heartbeats.beat(HEARTBEAT)
                    await self._rest()
                else:
                    failures += 1
                    await asyncio.sleep(0.2 + backoff(failures, base=0.5, cap=15.0))

    async def poll_named(self, profile_ids: Sequence[int], *, only_due: bool = False) -> int:
        """Poll these profiles once; return how many were left out, paused or being polled by another process.

        ``only_due`` leaves out those that are no longer due either, another process having polled them.
        """
        busy = 0
        waiting = list(profile_ids)
        async with self._machinery():
            while waiting and not self.api_key_refused:
                self._hungry.clear()
                count = await self._permits(min(len(waiting), self._room()))
                batch, waiting = waiting[:count], waiting[count:]
                claims = await self._leases.claim_named(batch, only_due=only_due)
                busy += len(batch) - len(claims)
                self._enqueue(claims)
                if self._claims.qsize() >= self._concurrency:
                    await self._hungry.wait()
            await self._claims.join()
            await self._writer.join()
        return busy

    @asynccontextmanager
    async def _machinery(self) -> AsyncIterator[None]:
        """Run the readers and the writer; at the end, however it comes, nothing read is lost and no lease is kept."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._writer.run(), name="writer")]
                tasks += [group.create_task(self._read(), name=f"reader-{i}") for i in range(self._concurrency)]
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            await uninterrupted(self._wind_down())

    async def _wind_down(self) -> None:
        try:
            async with asyncio.timeout(_WIND_DOWN_SECONDS):
                await self._writer.flush()
                await self._leases.release_all()
        except (DatabaseUnavailableError, TimeoutError) as error:
            # Nothing is lost: the leases end by themselves, and the next owner reads the same days again.
            log.warning("stopped without the database", profiles=len(self._held), reason=str(error))

    async def _claim_due(self) -> None:
        # What is read while nothing can be stored would be read again when its lease has run out.
        stalled = self._writer.waiting_seconds() > _SLOW_WRITE_SECONDS
        wanted = 0 if stalled else self._breaker.allows(self._room())
        permits = self._pacer.take(wanted) if wanted > 0 else 0
        claims = await self._leases.claim_due(permits) if permits else []
        self._pacer.give_back(permits - len(claims))
        self._breaker.started(len(claims))
        self._enqueue(claims)
        nothing_to_claim = wanted <= 0 or len(claims) < permits
        self._rest_seconds = _IDLE_SECONDS if nothing_to_claim else _PACE_SECONDS

    async def _rest(self) -> None:
        """Wait until the readers want more; when nothing more is due or the pace forbids it, for a moment."""
        full = self._claims.qsize() >= self._concurrency
        if not full:
            await asyncio.sleep(self._rest_seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._hungry.wait()

    def _room(self) -> int:
        """Return how many to claim: few enough to be polled well within their leases, many enough to be worth it."""
        return 3 * self._concurrency - self._claims.qsize()

    async def _permits(self, wanted: int) -> int:
        while (permits := self._pacer.take(wanted)) == 0:  # noqa: ASYNC110 -- time itself is waited for
            await asyncio.sleep(self._pacer.seconds_to_next())
        return permits

    def _enqueue(self, claims: list[Claim]) -> None:
        for claim in claims:
            self._held[claim.profile_id] = claim
            self._claims.put_nowait(claim)

    async def _read(self) -> None:
        while True:
            claim = await self._claims.get()
            if self._claims.qsize() < self._concurrency:
                self._hungry.set()
            try:
                await self._poll(claim)
            finally:
                self._claims.task_done()

    async def _poll(self, claim: Claim) -> None:
        try:
            record = await self._reader.read(claim)
        except Exception as error:
            # A defect that one profile's answer brings out must not stop the polling of all the others.
            log.exception("polling a profile failed unexpectedly", profile=claim.name)
            record = self._reader.unexpected(claim, error)
        await self._writer.put(record)
        if self.api_key_refused:
            await self._give_back_queued()

    async def _give_back_queued(self) -> None:
        claims = []
        while not self._claims.empty():
            claims.append(self._claims.get_nowait())
            self._claims.task_done()
        if claims:
            with suppress(DatabaseUnavailableError):  # then the leases end by themselves
                await self._leases.release(claims)
            for claim in claims:
                self._held.pop(claim.profile_id, None)
            self._hungry.set()

    def _settled(self, record: PollRecord, written: Written | None) -> None:
        claim = self._held.get(record.profile_id)
        if claim is None or claim.lease_until != record.lease_until:
            return
        del self._held[record.profile_id]
        outcome = record.outcome if written is None else written.outcome
        if written is None or record.analytics is None:
            reason = record.detail if written is not None else "its lease was lost; another process polls it"
            log.warning("poll failed", profile=claim.name, outcome=outcome.value, reason=reason)
        elif record.detail is not None:
            log.warning("an answer was not used in full", profile=claim.name, reason=record.detail)
        self._on_result(PollResult(claim.name, outcome, record.detail, written))
