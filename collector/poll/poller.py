"""The poller: a claimer, readers and a writer in a row, for as long as the daemon lives or for one pass."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from collector.cancellation import uninterrupted
from collector.errors import DatabaseUnavailableError
from collector.loops.batch import BatchWriter
from collector.loops.claiming import ClaimLoop
from collector.loops.every import Heartbeats
from collector.loops.gate import Gate, Hold, Permits
from collector.loops.recall import Recall
from collector.models.outcome import Outcome
from collector.models.poll import Claim, PollRecord, Written
from collector.poll.decision import came_back, verdict_of, was_well
from collector.poll.reader import Reader
from collector.poll.writer import GATHER_SECONDS, PollTarget
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore

log = structlog.get_logger(__name__)

_WIND_DOWN_SECONDS = 3.0


class PollResult(msgspec.Struct, frozen=True):
    """How the poll of one profile ended; ``rows`` is None when its result was dropped because its lease was lost."""

    name: str
    outcome: Outcome
    detail: str | None
    rows: Written | None


class Poller:
    """Polls profiles, at most ``concurrency`` at once and as fast as the gate permits."""

    def __init__(
        self,
        reader: Reader,
        leases: LeaseStore,
        metrics: MetricStore,
        gate: Gate,
        *,
        concurrency: int,
        on_result: Callable[[PollResult], None] = lambda _result: None,
    ) -> None:
        self._reader = reader
        self._leases = leases
        self._writer = BatchWriter("polls", PollTarget(metrics, self._written), gather_seconds=GATHER_SECONDS)
        self._concurrency = concurrency
        self._gate = gate
        self._on_result = on_result
        # Claims that no reader has taken yet, and when they were made.
        self._claims: asyncio.Queue[tuple[Claim, float]] = asyncio.Queue()
        # The readers want more, and there may be more.
        self._hungry = asyncio.Event()
        self._more_due = True
        self._recall = Recall(gate, leases)
        # How many claims were lost before their call.
        self._lost = 0
        # Claims whose results are not written.
        self._open: dict[int, Claim] = {}

    async def run(self, heartbeats: Heartbeats) -> None:
        """Poll what is due until cancelled; then store what was read and give back what was not."""
        loop = ClaimLoop(
            "poller",
            self._gate,
            self._claim_due,
            room=self._room,
            writing_seconds=self._writer.waiting_seconds,
            wake=self._hungry,
        )
        async with self._readers_and_writer():
            await loop.run(heartbeats)

    async def poll_named(self, profile_ids: Sequence[int], *, only_due: bool = False) -> int:
        """Poll these profiles once; return how many were left out, paused or being polled by another process.

        ``only_due`` leaves out those that are no longer due either, another process having polled them.
        """
        busy = self._lost = 0
        waiting = list(profile_ids)
        self._more_due = True
        async with self._readers_and_writer():
            while waiting and self._gate.hold is None:
                self._hungry.clear()
                with self._gate.permits(min(len(waiting), self._room())) as permits:
                    batch, waiting = waiting[: permits.count], waiting[permits.count :]
                    claims = await self._leases.claim_named(batch, only_due=only_due)
                    permits.used = len(claims)
                busy += len(batch) - len(claims)
                self._enqueue(claims)
                if self._claims.qsize() >= self._concurrency:
                    await self._hungry.wait()
                await asyncio.sleep(self._gate.seconds_to_next())
            await self._claims.join()
            await self._writer.join()
        return busy + self._lost

    @asynccontextmanager
    async def _readers_and_writer(self) -> AsyncIterator[None]:
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
            log.warning("stopped without the database", profiles=len(self._open), reason=str(error))

    async def _claim_due(self, permits: Permits) -> bool:
        await self._recall.run_if_wanted()
        claims = await self._leases.claim_due(permits.count)
        permits.used = len(claims)
        self._enqueue(claims)
        self._more_due = len(claims) == permits.count
        return self._more_due

    def _room(self) -> int:
        """Return how many to claim: few enough that other replicas find work, many enough to be worth it."""
        return 3 * self._concurrency - self._claims.qsize()

    def _enqueue(self, claims: list[Claim]) -> None:
        for claim in claims:
            self._open[claim.profile_id] = claim
            self._claims.put_nowait((claim, time.monotonic()))

    async def _read(self) -> None:
        while True:
            claim, claimed_at = await self._claims.get()
            if self._more_due and self._claims.qsize() < self._concurrency:
                self._hungry.set()
            try:
                if (ours := await self._for_call(claim, time.monotonic() - claimed_at)) is not None:
                    await self._poll(ours)
            finally:
                self._claims.task_done()

    async def _for_call(self, claim: Claim, waited_seconds: float) -> Claim | None:
        """Return the claim with a lease that outlasts its call; None if it is lost, and nobody is to be asked."""
        try:
            ours = await self._leases.for_call(claim, waited_seconds)
        except DatabaseUnavailableError:
            ours = None  # the lease ends by itself
        if ours is None:
            self._open.pop(claim.profile_id, None)
            self._lost += 1
            log.warning("not polled: its lease was lost before the call", profile=claim.name)
            return None
        self._open[claim.profile_id] = ours
        return ours

    async def _poll(self, claim: Claim) -> None:
        try:
            record = await self._reader.read(claim)
        except Exception as error:
            # A defect that one profile's answer brings out must not stop the polling of all the others.
            log.exception("polling a profile failed unexpectedly", profile=claim.name)
            record = self._reader.unexpected(claim, error)
        if claim.name_wanted and record.analytics is not None:
            record = await self._named(claim, record)
        await self._writer.put(self._weighed(claim, record))
        if self._gate.hold is not None:
            await self._give_back_queued()

    async def _named(self, claim: Claim, record: PollRecord) -> PollRecord:
        """Ask for the account's name where the pace has room for it; else a later poll does."""
        with self._gate.permits(1) as permits:
            if not permits.count:
                return record
            permits.used = 1
            return await self._reader.named(claim, record)

    def _weighed(self, claim: Claim, record: PollRecord) -> PollRecord:
        """Return the record, or one that parks nobody where the whole fleet is refused."""
        verdict = verdict_of(record)
        if verdict is not None or record.analytics is not None:
            self._gate.weigh(claim.profile_id, verdict, was_well=was_well(claim))
        refused = verdict is not None and self._gate.hold is Hold.FLEET_REFUSED
        if refused or came_back(claim, record):
            self._recall.want()
        return self._reader.doubted(claim, record) if refused else record

    async def _give_back_queued(self) -> None:
        claims = []
        while not self._claims.empty():
            claims.append(self._claims.get_nowait()[0])
            self._claims.task_done()
        if claims:
            with suppress(DatabaseUnavailableError):  # then the leases end by themselves
                await self._leases.release(claims)
            for claim in claims:
                self._open.pop(claim.profile_id, None)
            self._hungry.set()

    def _written(self, record: PollRecord, written: Written | None) -> None:
        claim = self._open.get(record.profile_id)
        if claim is None or claim.lease_until != record.lease_until:
            return
        del self._open[record.profile_id]
        outcome, detail = (record.outcome, record.detail) if written is None else (written.outcome, written.detail)
        if written is None or record.analytics is None:
            reason = detail if written is not None else "its lease was lost; another process polls it"
            log.warning("poll failed", profile=claim.name, outcome=outcome.value, reason=reason)
        elif written.other_account:
            log.warning("most settled days changed at once: another Pinterest account?", profile=claim.name)
        elif detail is not None:
            log.warning("an answer was not used in full", profile=claim.name, reason=detail)
        self._on_result(PollResult(claim.name, outcome, detail, written))
