"""Records outcomes, whatever happens meanwhile: a call that was made must not be forgotten."""

import asyncio
import time

import asyncpg
import msgspec
import structlog

from collector.cancellation import uninterrupted
from collector.errors import DatabaseUnavailableError
from collector.loops import backoff
from collector.models import PinResult, PinState
from collector.store.pin_queue import PinQueue
from collector.telemetry import DATABASE_UP, PIN_FAILURES, PIN_OUTCOMES_LOST, PINS_PUBLISHED

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 5.0


class Recorder:
    """Writes the outcomes that come at the same time in one transaction, and through outages tries again."""

    def __init__(self, queue: PinQueue) -> None:
        self._queue = queue
        self._writing = asyncio.Lock()
        self._pending: dict[tuple[int, int], PinResult] = {}
        self._since: float | None = None
        self._gives_up_at: float | None = None

    def waiting_seconds(self) -> float:
        """Return for how long the outcomes under way have been waiting for the database."""
        return time.monotonic() - self._since if self._since is not None else 0.0

    def give_up_after(self, seconds: float) -> None:
        """Let writing end by then; pins whose outcome is not written become unknown when their lease runs out."""
        self._gives_up_at = time.monotonic() + seconds

    async def record(self, result: PinResult) -> None:
        """Write an outcome, in spite of any cancellation."""
        self._pending[result.pin_id, result.attempt] = result
        await uninterrupted(self._written(result))

    async def _written(self, result: PinResult) -> None:
        async with self._writing:
            # Whoever comes first writes what has gathered, so load makes transactions larger.
            if (result.pin_id, result.attempt) in self._pending:
                batch, self._pending = list(self._pending.values()), {}
                self._since = time.monotonic()
                try:
                    await self._write_until_done(batch)
                finally:
                    self._since = None

    async def _write_until_done(self, batch: list[PinResult]) -> None:
        failures = 0
        while True:
            try:
                await self._write(batch)
            except (DatabaseUnavailableError, asyncpg.PostgresError) as error:
                failures += 1
                DATABASE_UP.set(0)
                if failures == 1:
                    log.warning("outcomes of pins wait for the database", pins=len(batch), reason=str(error))
                if self._gives_up_at is not None and time.monotonic() > self._gives_up_at:
                    log.warning("stopped without the database; pins become unknown", pins=[r.pin_id for r in batch])
                    return
                await asyncio.sleep(0.1 + backoff(failures, base=0.2, cap=_LONGEST_PAUSE_SECONDS))
            else:
                DATABASE_UP.set(1)
                return

    async def _write(self, batch: list[PinResult]) -> None:
        try:
            recorded = await self._queue.finish(batch)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError) as error:
            if len(batch) > 1:
                for result in batch:
                    await self._write([result])
                return
            log.exception("the database refuses an outcome; its words are left out", pin=batch[0].pin_id)
            [plain] = batch
            plain = msgspec.structs.replace(plain, detail=f"not stored: {type(error).__name__}", excerpt=None)
            recorded = await self._queue.finish([plain])
        for result in batch:
            _count(result, recorded=result.pin_id in recorded)


def _count(result: PinResult, *, recorded: bool) -> None:
    if not recorded:
        PIN_OUTCOMES_LOST.inc()
        log.warning("an outcome came too late to be recorded", pin=result.pin_id, state=result.state.value)
    elif result.state is PinState.PUBLISHED:
        PINS_PUBLISHED.inc()
    else:
        PIN_FAILURES.labels(result.reason).inc()
