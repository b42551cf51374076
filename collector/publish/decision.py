"""What becomes of a pin after a call. Pure but for the jitter.

Sent twice is published twice, so only a refusal that is certain sends a pin back to the queue; all else is ``unknown``.
"""

from typing import Any

import msgspec

from collector.ayrshare.post import PostAnswer
from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.errors import AyrshareError
from collector.loops.every import backoff, jitter
from collector.loops.verdicts import MOST_DOUBTS
from collector.models.outcome import Failure
from collector.models.pin import LostCall, PauseReason, PinClaim, PinResult, PinState
from collector.publish.remedy import Remedy, remedy_of

_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_LEAST_WAIT = 1.0
# After so many, "it may be sent again" is not believed any more, and the pins behind it get their turn.
_MOST_REFUSALS = 8
# Before it is tried again that an image could not be fetched, or that something went wrong at Ayrshare or Pinterest.
MORE_TRIES = (120.0, 900.0)
# With Ayrshare's words in them they refuse the pin. A 404, 405 or 409 can be anybody's, and a 408 or 499 says that
# somebody gave up waiting, not that nothing happened.
_CERTAIN = frozenset({200, 400, 402, 403, 413, 422})
# A failed post uses the month's quota up like one that went out, so a profile that only fails gets one try a day.
MOST_FAILED_PINS = 10
FAILING_WAIT = 86_400.0
# They refuse the profile or the plan rather than the pin: its turn comes again, but not for ever.
_NOT_ALLOWED = frozenset({402, 403})
_NOT_ALLOWED_CODES = frozenset({169})
_NOT_ALLOWED_WAIT = 900.0
_LEAST_RATE_LIMIT_WAIT = 2.0
_UPSTREAM = frozenset({Failure.UPSTREAM_ERROR, Failure.TIMEOUT, Failure.NETWORK})
# The classes of an error that Ayrshare answered in JSON; all others say nothing of the pin.
_JUDGED_BY_STATUS = frozenset({Failure.UPSTREAM_ERROR, Failure.SUSPENDED})
_PAUSES = {
    Failure.UNLINKED: PauseReason.UNLINKED,
    Failure.SUSPENDED: PauseReason.SUSPENDED,
    Failure.KEY_INVALID: PauseReason.KEY_INVALID,
    Failure.QUOTA: PauseReason.QUOTA,
}
_PARKED = frozenset({PauseReason.UNLINKED, PauseReason.SUSPENDED, PauseReason.KEY_INVALID})
_FIRST_DOUBT_WAIT = 60.0
_LONGEST_DOUBT_WAIT = 3600.0


class PublishPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide about a pin, in seconds; at the ages ``checks`` an unknown one is looked for."""

    lane_gap: float
    spam_cooldown: float
    checks: tuple[float, ...]
    requeue_absent: bool


def after_answer(claim: PinClaim, answer: PostAnswer, policy: PublishPolicy) -> PinResult:
    """Ayrshare took the pin: it is live, or its history will tell."""
    if answer.live:
        return _result(claim, PinState.PUBLISHED, None, policy.lane_gap, publication=answer.publication)
    detail = "Ayrshare accepted it and has not said yet whether it is live"
    return _unknown(claim, "undecided", policy, detail=detail, publication=answer.publication)


def after_error(claim: PinClaim, error: AyrshareError, policy: PublishPolicy) -> PinResult:
    """Decide by what the error makes certain."""
    failure, answer = error.failure, _answer(error)
    if error.unsent or failure is Failure.UNAUTHORIZED:
        wait = _backoff(claim.lane_failures)
        return _result(claim, PinState.QUEUED, failure.value, wait, lane_failed=True, **answer)
    if failure is Failure.RATE_LIMITED:
        wait = _rate_limit_wait(error)
        return _result(claim, PinState.QUEUED, failure.value, wait, lane_failed=True, **answer)
    if _is_spam_block(error) and not _is_refusal(error):
        pause = PauseReason.SPAM_BLOCK
        return _unknown(claim, pause.value, policy, wait=policy.spam_cooldown, pause=pause, **answer)
    if failure in _PAUSES:
        return _result(claim, PinState.QUEUED, failure.value, policy.lane_gap, pause=_PAUSES[failure], **answer)
    if _is_refusal(error):
        return _pause_if_failing(claim, _after_refusal(claim, error, policy))
    # Whatever is wrong may be so for a while, and each pin that is sent meanwhile would be unknown as well.
    lane_failed = failure in _UPSTREAM
    wait = max(policy.lane_gap, _backoff(claim.lane_failures)) if lane_failed else policy.lane_gap
    return _unknown(claim, failure.value, policy, wait=wait, lane_failed=lane_failed, **answer)


def verdict_of(result: PinResult) -> Failure | None:
    """Return the failure because of which the profile would neither be published to nor read for long."""
    return Failure(result.pause.value) if result.pause in _PARKED else None


def was_well(claim: PinClaim) -> bool:
    """Tell whether a refusal of this profile is news: it has been read before, and was not refused again and again."""
    return claim.read_before and claim.lane_failures < MOST_DOUBTS


def doubted(claim: PinClaim, result: PinResult) -> PinResult:
    """Leave the profile alone, since the whole fleet is refused; the pin was certainly not taken."""
    # Ever later, so that the next probe is another profile, in case it is only this one that is refused.
    wait = min(_LONGEST_DOUBT_WAIT, _FIRST_DOUBT_WAIT * 2.0 ** min(claim.lane_failures, 10))
    return msgspec.structs.replace(
        result,
        pause=PauseReason.FLEET_REFUSED,
        refused=False,
        lane_failed=True,
        wait_seconds=wait,
        detail=f"not believed while the fleet is refused: {result.detail}",
    )


def interrupted(claim: PinClaim, policy: PublishPolicy) -> PinResult:
    """Return the result of a call that was cut off."""
    return _unknown(claim, "interrupted", policy, detail="this process was stopped during the call")


def unexpected(claim: PinClaim, error: Exception, policy: PublishPolicy) -> PinResult:
    """Return the result of a call that our own defect ended; it may have been sent."""
    return _unknown(claim, "internal_error", policy, detail=f"internal error: {type(error).__name__}; see the log")


def worker_died(call: LostCall, policy: PublishPolicy) -> PinResult:
    """Return the result of a call whose worker was not heard of again; it may have been sent."""
    return _unknown(call, "worker_died", policy, wait=0.0, detail=f"its worker {call.owner} was not heard of again")


def claim_lost(call: LostCall) -> PinResult:
    """Return the result of a claim that was made although its maker was not told; it was certainly not sent."""
    return not_sent(call, "claim_lost", "not sent: the database did not confirm the claim")


def not_sent(call: PinClaim | LostCall, reason: str, detail: str, *, wait: float = 0.0) -> PinResult:
    """Return the result of a call that was never made, for a reason of ours."""
    return _result(call, PinState.QUEUED, reason, wait, detail=detail)


def _is_refusal(error: AyrshareError) -> bool:
    """Tell whether Ayrshare itself says that it did not take the pin; a gateway may refuse what it let through."""
    certain = error.failure in _JUDGED_BY_STATUS and error.http_status in _CERTAIN and error.from_ayrshare
    # Ours is new with every attempt: "used before" means that the call arrived twice, and the first one counts.
    return certain and "idempotency" not in str(error).lower()


def _after_refusal(claim: PinClaim, error: AyrshareError, policy: PublishPolicy) -> PinResult:
    answer, again = _answer(error), claim.refusals + 1 < _MOST_REFUSALS
    if _is_spam_block(error):
        pause = PauseReason.SPAM_BLOCK
        return _result(claim, PinState.QUEUED, pause.value, policy.spam_cooldown, pause=pause, **answer)
    allowed = error.http_status not in _NOT_ALLOWED and error.code not in _NOT_ALLOWED_CODES
    if not allowed and again:
        pause, wait = PauseReason.NOT_ALLOWED, _NOT_ALLOWED_WAIT * 2.0**claim.refusals
        return _result(claim, PinState.QUEUED, pause.value, wait, refused=True, pause=pause, **answer)
    if error.retry_available and again:
        wait = error.retry_after_seconds or _backoff(claim.refusals)
        return _result(claim, PinState.QUEUED, "retry_available", wait, refused=True, **answer)
    remedy = remedy_of(error.code, str(error))
    if remedy is Remedy.MEND_LINK and again:
        pause = PauseReason.UNLINKED
        return _result(claim, PinState.QUEUED, remedy.value, policy.lane_gap, refused=True, pause=pause, **answer)
    if remedy is Remedy.WAIT and claim.refusals < len(MORE_TRIES):
        wait = error.retry_after_seconds or MORE_TRIES[claim.refusals]
        return _result(claim, PinState.QUEUED, remedy.value, wait, refused=True, **answer)
    return _result(claim, PinState.FAILED, remedy.value, policy.lane_gap, refused=error.retry_available, **answer)


def _pause_if_failing(claim: PinClaim, result: PinResult) -> PinResult:
    failed = result.state is PinState.FAILED or result.refused
    if not failed or result.pause is not None or claim.lane_failed_pins + 1 < MOST_FAILED_PINS:
        return result
    return msgspec.structs.replace(result, pause=PauseReason.FAILING, wait_seconds=FAILING_WAIT)


def _is_spam_block(error: AyrshareError) -> bool:
    words = str(error).lower()
    return "spam" in words and ("block" in words or "combat" in words)


def _answer(error: AyrshareError) -> dict[str, Any]:
    return {
        "http_status": error.http_status,
        "code": error.code,
        "detail": str(error),
        "excerpt": error.excerpt,
    }


def _unknown(
    call: PinClaim | LostCall,
    reason: str,
    policy: PublishPolicy,
    *,
    wait: float | None = None,
    **fields: Any,  # noqa: ANN401 -- fields of PinResult
) -> PinResult:
    """Return the result of a pin that may be live; it is looked for in Ayrshare's history."""
    wait = policy.lane_gap if wait is None else wait
    return _result(call, PinState.UNKNOWN, reason, wait, check_seconds=policy.checks[0], **fields)


def _result(
    call: PinClaim | LostCall,
    state: PinState,
    reason: str | None,
    wait: float,
    **fields: Any,  # noqa: ANN401 -- fields of PinResult
) -> PinResult:
    return PinResult(
        pin_id=call.pin_id,
        profile_id=call.profile_id,
        attempt=call.attempt,
        owner=call.owner,
        state=state,
        reason=reason,
        wait_seconds=wait,
        **fields,
    )


def _rate_limit_wait(error: AyrshareError) -> float:
    # For the first time; after further ones the profile waits for longer.
    asked = RATE_LIMIT_WINDOW if error.retry_after_seconds is None else error.retry_after_seconds
    wait = max(asked, _LEAST_RATE_LIMIT_WAIT)
    return wait + jitter(wait / 10)


def _backoff(failures: int) -> float:
    return max(_LEAST_WAIT, backoff(failures + 1, base=_FIRST_BACKOFF, cap=_LONGEST_BACKOFF))
