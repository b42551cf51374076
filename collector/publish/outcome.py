"""Records the outcomes of calls, and what can be of one that the database does not take."""

from collections.abc import Sequence

import msgspec
import structlog

from collector.errors import DataRefusedError
from collector.models.pin import PinResult, PinState
from collector.store.pin_queue import PinQueue
from collector.telemetry import PIN_FAILURES, PIN_OUTCOMES_LOST, PINS_PUBLISHED
from collector.tracing import span

log = structlog.get_logger(__name__)


class OutcomeTarget:
    """Records outcomes; one that came too late, because its pin had moved on, is counted and dropped."""

    def __init__(self, queue: PinQueue) -> None:
        self._queue = queue

    async def write(self, records: Sequence[PinResult]) -> list[bool | None]:
        with span("write", pins=len(records)):
            recorded = await self._queue.finish(records)
        return [True if result.pin_id in recorded else None for result in records]

    async def write_refused(self, record: PinResult, error: Exception) -> tuple[PinResult, bool | None]:
        """Record an outcome without Ayrshare's words."""
        defect = None if isinstance(error, DataRefusedError) else error
        log.error(
            "an outcome cannot be recorded; its words are left out",
            pin=record.pin_id,
            reason=str(error),
            exc_info=defect,
        )
        plain = msgspec.structs.replace(
            record, detail=f"not stored: {type(error).__name__}", excerpt=None, code=None, http_status=None
        )
        [written] = await self.write([plain])
        return plain, written

    def on_written(self, record: PinResult, written: bool | None) -> None:  # noqa: FBT001 -- a Target has it so
        if written is None:
            PIN_OUTCOMES_LOST.inc()
            log.warning("an outcome came too late to be recorded", pin=record.pin_id, state=record.state.value)
        elif record.state is PinState.PUBLISHED:
            PINS_PUBLISHED.inc()
        else:
            PIN_FAILURES.labels(record.reason).inc()
