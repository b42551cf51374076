"""What a poll leaves of itself in its profile, which is also the fence of all else that it brought."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import asyncpg
import msgspec

from collector.models.analytics import AccountAnalytics, DayMetrics, SeenAnswer
from collector.models.outcome import Failure, Outcome
from collector.models.poll import PollRecord, Written
from collector.models.profile import ProfileState
from collector.store.columns import arrays, columns, names
from collector.store.rate_limit import note_rate_limited


class _PolledProfile(msgspec.Struct, frozen=True):
    """What a poll changes in its profile; ``first_changed`` is the oldest day that is new or different."""

    profile_id: int
    lease_until: datetime
    outcome: Outcome
    state: ProfileState | None
    detail: str | None
    seen: bool
    good: bool
    first_changed: date | None
    next_poll_in: float | None
    window_start: date | None
    last_day: date | None
    settled_through: date | None
    settle_days: int | None
    digest: int | None
    http_status: int | None
    rate_limit_max: int | None
    rate_limit_count: int | None
    name_asked: bool
    account_name: str | None


# A result whose lease was taken over, or whose profile was paused or removed meanwhile, finds no row.
_FINISH = f"""
UPDATE profile AS p
SET state = coalesce(r.state, p.state),
    state_reason = CASE
        WHEN r.state IS NULL THEN p.state_reason
        WHEN r.state <> 'active' THEN r.detail
    END,
    state_since = CASE WHEN r.state <> p.state THEN now() ELSE p.state_since END,
    first_day = least(p.first_day, r.window_start),
    last_day = greatest(p.last_day, r.last_day),
    -- Whatever a wrong clock once said, no day is settled sooner than this.
    settled_through = CASE
        WHEN coalesce(p.settled_through, r.settled_through) IS NOT NULL THEN least(
            greatest(p.settled_through, r.settled_through),
            (now() AT TIME ZONE 'UTC')::date - coalesce(r.settle_days::integer, p.settle_days)
        )
    END,
    settle_days = coalesce(r.settle_days, p.settle_days),
    window_days = coalesce(r.last_day - r.window_start + 1, p.window_days),
    answer_digest = CASE WHEN r.good AND NOT r.seen THEN r.digest ELSE p.answer_digest END,
    answer_day = CASE WHEN r.good THEN (now() AT TIME ZONE 'UTC')::date ELSE p.answer_day END,
    rate_limit_max = coalesce(r.rate_limit_max, p.rate_limit_max),
    rate_limit_count = coalesce(r.rate_limit_count, p.rate_limit_count),
    rate_limited_in_row = CASE WHEN r.good THEN 0 ELSE p.rate_limited_in_row END,
    rate_limited_until = CASE WHEN NOT r.good THEN p.rate_limited_until END,
    account_name = coalesce(r.account_name, p.account_name),
    account_name_asked_at = CASE WHEN r.name_asked THEN now() ELSE p.account_name_asked_at END,
    last_outcome = r.outcome,
    -- What was left out of an answer stays said for as long as the same answer comes.
    last_error = CASE
        WHEN NOT r.seen THEN r.detail
        WHEN p.last_outcome IN ('ok', 'unchanged') THEN p.last_error
    END,
    consecutive_failures = CASE WHEN r.good THEN 0 ELSE p.consecutive_failures + 1 END,
    last_success_at = CASE WHEN r.good THEN now() ELSE p.last_success_at END,
    behind = NOT r.good AND is_behind(p.last_day, p.settle_days),
    last_poll_at = now(),
    -- Most polls change the days that have not settled, which the detector does not look at.
    days_changed_at = CASE
        WHEN r.first_changed <= greatest(p.settled_through, r.settled_through) THEN now()
        ELSE p.days_changed_at
    END,
    next_poll_at = now() + r.next_poll_in * interval '1 second',
    lease_until = NULL,
    lease_owner = NULL
FROM unnest({arrays(_PolledProfile)}) AS r ({names(_PolledProfile)})
WHERE p.id = r.profile_id
  AND p.lease_until = r.lease_until
RETURNING p.id
"""

# Pinterest serves 90 days.
_LONGEST_WINDOW = timedelta(days=100)


async def end_polls(
    connection: asyncpg.Connection, records: Sequence[PollRecord], written: Sequence[Written]
) -> set[int]:
    """Write to the profiles how their polls ended and end their leases; return those whose lease was still ours."""
    polled = [_polled(record, amount) for record, amount in zip(records, written, strict=True)]
    ours = {row["id"] for row in await connection.fetch(_FINISH, *columns(_PolledProfile, polled))}
    limited = [each for each in polled if each.outcome is Failure.RATE_LIMITED and each.profile_id in ours]
    if limited:
        waits = [each.next_poll_in or 0.0 for each in limited]
        await note_rate_limited(connection, [each.profile_id for each in limited], waits)
    return ours


def days_of(record: PollRecord) -> tuple[DayMetrics, ...]:
    return record.analytics.days if isinstance(record.analytics, AccountAnalytics) else ()


def _polled(record: PollRecord, written: Written) -> _PolledProfile:
    days = days_of(record)
    return _PolledProfile(
        profile_id=record.profile_id,
        lease_until=record.lease_until,
        outcome=written.outcome,
        state=record.state,
        detail=written.detail,
        seen=isinstance(record.analytics, SeenAnswer),
        good=record.analytics is not None,
        first_changed=written.first_changed,
        next_poll_in=record.next_poll_in,
        window_start=window_start(days),
        last_day=days[-1].day if days else None,
        settled_through=record.settled_through,
        settle_days=record.settle_days,
        digest=record.analytics.digest if isinstance(record.analytics, AccountAnalytics) else None,
        http_status=record.http_status,
        rate_limit_max=record.rate_limit_max,
        rate_limit_count=record.rate_limit_count,
        name_asked=record.name_asked,
        account_name=record.account_name,
    )


def window_start(days: Sequence[DayMetrics]) -> date | None:
    """Return the first day of the answer's window; a stray day of long ago is stored, but stretches no window."""
    if not days:
        return None
    limit = days[-1].day - _LONGEST_WINDOW
    return next(day.day for day in days if day.day > limit)
