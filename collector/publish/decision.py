"""What becomes of a pin after a call. Pure but for the jitter.

Sent twice is published twice, so only a refusal that is certain sends a pin back to the queue; all else is ``unknown``.
"""

import random
from typing import Any

import msgspec

from collector.ayrshare.post import PostAnswer
from collector.errors import AyrshareError
from collector.loops import backoff
from collector.models import Failure, PinClaim, PinResult, PinState, ProfileState

SPAM_BLOCK = "spam_block"

# Ayrshare counts requests per profile over five minutes.
_RATE_LIMIT_WINDOW = 300.0
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_LEAST_WAIT = 1.0
# After so many, "it may be sent again" is not believed any more, and the pins behind it get their turn.
_MOST_REFUSALS = 8
# With Ayrshare's words in them they refuse the pin. A 404, 405 or 409 can be anybody's, and a 408 or 499 says that
# somebody gave up waiting, not that nothing happened.
_CERTAIN = frozenset({200, 400, 402, 403, 413, 422})
# They refuse the profile or the plan rather than the pin: its turn comes again, but not for ever.
_NOT_ALLOWED = frozenset({402, 403})
_NOT_ALLOWED_CODES = frozenset({169})
NOT_ALLOWED = "not_allowed"
_NOT_ALLOWED_WAIT = 900.0
_LEAST_RATE_LIMIT_WAIT = 2.0
# The classes of an error that Ayrshare answered in JSON; all others say nothing of the pin.
_JUDGED_BY_STATUS = frozenset({Failure.UPSTREAM_ERROR, Failure.SUSPENDED})
_STATES = {
    Failure.UNLINKED: ProfileState.UNLINKED,
    Failure.SUSPENDED: ProfileState.SUSPENDED,
    Failure.KEY_INVALID: ProfileState.KEY_INVALID,
}


class PublishPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide about a pin, in seconds; at the ages ``looks`` an unknown one is looked for."""

    lane_gap: float
    spam_cooldown: float
    looks: tuple[float, ...]
    requeue_absent: bool


def after_answer(claim: PinClaim, answer: PostAnswer, policy: PublishPolicy) -> PinResult:
    """Ayrshare took the pin: it is live, or its history will tell."""
    if answer.live:
        return _result(claim, PinState.PUBLISHED, None, policy.lane_gap, publication=answer.publication)
    detail = "Ayrshare accepted it and has not said yet whether it is live"
    return unknown(claim, "undecided", detail, policy, publication=answer.publication)


def after_error(claim: PinClaim, error: AyrshareError, policy: PublishPolicy) -> PinResult:
    """Decide by what the error makes certain."""
    outcome, told = error.failure, _told(error)
    if error.unsent or outcome is Failure.UNAUTHORIZED:
        return _result(claim, PinState.QUEUED, outcome.value, _backoff(claim.lane_failures), lane_failed=True, **told)
    if outcome is Failure.RATE_LIMITED:
        # However little the answer asks for: a thousand of them in a day suspend the profile.
        asked = _RATE_LIMIT_WINDOW if error.retry_after_seconds is None else error.retry_after_seconds
        wait = min(max(asked, _LEAST_RATE_LIMIT_WAIT) * 2.0 ** min(claim.lane_failures, 10), max(asked, 3600.0))
        return _result(claim, PinState.QUEUED, outcome.value, wait + _jitter(wait / 10), lane_failed=True, **told)
    blocked = _is_spam_block(error)
    if blocked and not _is_refusal(error):
        return _result(
            claim,
            PinState.UNKNOWN,
            SPAM_BLOCK,
            policy.spam_cooldown,
            pause=SPAM_BLOCK,
            look_seconds=policy.looks[0],
            **told,
        )
    if outcome in _STATES and (outcome is not Failure.SUSPENDED or "suspend" in str(error).lower()):
        return _result(claim, PinState.QUEUED, outcome.value, policy.lane_gap, pause=_STATES[outcome], **told)
    if _is_refusal(error):
        return _after_refusal(claim, error, policy)
    return _result(claim, PinState.UNKNOWN, outcome.value, policy.lane_gap, look_seconds=policy.looks[0], **told)


def unknown(claim: PinClaim, reason: str, detail: str, policy: PublishPolicy, **fields: Any) -> PinResult:  # noqa: ANN401 -- of PinResult
    """Nobody knows whether the pin is live; it is looked for in Ayrshare's history."""
    return _result(
        claim,
        PinState.UNKNOWN,
        reason,
        policy.lane_gap,
        detail=detail,
        look_seconds=policy.looks[0],
        **fields,
    )


def not_sent(claim: PinClaim, reason: str, detail: str, *, wait: float = 0.0) -> PinResult:
    """The call was never made, for a reason of ours."""
    return _result(claim, PinState.QUEUED, reason, wait, detail=detail)


def _is_refusal(error: AyrshareError) -> bool:
    """Tell whether Ayrshare itself, in words or with a code, says that it did not take the pin."""
    if error.failure not in _JUDGED_BY_STATUS:
        return False
    status = error.http_status or 0
    certain = status in _CERTAIN
    # Ours is new with every attempt: "used before" means that the call arrived twice, and the first one counts.
    return certain and (error.code is not None or error.excerpt is None) and "idempotency" not in str(error).lower()


def _after_refusal(claim: PinClaim, error: AyrshareError, policy: PublishPolicy) -> PinResult:
    if _is_spam_block(error):
        return _result(claim, PinState.QUEUED, SPAM_BLOCK, policy.spam_cooldown, pause=SPAM_BLOCK, **_told(error))
    allowed = error.http_status not in _NOT_ALLOWED and error.code not in _NOT_ALLOWED_CODES
    if not allowed and claim.refusals + 1 < _MOST_REFUSALS:
        wait = _NOT_ALLOWED_WAIT * 2.0**claim.refusals
        return _result(claim, PinState.QUEUED, NOT_ALLOWED, wait, refused=True, pause=NOT_ALLOWED, **_told(error))
    if error.retry_available and claim.refusals + 1 < _MOST_REFUSALS:
        wait = error.retry_after_seconds or _backoff(claim.refusals)
        return _result(claim, PinState.QUEUED, "retry_available", wait, refused=True, **_told(error))
    return _result(claim, PinState.FAILED, "refused", policy.lane_gap, refused=error.retry_available, **_told(error))


def _is_spam_block(error: AyrshareError) -> bool:
    words = str(error).lower()
    return "spam" in words and ("block" in words or "combat" in words)


def _told(error: AyrshareError) -> dict[str, Any]:
    return {
        "http_status": error.http_status,
        "code": error.code,
        "detail": str(error),
        "excerpt": error.excerpt,
    }


def _result(claim: PinClaim, state: PinState, reason: str | None, wait: float, **fields: Any) -> PinResult:  # noqa: ANN401 -- of PinResult
    return PinResult(
        pin_id=claim.pin_id,
        profile_id=claim.profile_id,
        attempt=claim.attempt,
        owner=claim.owner,
        state=state,
        reason=reason,
        wait_seconds=wait,
        **fields,
    )


def _backoff(failures: int) -> float:
    return max(_LEAST_WAIT, backoff(failures + 1, base=_FIRST_BACKOFF, cap=_LONGEST_BACKOFF))


def _jitter(seconds: float) -> float:
    return random.uniform(0.0, seconds)  # noqa: S311 -- jitter is no secret
