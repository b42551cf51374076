"""What Ayrshare's history says of unknown pins. Pure: the clock is an argument."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from collector.errors import AyrshareError
from collector.models import History, HistoryCheck, PinState, PostedPin, UnknownPin
from collector.publish.decision import PublishPolicy

# The rows' times are Ayrshare's clock, ours is the database's.
_CLOCK_SKEW = timedelta(minutes=5)
_STALE_SECONDS = 65.0
# Lists are cached for about a minute. One without a time of its own is believed when it cannot be older than the call.
_CACHED = timedelta(seconds=120)
_PAGE = 100


def check_history(
    pins: tuple[UnknownPin, ...], history: History, *, limit: int, policy: PublishPolicy, now: datetime
) -> list[HistoryCheck]:
    """Look for pins in a history that was asked for with ``limit``; those not found before their time are left out."""
    checks = []
    for pin in pins:
        found = _best(pin, history)
        if found is not None:
            checks.append(_found(pin, found, policy, now))
        elif pin.due:
            checks.append(_not_found(pin, history, limit=limit, policy=policy, now=now))
    return checks


def unreadable_history(
    pins: tuple[UnknownPin, ...], error: AyrshareError, policy: PublishPolicy, now: datetime
) -> list[HistoryCheck]:
    """Plan another check: a history that could not be read says nothing."""
    finding = f"the history could not be read: {error}"
    return [
        _undecided(pin, finding, max(error.retry_after_seconds or 0.0, _patience(pin, policy, now)))
        for pin in pins
        if pin.due
    ]


def goes_back_far_enough(history: History, since: datetime, *, limit: int) -> bool:
    """Tell whether a post made ``since`` then would have to be in the list."""
    # A server may have a page smaller than what was asked for, so a long list has to show how far it goes.
    short = history.rows < min(limit, _PAGE)
    return short or (history.oldest is not None and history.oldest < since - _CLOCK_SKEW)


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
            known = number.isdecimal() and len(number) < 6 and 1 <= int(number) <= pin.attempt  # noqa: PLR2004 -- no attempt has more digits
            yield int(number) if known else pin.attempt, row


def _found(pin: UnknownPin, found: tuple[int, PostedPin], policy: PublishPolicy, now: datetime) -> HistoryCheck:
    attempt, row = found
    if row.state is None:
        return _undecided(pin, f"Ayrshare has it as {row.status!r}", _patience(pin, policy, now), found_attempt=attempt)
    return HistoryCheck(
        pin_id=pin.pin_id,
        attempt=pin.attempt,
        state=row.state,
        absent=False,
        next_seconds=None,
        finding=row.detail or f"found in the history: {row.status}",
        found_attempt=attempt,
        publication=row.publication,
        code=row.code,
    )


def _not_found(pin: UnknownPin, history: History, *, limit: int, policy: PublishPolicy, now: datetime) -> HistoryCheck:
    # An empty history comes without a time, as an error, and nobody caches errors.
    made_at = history.as_of or (now - _CACHED if history.rows else now)
    if made_at < pin.last_sent_at:
        return _undecided(pin, "the history is a copy from before the attempt", _STALE_SECONDS)
    if not goes_back_far_enough(history, pin.first_sent_at, limit=limit):
        return _undecided(pin, "the history does not go back to the attempt", policy.checks[-1])
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
