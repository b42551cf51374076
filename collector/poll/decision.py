"""What becomes of a profile after a poll. Pure but for the jitter: the time is the claim's, and so the database's."""

from datetime import UTC, date, datetime, timedelta
from typing import assert_never

import msgspec

from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.errors import AyrshareError
from collector.loops.every import backoff, jitter
from collector.loops.verdicts import MOST_DOUBTS
from collector.models.analytics import AccountAnalytics, SeenAnswer
from collector.models.outcome import Failure, Success
from collector.models.poll import Claim, PollRecord, RateLimit
from collector.models.profile import ProfileState
from collector.store.clock import MOST_OFFSET_SECONDS

PROBE_INTERVAL = 86_400.0
# A new refusal is asked about once more before a day passes, since what refused may have been wrong.
FIRST_PROBE = 3_600.0
_FIRST_BACKOFF = 30.0
_LEAST_BACKOFF = 1.0
_FIRST_REFUSAL = 60.0
# A "next update" further away than this is not believed: the days must be read before Pinterest forgets them.
_LONGEST_CACHE = 86_400.0
_PARKED = frozenset({ProfileState.SUSPENDED, ProfileState.UNLINKED, ProfileState.KEY_INVALID})
_GOLDEN_RATIO = 0.6180339887498949


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide about a poll; ``interval`` in seconds."""

    interval: float
    settle_days: int


def seconds_to_slot(profile_id: int, now: datetime, interval: float) -> float:
    """Return the seconds to the profile's own moment of the interval, between half and one and a half intervals away.

    Consecutive ids have moments spread evenly over the interval (multiples of the golden ratio, Weyl's
    equidistribution), so the fleet's load is flat after the first round, whenever its profiles were added.
    """
    phase = profile_id * _GOLDEN_RATIO % 1.0 * interval
    wait = (phase - now.timestamp()) % interval
    return wait if wait >= interval / 2 else wait + interval


def after_data(
    claim: Claim,
    analytics: AccountAnalytics | SeenAnswer,
    rate_limit: RateLimit,
    *,
    policy: Policy,
    duration_seconds: float,
) -> PollRecord:
    """Store the days, be active, and come back at the profile's next slot, but not before Ayrshare has new data.

    An answer without one usable day, of a profile that has had days, is no answer: it must not look like a good poll.
    """
    now = claim.claimed_at
    had_days = claim.last_day is not None
    if isinstance(analytics, AccountAnalytics) and not analytics.days and had_days:
        why = _left_out(analytics) or "the list of days is empty, and this profile has had days"
        error = AyrshareError(Failure.PAYLOAD_INVALID, f"no usable day; {why}", http_status=200)
        return after_failure(claim, error, policy=policy, duration_seconds=duration_seconds)
    wait = seconds_to_slot(claim.profile_id, now, policy.interval)
    if analytics.next_update is not None:
        # It is of Ayrshare's clock; a lastUpdated that is yet to come shows how far that is ahead.
        since = max(now, analytics.last_updated or now)
        cached = min((analytics.next_update - since).total_seconds(), max(_LONGEST_CACHE, policy.interval))
        wait = max(wait, cached + jitter(min(30.0, policy.interval / 10)))
    if _nearly_spent(rate_limit):
        wait = max(wait, RATE_LIMIT_WINDOW)
    return PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=Success.OK,
        duration_seconds=duration_seconds,
        next_poll_in=wait,
        state=ProfileState.ACTIVE,
        http_status=200,
        detail=_left_out(analytics),
        analytics=analytics,
        known_through=claim.last_day,
        settled_through=_settled_through(claim, analytics, policy),
        settle_days=policy.settle_days,
        rate_limit_max=rate_limit.maximum,
        rate_limit_count=rate_limit.count,
    )


def after_failure(claim: Claim, error: AyrshareError, *, policy: Policy, duration_seconds: float) -> PollRecord:
    """Keep the profile's data, and come back when it can be expected to work."""
    state, wait = _consequence(claim, error, policy)
    return PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=error.failure,
        duration_seconds=duration_seconds,
        next_poll_in=wait,
        state=state,
        http_status=error.http_status,
        code=error.code,
        detail=str(error),
        excerpt=error.excerpt,
    )


def verdict_of(record: PollRecord) -> Failure | None:
    """Return the failure because of which the profile would be read only once a day, or not at all."""
    return record.outcome if isinstance(record.outcome, Failure) and record.state in _PARKED else None


def was_well(claim: Claim) -> bool:
    """Tell whether a refusal of this profile is news: it has been read before, and was not refused again and again."""
    well = claim.state is ProfileState.ACTIVE and claim.last_day is not None
    return well and claim.consecutive_failures < MOST_DOUBTS


def came_back(claim: Claim, record: PollRecord) -> bool:
    return claim.state in _PARKED and record.analytics is not None


def doubted(claim: Claim, record: PollRecord, policy: Policy) -> PollRecord:
    """Leave the profile's state alone, since the whole fleet is refused."""
    return msgspec.structs.replace(
        record,
        state=None,
        next_poll_in=_refused_wait(claim, policy),
        detail=f"not believed while the fleet is refused: {record.detail}",
    )


def _consequence(claim: Claim, error: AyrshareError, policy: Policy) -> tuple[ProfileState | None, float | None]:
    """Return the profile's new state, None for "as it was", and the seconds to its next poll, None for "never"."""
    # Anybody on the way can ask for a day, and asking again once an interval harms nobody.
    asked = min(error.retry_after_seconds or 0.0, max(policy.interval, RATE_LIMIT_WINDOW))
    match error.failure:
        case Failure.RATE_LIMITED:
            return None, max(asked, RATE_LIMIT_WINDOW) + jitter(30.0)
        case Failure.UNAUTHORIZED:
            return None, _refused_wait(claim, policy)
        case Failure.SUSPENDED:
            return ProfileState.SUSPENDED, _to_probe(claim)
        case Failure.UNLINKED:
            return ProfileState.UNLINKED, _to_probe(claim)
        case Failure.KEY_INVALID:
            # A key that never worked will not begin to.
            return ProfileState.KEY_INVALID, _to_probe(claim) if was_well(claim) else None
        case (
            Failure.UPSTREAM_ERROR
            | Failure.QUOTA
            | Failure.TIMEOUT
            | Failure.NETWORK
            | Failure.PAYLOAD_INVALID
            | Failure.INTERNAL_ERROR
        ):
            wait = backoff(claim.consecutive_failures + 1, base=_FIRST_BACKOFF, cap=policy.interval)
            return None, max(wait, asked, _LEAST_BACKOFF)
        case never:
            assert_never(never)


def _refused_wait(claim: Claim, policy: Policy) -> float:
    # Ever later, so that the next probe is another profile, in case it is only this one that is refused.
    return min(policy.interval, _FIRST_REFUSAL * 2.0 ** min(claim.consecutive_failures, 32))


def _to_probe(claim: Claim) -> float:
    return (FIRST_PROBE if was_well(claim) else PROBE_INTERVAL) + jitter(600.0)


def _settled_through(claim: Claim, analytics: AccountAnalytics | SeenAnswer, policy: Policy) -> date | None:
    """Return the newest day that was old enough when Ayrshare read it; None while nobody can tell what day it is."""
    if abs(claim.clock_offset_seconds) > MOST_OFFSET_SECONDS:
        return None
    return _read_by_ayrshare(claim, analytics) - timedelta(days=policy.settle_days)


def _read_by_ayrshare(claim: Claim, analytics: AccountAnalytics | SeenAnswer) -> date:
    """Return the UTC day on which Ayrshare read the numbers from Pinterest; they may have been cached since.

    Without a stamp, or with one that the days contradict, it is taken for the day after the newest.
    """
    today = claim.claimed_at.astimezone(UTC).date()
    seen = isinstance(analytics, SeenAnswer)
    newest = analytics.days[-1].day if isinstance(analytics, AccountAnalytics) and analytics.days else claim.last_day
    stamp = analytics.last_updated
    # The parser has compared the stamp of an answer that it read with its days.
    if stamp is not None and not (seen and newest is not None and stamp.date() < newest):
        return min(today, stamp.date())
    return today if newest is None else min(today, newest + timedelta(days=1))


def _left_out(analytics: AccountAnalytics | SeenAnswer) -> str | None:
    if isinstance(analytics, SeenAnswer) or not analytics.problems:
        return None
    first = analytics.problems[0]
    more = f", and {len(analytics.problems) - 1} more" if len(analytics.problems) > 1 else ""
    return f"left out: {first.reason} ({first.detail}){more}"


def _nearly_spent(limit: RateLimit) -> bool:
    return limit.maximum is not None and limit.count is not None and limit.count >= 0.9 * limit.maximum
