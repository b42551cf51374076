"""Writes records in batches across profiles, and lets neither an outage nor one bad record lose the others."""

import asyncio
import time
from collections.abc import Callable
from functools import cache

import asyncpg
import msgspec
import structlog

from collector.errors import DatabaseUnavailableError
from collector.loops import backoff
from collector.models import AccountAnalytics, Failure, PollRecord, Written
from collector.store.metric import MetricStore
from collector.telemetry import DATABASE_UP, LEASES_LOST, POLLS, ROWS

log = structlog.get_logger(__name__)

# A hundred polls of 30 days are one statement of about 20 ms; larger ones gain nothing and cost memory.
BATCH = 100
_OLDEST_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 15.0
_PUT_OFF_SECONDS = 300.0

_polls = cache(POLLS.labels)
_NEW, _CHANGED, _UNCHANGED = (ROWS.labels(change) for change in ("new", "changed", "unchanged"))

OnWritten = Callable[[PollRecord, Written | None], None]


class Writer:
    """Takes records from many readers. While one batch is written the next one gathers, so load makes batches larger.

    ``on_written`` is told of every record; without a :class:`Written`, its lease was lost and nothing was stored.
    """

    def __init__(self, metrics: MetricStore, on_written: OnWritten) -> None:
        self._metrics = metrics
        self._on_written = on_written
        # Bounded: when the database is slow or gone, reading stops too.
        self._queue: asyncio.Queue[PollRecord] = asyncio.Queue(maxsize=4 * BATCH)
        self._batch: dict[int, PollRecord] = {}
        self._since: float | None = None

    def waiting_seconds(self) -> float:
        """Return for how long the batch under way has been waiting for the database."""
        return time.monotonic() - self._since if self._since is not None else 0.0

    async def put(self, record: PollRecord) -> None:
        await self._queue.put(record)

    async def run(self) -> None:
        """Write until cancelled; what is not written then is kept for :meth:`flush`."""
        while True:
            await self._gather()
            self._since = time.monotonic()
            await self._write_until_done()
            self._since = None

    async def join(self) -> None:
        """Wait until everything that was put is written."""
        await self._queue.join()

    async def flush(self) -> None:
        """Write what is left, once, after :meth:`run` was cancelled."""
        while self._batch or not self._queue.empty():
            while len(self._batch) < BATCH and not self._queue.empty():
                self._add(self._queue.get_nowait())
            await self._write()

    async def _gather(self) -> None:
        if not self._batch:
            self._add(await self._queue.get())
        deadline = asyncio.get_running_loop().time() + _OLDEST_SECONDS
        while len(self._batch) < BATCH:
            if not self._queue.empty():
                self._add(self._queue.get_nowait())
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    self._add(await self._queue.get())
            except TimeoutError:
                return

    def _add(self, record: PollRecord) -> None:
        # Twice in a batch only when a lease ran out in between: the later claim is the one that holds.
        if self._batch.pop(record.profile_id, None) is not None:
            self._queue.task_done()
        self._batch[record.profile_id] = record

    async def _write_until_done(self) -> None:
        failures = 0
        while True:
            try:
                await self._write()
            except DatabaseUnavailableError as error:
                failures += 1
                DATABASE_UP.set(0)
                if failures == 1:
                    log.warning("results wait for the database", polls=len(self._batch), reason=str(error))
                await asyncio.sleep(0.2 + backoff(failures, base=0.5, cap=_LONGEST_PAUSE_SECONDS))
            else:
                DATABASE_UP.set(1)
                return

    async def _write(self) -> None:
        for record, written in await self._stored(list(self._batch.values())):
            _count(record, written)
            self._on_written(record, written)
        for _ in self._batch:
            self._queue.task_done()
        self._batch.clear()

    async def _stored(self, records: list[PollRecord]) -> list[tuple[PollRecord, Written | None]]:
        try:
            written = {w.profile_id: w for w in await self._metrics.write_polls(records)}
        except (asyncpg.PostgresError, ValueError) as error:
            return await self._stored_apart(records, error)
        return [(record, written.get(record.profile_id)) for record in records]

    async def _stored_apart(
        self, records: list[PollRecord], error: Exception
    ) -> list[tuple[PollRecord, Written | None]]:
        """Halve the batch until the record that the database refuses stands alone, and store that without its data."""
        if len(records) > 1:
            middle = len(records) // 2
            return [*await self._stored(records[:middle]), *await self._stored(records[middle:])]
        [record] = records
        log.error("the database refuses an answer", profile_id=record.profile_id, reason=str(error))
        reason = " ".join(str(error).split())[:300]
        if record.analytics is None:
            await self._metrics.put_off(_refused(record, reason))
            return [(record, Written(record.profile_id, Failure.PAYLOAD_INVALID, 0, 0))]
        return await self._stored([_refused(record, reason)])


def _refused(record: PollRecord, reason: str) -> PollRecord:
    """Return what is left of a record that the database refuses: that it was, and to try again a little later."""
    return msgspec.structs.replace(
        record,
        outcome=Failure.PAYLOAD_INVALID,
        analytics=None,
        settled_through=None,
        next_poll_in=max(record.next_poll_in or 0.0, _PUT_OFF_SECONDS),
        detail=f"not stored: {reason}",
    )


def _count(record: PollRecord, written: Written | None) -> None:
    if written is None:
        LEASES_LOST.inc()
        return
    _polls(written.outcome.value).inc()
    days = len(record.analytics.days) if isinstance(record.analytics, AccountAnalytics) else 0
    _NEW.inc(written.rows_new)
    _CHANGED.inc(written.rows_changed)
    _UNCHANGED.inc(days - written.rows_new - written.rows_changed)
