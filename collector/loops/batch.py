"""Writes records in batches, through outages, and keeps the record that cannot be written from harming the others."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import structlog

from collector.errors import DatabaseUnavailableError
from collector.loops.every import backoff

log = structlog.get_logger(__name__)

# A hundred polls of 30 days are one statement of about 20 ms; larger ones gain nothing and cost memory.
BATCH = 100
_LONGEST_PAUSE_SECONDS = 5.0

Record = TypeVar("Record")
Written = TypeVar("Written")


class Target(Protocol[Record, Written]):
    """Where records go. Writing again what may have been written must be safe."""

    async def write(self, records: Sequence[Record]) -> Sequence[Written | None]:
        """Write all or none; return what became of each, in order, None where it came too late to be written."""
        ...

    async def write_refused(self, record: Record, error: Exception) -> tuple[Record, Written | None]:
        """Write what can be of a record that the database does not take; return that, and what became of it."""
        ...

    def on_written(self, record: Record, written: Written | None) -> None:
        """Take note of a record that is done with."""
        ...


class _Entry(Generic[Record]):
    __slots__ = ("done", "record")

    def __init__(self, record: Record, done: asyncio.Future[bool] | None = None) -> None:
        self.record = record
        self.done = done

    def end(self, *, written: bool) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(written)


class BatchWriter(Generic[Record, Written]):
    """Takes records from many tasks. While one batch is written the next one gathers, so load makes batches larger.

    An outage is waited out. A batch that is refused, or that brings out a defect, is halved until the record at fault
    stands alone. A record that comes alone waits ``gather_seconds`` for others; ``what`` names them in the log.
    """

    def __init__(self, what: str, target: Target[Record, Written], *, gather_seconds: float = 0.0) -> None:
        self._what = what
        self._target = target
        self._gather_seconds = gather_seconds
        # Bounded: when the database is slow or gone, whoever makes records has to wait too.
        self._queue: asyncio.Queue[_Entry[Record]] = asyncio.Queue(maxsize=4 * BATCH)
        self._full = asyncio.Event()
        # What is not written of the batch under way; the last part is next.
        self._parts: list[list[_Entry[Record]]] = []
        self._since: float | None = None
        self._given_up = False

    def waiting_seconds(self) -> float:
        """Return for how long the batch under way has been waiting for the database."""
        return time.monotonic() - self._since if self._since is not None else 0.0

    async def put(self, record: Record) -> None:
        """Hand a record over as soon as there is room for it."""
        await self._put(_Entry(record))

    async def write(self, record: Record) -> bool:
        """Hand a record over and wait until it is done; False is that the writer gave up."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        await self._put(_Entry(record, done))
        return await done

    async def run(self) -> None:
        """Write until cancelled; what is not written then is left to :meth:`flush` or :meth:`give_up`."""
        while True:
            if not self._parts:
                await self._gather()
            self._since = time.monotonic()
            await self._write_until_done()
            self._since = None

    async def join(self) -> None:
        """Wait until everything that was put is done."""
        await self._queue.join()

    async def flush(self) -> None:
        """Write what is left, once, after :meth:`run` was cancelled.

        Raises:
            DatabaseUnavailableError: the rest is still left.

        """
        while self._parts or not self._queue.empty():
            if not self._parts:
                await self._gather()
            await self._write()

    def give_up(self) -> None:
        """Forget what is left, after :meth:`run` was cancelled, and whatever comes yet."""
        self._given_up = True
        left = [entry for part in self._parts for entry in part]
        while not self._queue.empty():
            left.append(self._queue.get_nowait())
        if left:
            log.warning("stopped without the database; results are lost", what=self._what, count=len(left))
        for entry in left:
            entry.end(written=False)

    async def _put(self, entry: _Entry[Record]) -> None:
        await self._queue.put(entry)
        if self._queue.qsize() >= BATCH - 1:
            self._full.set()
        if self._given_up:
            entry.end(written=False)

    async def _gather(self) -> None:
        """Wait for a record and those that come soon after: for all of them at once, which costs a tenth."""
        part = [await self._queue.get()]
        self._parts = [part]
        self._full.clear()
        if self._queue.qsize() < BATCH - 1:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gather_seconds):
                    await self._full.wait()
        while len(part) < BATCH and not self._queue.empty():
            part.append(self._queue.get_nowait())

    async def _write_until_done(self) -> None:
        failures = 0
        while True:
            try:
                return await self._write()
            except DatabaseUnavailableError as error:
                failures += 1
                if failures == 1:
                    log.warning("results wait for the database", what=self._what, count=self._left(), reason=str(error))
                await asyncio.sleep(0.1 + backoff(failures, base=0.3, cap=_LONGEST_PAUSE_SECONDS))

    async def _write(self) -> None:
        while self._parts:
            part = self._parts[-1]
            records = [entry.record for entry in part]
            try:
                written = list(zip(records, await self._target.write(records), strict=True))
            except DatabaseUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 -- also a defect that one record brings out
                if len(part) > 1:
                    middle = len(part) // 2
                    self._parts[-1:] = [part[middle:], part[:middle]]
                    continue
                written = [await self._write_refused(records[0], error)]
            for entry, (record, result) in zip(part, written, strict=True):
                self._target.on_written(record, result)
                entry.end(written=True)
                self._queue.task_done()
            self._parts.pop()

    async def _write_refused(self, record: Record, error: Exception) -> tuple[Record, Written | None]:
        try:
            return await self._target.write_refused(record, error)
        except DatabaseUnavailableError:
            raise
        except Exception:
            log.exception("nothing of a result can be written; it is dropped", what=self._what)
            return record, None

    def _left(self) -> int:
        return sum(map(len, self._parts))
