"""Sends one claimed pin, once, and turns whatever comes into a result."""

import time
from typing import Protocol

import structlog
from pydantic import SecretStr

from collector.ayrshare.post import PostAnswer
from collector.crypto import KeyRing
from collector.errors import AyrshareError, KeyDecryptionError
from collector.models.pin import PinClaim, PinContent, PinResult
from collector.publish.decision import PublishPolicy, after_answer, after_error, not_sent
from collector.tracing import span

log = structlog.get_logger(__name__)

_UNDECIPHERABLE_WAIT_SECONDS = 300.0


class Posting(Protocol):
    """The one call that sends; Ayrshare's client has it."""

    async def publish(
        self, profile_key: SecretStr, content: PinContent, /, *, idempotency_key: str, notes: str
    ) -> PostAnswer: ...


class Sender:
    """Publishes pins without writing anything; a call begins within ``patience`` seconds of its claim, or never."""

    def __init__(self, client: Posting, keys: KeyRing, policy: PublishPolicy, *, patience: float) -> None:
        self._client = client
        self._keys = keys
        self._policy = policy
        self._patience = patience

    async def send(self, claim: PinClaim, claimed_at: float) -> PinResult:
        """Publish a pin that was claimed at the monotonic time ``claimed_at``."""
        with span("publish", pin_id=claim.pin_id, profile_id=claim.profile_id, attempt=claim.attempt) as publishing:
            result = await self._sent(claim, claimed_at)
            publishing.note(state=result.state.value)
        return result

    async def _sent(self, claim: PinClaim, claimed_at: float) -> PinResult:
        try:
            key = self._keys.decrypt(claim.key_ciphertext)
        except KeyDecryptionError as error:
            return not_sent(claim, "undecipherable", str(error), wait=_UNDECIPHERABLE_WAIT_SECONDS)
        if time.monotonic() - claimed_at > self._patience:
            # This process stood still. Whoever finds the lease run out may look for the pin before it is sent.
            return not_sent(claim, "late", "not sent: too long ago claimed")
        try:
            answer = await self._client.publish(
                key, claim.content, idempotency_key=claim.idempotency_key, notes=claim.token
            )
        except AyrshareError as error:
            return after_error(claim, error, self._policy)
        return after_answer(claim, answer, self._policy)
