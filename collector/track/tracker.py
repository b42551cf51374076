"""The tracker: claims published pins whose time has come, and asks Ayrshare for their numbers, one after the other."""

import asyncio
import time
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import structlog

from collector.ayrshare.client import AyrshareClient
from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.cancellation import uninterrupted
from collector.crypto import KeyRing
from collector.errors import AyrshareError, DatabaseUnavailableError, KeyDecryptionError
from collector.loops.gate import Gate
from collector.models.outcome import Failure
from collector.models.result import Brought, ResultClaim, ResultRecord
from collector.store.pin_queue import PinQueue
from collector.store.pin_result import ResultStore
from collector.telemetry import PAYLOAD_PROBLEMS, PIN_RESULT_LAG, PIN_RESULTS, PIN_RESULTS_DUE
from collector.track.decision import after_failure, after_numbers, profile_wait, wait_for_window, withdrawn

log = structlog.get_logger(__name__)

_BATCH = 100
# A round waits for its slowest profile, and with it all others do.
_PATIENCE_SECONDS = 10.0
# What is answered already is stored within that time, however the process is told to stop.
_WIND_DOWN_SECONDS = 3.0


class Tracker:
    """Follows pins, of each profile one at a time; one that answers slowly has a part of its pins put off."""

    def __init__(
        self, client: AyrshareClient, keys: KeyRing, results: ResultStore, queue: PinQueue, gate: Gate
    ) -> None:
        self._client = client
        self._keys = keys
        self._results = results
        self._queue = queue
        self._gate = gate

    async def run_once(self) -> None:
        """Ask about pins that are due, as many as the pace permits; none while calls are held."""
        if self._gate.hold is not None:
            return
        with self._gate.permits(_BATCH) as permits:
            claims = await self._results.claim(permits.count) if permits.count else []
            permits.used = len(claims)
        async with asyncio.TaskGroup() as tasks:
            for profile_id, pins in groupby(claims, key=attrgetter("profile_id")):
                tasks.create_task(self._follow(profile_id, list(pins)))

    async def measure(self) -> None:
        """Set the gauges of the pins that wait."""
        backlog = await self._results.backlog()
        PIN_RESULTS_DUE.set(backlog.due)
        PIN_RESULT_LAG.set(backlog.lag_seconds)

    async def _follow(self, profile_id: int, claims: Sequence[ResultClaim]) -> None:
        records: list[ResultRecord] = []
        try:
            wait = await self._ask_all(claims, records)
        except asyncio.CancelledError:
            await uninterrupted(self._give_back(profile_id, claims, records))
            raise
        await self._finish(profile_id, claims, records, wait)

    async def _give_back(self, profile_id: int, claims: Sequence[ResultClaim], records: Sequence[ResultRecord]) -> None:
        """Store what was answered, and leave the rest to whoever asks next."""
        try:
            async with asyncio.timeout(_WIND_DOWN_SECONDS):
                await self._finish(profile_id, claims, records, 0.0)
        except (DatabaseUnavailableError, TimeoutError) as error:
            # The claims end by themselves.
            log.warning("stopped without the database", profile=claims[0].profile, reason=str(error))

    async def _ask_all(self, claims: Sequence[ResultClaim], records: list[ResultRecord]) -> float | None:
        """Ask about pins, as far as the profile lets; return for how long the others wait, None where there are none.

        What each came to is in ``records`` at once.
        """
        wait: float | None = None
        ends = time.monotonic() + _PATIENCE_SECONDS
        for claim in claims:
            record, wait = await self._ask(claim)
            records.append(record)
            if wait is None and time.monotonic() > ends:
                wait = 0.0
            if wait is not None:
                break
        return wait

    async def _finish(
        self, profile_id: int, claims: Sequence[ResultClaim], records: Sequence[ResultRecord], wait: float | None
    ) -> None:
        if records:
            await self._write(claims, records)
        if wait is not None:
            await self._results.put_off(profile_id, claims[len(records) :], seconds=wait)
            if records and records[-1].outcome is Failure.RATE_LIMITED:
                # Results may wait for hours, and pins must not.
                await self._queue.note_rate_limited(profile_id, seconds=RATE_LIMIT_WINDOW, lengthens=False)

    async def _write(self, claims: Sequence[ResultClaim], records: Sequence[ResultRecord]) -> None:
        """Write records, and what can be of one that the database does not take: that there was no usable answer."""
        try:
            await self._record(records)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            if len(records) > 1:
                for claim, record in zip(claims, records, strict=False):
                    await self._write([claim], [record])
                return
            log.exception("the answer about a pin cannot be stored", pin=claims[0].pin_id, profile=claims[0].profile)
            reason = f"not stored: {type(error).__name__}; see the log"
            await self._record([after_failure(claims[0], AyrshareError(Failure.INTERNAL_ERROR, reason))])

    async def _record(self, records: Sequence[ResultRecord]) -> None:
        stored = await self._results.record(records)
        for record in records:
            if record.pin_id in stored:
                PIN_RESULTS.labels(record.outcome.value).inc()

    async def _ask(self, claim: ResultClaim) -> tuple[ResultRecord, float | None]:
        """Ask about a pin; return with its record for how long the profile is left alone, None for "not at all"."""
        try:
            answer, limit = await self._client.pin_numbers(
                self._keys.decrypt(claim.key_ciphertext),
                ayrshare_id=claim.ayrshare_id,
                pinterest_pin_id=claim.pinterest_pin_id,
            )
        except KeyDecryptionError as error:
            return self._failed(claim, AyrshareError(Failure.KEY_INVALID, str(error)))
        except AyrshareError as error:
            return self._failed(claim, error)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            # A defect that one answer brings out must not keep the other pins from being followed.
            log.exception("asking about a pin failed unexpectedly", pin=claim.pin_id, profile=claim.profile)
            reason = f"internal error: {type(error).__name__}; see the log"
            return self._failed(claim, AyrshareError(Failure.INTERNAL_ERROR, reason))
        for problem in answer.problems:
            PAYLOAD_PROBLEMS.labels(problem.reason).inc()
        if lost := withdrawn(claim, answer.numbers):
            PAYLOAD_PROBLEMS.labels("numbers_withdrawn").inc(len(lost))
            log.warning("totals of a pin came as 0 and are kept", pin=claim.pin_id, profile=claim.profile, kept=lost)
        return after_numbers(claim, answer.numbers), wait_for_window(limit)

    def _failed(self, claim: ResultClaim, error: AyrshareError) -> tuple[ResultRecord, float | None]:
        record = after_failure(claim, error)
        if record.outcome is Brought.NOT_FOUND:
            log.info("a pin that Ayrshare does not know is followed no more", pin=claim.pin_id, profile=claim.profile)
        elif record.outcome is not Brought.UNAVAILABLE:
            log.warning("no numbers of a pin", pin=claim.pin_id, profile=claim.profile, reason=str(error))
        return record, profile_wait(claim, error)
