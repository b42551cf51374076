"""What becomes of a followed pin after an answer. Pure but for the jitter: the time is the claim's."""

from datetime import timedelta
from typing import Final, assert_never

import msgspec

from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.errors import AyrshareError
from collector.loops.every import backoff, jitter
from collector.models.outcome import Failure
from collector.models.poll import RateLimit
from collector.models.result import Brought, Ending, PinNumbers, ResultClaim, ResultRecord

LOOKS: Final = (*range(1, 15), *range(21, 90, 7), 90)
"""Days of age at which a pin is asked about: impressions lag one to three days, and Pinterest serves 90."""

_LAST: Final = timedelta(days=LOOKS[-1])
# For how long the last look is tried.
_PATIENCE: Final = timedelta(days=3)
_WEEK: Final = (timedelta(days=7), timedelta(days=9))
_GOLDEN_RATIO: Final = 0.6180339887498949
_SPREAD_SECONDS: Final = 43_200.0

_NOT_FOUND: Final = 186
_UNAVAILABLE: Final = 187
_FIRST_BACKOFF: Final = 300.0
_LONGEST_BACKOFF: Final = 21_600.0
_LEAST_BACKOFF: Final = 60.0
# Polls tell what became of the profile, and when the month's quota is there again; the results of pins can wait.
_PROFILE_WAIT: Final = 21_600.0
_SILENCE_WAIT: Final = 300.0
_MOST_DOUBLINGS: Final = 7
# Polls and pins have the other half.
_SHARE_OF_WINDOW: Final = 0.5

_COUNTS: Final = tuple(name for name in PinNumbers.__struct_fields__ if name != "extra")


def seconds_to_next_look(claim: ResultClaim) -> float | None:
    """Return when a pin is asked about again: daily for two weeks, then weekly; None after the last look, at 90 days.

    Pins of one moment are spread over half a day, as when they were published.
    """
    phase = timedelta(seconds=claim.pin_id * _GOLDEN_RATIO % 1.0 * _SPREAD_SECONDS)
    age = claim.claimed_at - claim.published_at - phase
    ahead = (timedelta(days=day) - age for day in LOOKS)
    return next((left.total_seconds() for left in ahead if left > timedelta()), None)


def after_numbers(claim: ResultClaim, told: PinNumbers) -> ResultRecord:
    """Keep the numbers, and what was known where none came."""
    numbers = _merged(claim.known, told)
    changed = numbers != claim.known
    next_in = seconds_to_next_look(claim)
    age = claim.claimed_at - claim.published_at
    return ResultRecord(
        profile_id=claim.profile_id,
        pin_id=claim.pin_id,
        claimed_until=claim.claimed_until,
        outcome=Brought.CHANGED if changed else Brought.UNCHANGED,
        next_in=next_in,
        ended=Ending.COMPLETE if next_in is None else None,
        failures=0,
        error=None,
        changed=changed,
        week_old=_WEEK[0] <= age < _WEEK[1],
        numbers=numbers,
    )


def withdrawn(claim: ResultClaim, told: PinNumbers) -> list[str]:
    """Return the counts that came as 0 though there were some: a total cannot begin again, so they are not believed."""
    return [name for name in _COUNTS if getattr(told, name) == 0 and getattr(claim.known, name)]


def after_failure(claim: ResultClaim, error: AyrshareError) -> ResultRecord:
    """Keep what is known, and ask again when it can be expected to work; never where the pin is not there."""
    outcome: Brought | Failure = error.failure
    next_in: float | None
    ended = None
    if error.code == _NOT_FOUND:
        outcome, next_in, ended = Brought.NOT_FOUND, None, Ending.NOT_FOUND
    elif claim.claimed_at > claim.published_at + _LAST + _PATIENCE:
        next_in, ended = None, Ending.FAILED
    elif error.code == _UNAVAILABLE:
        outcome, next_in = Brought.UNAVAILABLE, seconds_to_next_look(claim) or _LONGEST_BACKOFF
    else:
        next_in = profile_wait(claim, error) or _backoff(claim)
    return ResultRecord(
        profile_id=claim.profile_id,
        pin_id=claim.pin_id,
        claimed_until=claim.claimed_until,
        outcome=outcome,
        next_in=next_in,
        ended=ended,
        failures=claim.failures + 1,
        error=str(error),
        changed=False,
        week_old=False,
        numbers=claim.known,
    )


def profile_wait(claim: ResultClaim, error: AyrshareError) -> float | None:
    """Return for how many seconds none of the profile's pins is asked about; None where the failure is the pin's.

    It doubles with each 429 of the day, whichever call got it: a thousand of them suspend a profile.
    """
    if error.code in {_NOT_FOUND, _UNAVAILABLE}:
        return None
    match error.failure:
        case Failure.RATE_LIMITED:
            asked = min(error.retry_after_seconds or 0.0, _PROFILE_WAIT)
            growing = min(RATE_LIMIT_WINDOW * 2.0 ** min(claim.refusals, _MOST_DOUBLINGS), _PROFILE_WAIT)
            return max(asked, growing) + jitter(30.0)
        case Failure.QUOTA | Failure.SUSPENDED | Failure.UNLINKED | Failure.KEY_INVALID:
            return _PROFILE_WAIT + jitter(600.0)
        case Failure.UNAUTHORIZED | Failure.TIMEOUT | Failure.NETWORK:
            return _SILENCE_WAIT + jitter(60.0)
        case Failure.UPSTREAM_ERROR | Failure.PAYLOAD_INVALID | Failure.INTERNAL_ERROR:
            return None
        case never:
            assert_never(never)


def wait_for_window(limit: RateLimit) -> float | None:
    """Return for how long to leave the profile alone: it has used its half of what Ayrshare allows in five minutes."""
    if limit.maximum is None or limit.count is None or limit.count < _SHARE_OF_WINDOW * limit.maximum:
        return None
    return RATE_LIMIT_WINDOW + jitter(30.0)


def _backoff(claim: ResultClaim) -> float:
    return max(_LEAST_BACKOFF, backoff(claim.failures + 1, base=_FIRST_BACKOFF, cap=_LONGEST_BACKOFF))


def _merged(known: PinNumbers, told: PinNumbers) -> PinNumbers:
    """Return what is told, and what was known where nothing is, or a 0 that cannot be."""
    counts = {name: getattr(told, name) or getattr(known, name) for name in _COUNTS}
    counts |= {name: 0 for name in _COUNTS if counts[name] is None and getattr(told, name) == 0}
    before, after = _object(known.extra), _object(told.extra)
    extra = known.extra if before | after == before else msgspec.json.encode(before | after, order="sorted").decode()
    return PinNumbers(**counts, extra=extra)


def _object(text: str | None) -> dict[str, float]:
    return msgspec.json.decode(text) if text else {}
