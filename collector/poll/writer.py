"""Writes the results of polls, and what can be of one that the database does not take."""

from collections.abc import Callable, Sequence
from functools import cache

import msgspec
import structlog

from collector.errors import DatabaseUnavailableError, DataRefusedError
from collector.models.analytics import AccountAnalytics
from collector.models.outcome import Failure
from collector.models.poll import PollRecord, Written
from collector.store.metric import MetricStore
from collector.telemetry import LEASES_LOST, PAYLOAD_PROBLEMS, POLLS, ROWS
from collector.tracing import span

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.05
_PUT_OFF_SECONDS = 300.0

_polls = cache(POLLS.labels)
_NEW, _CHANGED, _UNCHANGED = (ROWS.labels(change) for change in ("new", "changed", "unchanged"))

_KEPT, _WITHDRAWN = (PAYLOAD_PROBLEMS.labels(reason) for reason in ("numbers_missing", "numbers_withdrawn"))

OnWritten = Callable[[PollRecord, Written | None], None]


class PollTarget:
    """Stores polls. ``on_written`` is told of every record; without a :class:`Written`, its lease was lost."""

    def __init__(self, metrics: MetricStore, on_written: OnWritten) -> None:
        self._metrics = metrics
        self._on_written = on_written

    async def write(self, records: Sequence[PollRecord]) -> list[Written | None]:
        # Twice in a batch only when a lease ran out in between: the later claim is the one that holds.
        latest = {record.profile_id: record for record in records}
        with span("write", polls=len(latest)):
            written = {each.profile_id: each for each in await self._metrics.write_polls(list(latest.values()))}
        return [written.get(record.profile_id) if latest[record.profile_id] is record else None for record in records]

    async def write_refused(self, record: PollRecord, error: Exception) -> tuple[PollRecord, Written | None]:
        """Write that the answer could not be stored; where even that is refused, only when to try again."""
        defect = None if isinstance(error, DataRefusedError) else error
        log.error("an answer cannot be stored", profile_id=record.profile_id, reason=str(error), exc_info=defect)
        plain = _without_data(record, error)
        if record.analytics is not None:
            try:
                [written] = await self.write([plain])
            except DatabaseUnavailableError:
                raise
            except Exception as again:  # noqa: BLE001 -- the profile is put off all the same
                log.warning("nor can its failure be logged", profile_id=record.profile_id, reason=str(again))
            else:
                return plain, written
        await self._metrics.put_off(plain)
        return plain, Written(plain.profile_id, plain.outcome, 0, 0, detail=plain.detail)

    def on_written(self, record: PollRecord, written: Written | None) -> None:
        _count(record, written)
        self._on_written(record, written)


def _without_data(record: PollRecord, error: Exception) -> PollRecord:
    """Return what is left of a record that cannot be stored: that it was, and to try again a little later."""
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return msgspec.structs.replace(
        record,
        outcome=Failure.PAYLOAD_INVALID if isinstance(error, DataRefusedError) else Failure.INTERNAL_ERROR,
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
    _KEPT.inc(written.rows_kept)
    _WITHDRAWN.inc(written.rows_withdrawn)
    days = len(record.analytics.days) if isinstance(record.analytics, AccountAnalytics) else 0
    if days:
        _NEW.inc(written.rows_new)
        _CHANGED.inc(written.rows_changed)
        _UNCHANGED.inc(days - written.rows_new - written.rows_changed)
