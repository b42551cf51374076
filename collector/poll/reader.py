"""Reads one profile: decrypts its key, asks Ayrshare, and turns whatever comes into a record."""

import time

import msgspec
import structlog

from collector.ayrshare.client import AyrshareClient
from collector.crypto import KeyRing
from collector.errors import AyrshareError, KeyDecryptionError
from collector.models.analytics import AccountAnalytics
from collector.models.outcome import Failure
from collector.models.poll import Claim, PollRecord
from collector.poll.decision import Policy, after_data, after_failure, doubted
from collector.telemetry import PAYLOAD_PROBLEMS, POLL_DURATION, POLLS_IN_FLIGHT
from collector.tracing import span

log = structlog.get_logger(__name__)


class Reader:
    """Polls profiles without writing anything."""

    def __init__(self, client: AyrshareClient, keys: KeyRing, policy: Policy) -> None:
        self._client = client
        self._keys = keys
        self._policy = policy

    async def read(self, claim: Claim) -> PollRecord:
        """Poll one profile; whatever Ayrshare does comes out as a record."""
        started = time.perf_counter()
        with POLLS_IN_FLIGHT.track_inprogress(), span("poll", profile_id=claim.profile_id) as polling:
            record = await self._record(claim, started)
            polling.note(outcome=record.outcome.value)
        POLL_DURATION.observe(time.perf_counter() - started)
        return record

    async def _record(self, claim: Claim, started: float) -> PollRecord:
        try:
            key = self._keys.decrypt(claim.key_ciphertext)
        except KeyDecryptionError as error:
            # The key may be in order and our encryption keys wrong, so the profile keeps its state.
            return self._undecipherable(claim, str(error))
        try:
            analytics, rate_limit = await self._client.account_analytics(
                key, today=claim.claimed_at.date(), known=claim.known_answer
            )
        except AyrshareError as error:
            if error.failure is Failure.PAYLOAD_INVALID:
                PAYLOAD_PROBLEMS.labels("unreadable").inc()
            elapsed = time.perf_counter() - started
            return after_failure(claim, error, policy=self._policy, duration_seconds=elapsed)
        for problem in analytics.problems if isinstance(analytics, AccountAnalytics) else ():
            PAYLOAD_PROBLEMS.labels(problem.reason).inc()
        elapsed = time.perf_counter() - started
        record = after_data(claim, analytics, rate_limit, policy=self._policy, duration_seconds=elapsed)
        if record.analytics is None:
            PAYLOAD_PROBLEMS.labels("no_days").inc()
        return record

    async def named(self, claim: Claim, record: PollRecord) -> PollRecord:
        """Ask once what the account is called; that it cannot be learned is no failure."""
        try:
            name = await self._client.account_name(self._keys.decrypt(claim.key_ciphertext))
        except (AyrshareError, KeyDecryptionError):
            name = None
        return msgspec.structs.replace(record, name_asked=True, account_name=name)

    def unexpected(self, claim: Claim, error: Exception) -> PollRecord:
        """Return the record of a poll that our own defect ended."""
        reason = AyrshareError(Failure.INTERNAL_ERROR, f"internal error: {type(error).__name__}; see the log")
        return after_failure(claim, reason, policy=self._policy, duration_seconds=0.0)

    def doubted(self, claim: Claim, record: PollRecord) -> PollRecord:
        """Return the record of a refusal that is not believed."""
        return doubted(claim, record, self._policy)

    def _undecipherable(self, claim: Claim, reason: str) -> PollRecord:
        log.error("a profile key cannot be decrypted", profile=claim.name, reason=reason)
        return PollRecord(
            profile_id=claim.profile_id,
            lease_until=claim.lease_until,
            outcome=Failure.KEY_INVALID,
            duration_seconds=0.0,
            next_poll_in=min(300.0, self._policy.interval),
            detail=reason,
        )
