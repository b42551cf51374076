"""What Ayrshare's history says of unknown pins. Pure: the clock is an argument."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.errors import AyrshareError
from collector.models.history import History, HistoryCheck, NativePin, PostedPin, UnknownPin
from collector.models.outcome import Failure
from collector.models.pin import PinState
from collector.publish.decision import FAILING_WAIT, MORE_TRIES, MOST_FAILED_PINS, PublishPolicy
from collector.publish.remedy import Remedy, remedy_of

# The rows' times are Ayrshare's clock, ours is the database's.
CLOCK_SKEW = timedelta(minutes=5)
_STALE_SECONDS = 65.0
# Lists are cached for about a minute. One without a time of its own is believed when it cannot be older than the call.
_CACHED = timedelta(seconds=120)
# No attempt's number has more.
_MOST_DIGITS = 5


def check_history(
    pins: tuple[UnknownPin, ...],
    history: History,
    *,
    native: tuple[NativePin, ...] = (),
    policy: PublishPolicy,
    now: datetime,
) -> list[HistoryCheck]:
    """Look for pins in a history; those not found before their time are left out.

    ``native`` are the account's own pins: one like ours is no proof that ours is live, but none that it is absent.
    """
    checks = []
    for pin in pins:
        found = _best(pin, history)
        if found is not None:
            checks.append(_found(pin, found, policy, now))
        elif pin.due:
            checks.append(_not_found(pin, history, native, policy=policy, now=now))
    return _pause_if_failing(pins, checks)


def _pause_if_failing(pins: tuple[UnknownPin, ...], checks: list[HistoryCheck]) -> list[HistoryCheck]:
    """Pause the lane with the failure that makes too many in a row; a pin that went out ends the row."""
    failed = sum(check.post_failed for check in checks) + max((pin.lane_failed_pins for pin in pins), default=0)
    if failed < MOST_FAILED_PINS or any(check.state is PinState.PUBLISHED for check in checks):
        return checks
    return [
        msgspec.structs.replace(check, failing_seconds=FAILING_WAIT) if check.post_failed else check for check in checks
    ]


def missing(pins: tuple[UnknownPin, ...], history: History) -> bool:
    """Tell whether a pin that is due is not in the history."""
    return any(pin.due and _best(pin, history) is None for pin in pins)


def unreadable_history(
    pins: tuple[UnknownPin, ...], error: AyrshareError, policy: PublishPolicy, now: datetime
) -> list[HistoryCheck]:
    """Plan another check: a history that could not be read says nothing."""
    finding, quota_used_up = f"the history could not be read: {error}", error.failure is Failure.QUOTA
    least = rate_limit_wait(error) if error.failure is Failure.RATE_LIMITED else error.retry_after_seconds or 0.0
    checks = [_undecided(pin, finding, max(least, _patience(pin, policy, now))) for pin in pins if pin.due]
    return [msgspec.structs.replace(check, quota_used_up=quota_used_up) for check in checks]


def rate_limit_wait(error: AyrshareError) -> float:
    """Return for how many seconds the history is not to be asked for again."""
    return max(error.retry_after_seconds or 0.0, RATE_LIMIT_WINDOW)


def goes_back_far_enough(history: History, since: datetime) -> bool:
    """Tell whether a post made ``since`` then would have to be in the list."""
    return history.whole or (history.oldest is not None and history.oldest < since - CLOCK_SKEW)


def _best(pin: UnknownPin, history: History) -> tuple[int, PostedPin] | None:
    """Return the row that settles the pin, and the attempt that made it.

    One live row is enough. An earlier attempt's failure says nothing of the last one.
    """
    rows = list(_rows_of(pin, history))
    live = [row for row in rows if row[1].state is PinState.PUBLISHED]
    open_ = [row for row in rows if row[1].state is None]
    failed = [row for row in rows if row[1].state is PinState.FAILED and row[0] == pin.attempt]
    return next(iter(live + open_ + failed), None)


def _rows_of(pin: UnknownPin, history: History) -> Iterator[tuple[int, PostedPin]]:
    for row in history.pins:
        token, _, number = row.notes.partition("#")
        if token == pin.token:
            known = number.isdecimal() and len(number) <= _MOST_DIGITS and 1 <= int(number) <= pin.attempt
            yield int(number) if known else pin.attempt, row


def _found(pin: UnknownPin, found: tuple[int, PostedPin], policy: PublishPolicy, now: datetime) -> HistoryCheck:
    attempt, row = found
    if row.state is None:
        return _undecided(pin, f"Ayrshare has it as {row.status!r}", _patience(pin, policy, now), found_attempt=attempt)
    failed = row.state is PinState.FAILED and row.status != "deleted"
    again = failed and remedy_of(row.code, row.detail) is Remedy.WAIT and pin.refusals < len(MORE_TRIES)
    return HistoryCheck(
        pin_id=pin.pin_id,
        attempt=pin.attempt,
        state=PinState.QUEUED if again else row.state,
        refused=again,
        post_failed=failed,
        absent=False,
        next_seconds=None,
        finding=row.detail or f"found in the history: {row.status}",
        found_attempt=attempt,
        publication=row.publication,
        code=row.code,
    )


def _not_found(
    pin: UnknownPin, history: History, native: tuple[NativePin, ...], *, policy: PublishPolicy, now: datetime
) -> HistoryCheck:
    # An empty history comes without a time, as an error, and nobody caches errors.
    made_at = history.as_of or (now - _CACHED if history.rows else now)
    if made_at < pin.last_sent_at:
        return _undecided(pin, "the history is a copy from before the attempt", _STALE_SECONDS)
    if not goes_back_far_enough(history, pin.first_sent_at):
        of = "" if history.count is None else f" of {history.count}"
        finding = f"the history does not go back to the attempt: it shows {history.rows}{of} posts, and not all"
        return _undecided(pin, finding, policy.checks[-1])
    if (like := _like(pin, history, native)) is not None:
        finding = f"not in Ayrshare's history, but the account has a pin like it since then: {like}"
        return _undecided(pin, finding, policy.checks[-1])
    ages = policy.checks
    done = pin.checks + 1
    last = done >= len(ages)
    requeued = last and policy.requeue_absent
    return HistoryCheck(
        pin_id=pin.pin_id,
        attempt=pin.attempt,
        state=PinState.QUEUED if requeued else PinState.UNKNOWN,
        absent=True,
        next_seconds=None if last else max(0.0, ages[done] - ages[done - 1]),
        finding=f"not in the history (check {done} of {len(ages)})" + ("; queued again" if requeued else ""),
        found_attempt=pin.attempt,
    )


def _like(pin: UnknownPin, history: History, native: tuple[NativePin, ...]) -> str | None:
    """Return where there is a pin with our words, made since the attempt, that no post of the history explains."""
    words = (pin.title or "", pin.description)
    for each in native:
        explained = each.pinterest_pin_id in history.live_ids or each.created_at < pin.first_sent_at - CLOCK_SKEW
        pairs = list(zip(words, (each.title, each.description), strict=True))
        same = any(ours.strip() == theirs.strip() != "" for ours, theirs in pairs)
        if not explained and (same or not any(ours or theirs for ours, theirs in pairs)):
            return each.pin_url or each.pinterest_pin_id or f"made at {each.created_at:%Y-%m-%d %H:%M} UTC"
    return None


def _undecided(pin: UnknownPin, finding: str, seconds: float, *, found_attempt: int | None = None) -> HistoryCheck:
    return HistoryCheck(
        pin_id=pin.pin_id,
        attempt=pin.attempt,
        state=PinState.UNKNOWN,
        absent=False,
        next_seconds=seconds,
        finding=finding,
        found_attempt=pin.attempt if found_attempt is None else found_attempt,
    )


def _patience(pin: UnknownPin, policy: PublishPolicy, now: datetime) -> float:
    """Wait half as long again as it has taken so far, between the first and the last of the planned checks."""
    return min(max(policy.checks[0], (now - pin.last_sent_at).total_seconds() / 2), policy.checks[-1])
