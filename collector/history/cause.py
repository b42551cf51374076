"""Decides why a day is not there, from what the log of polls says. Pure: no clock, no I/O.

A day can be read from the day on which it is due until Ayrshare no longer serves it. Where a poll of that time brought
data, Ayrshare had no numbers of the day. Else each UTC day of that time has a cause of its own, and the one that held
on most of them is the reason; of two, the later one.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from collector.models.gap import Cause, GapReason, Whose
from collector.models.outcome import Failure, Success
from collector.models.profile import ProfileState
from collector.store.gap import GappyProfile, PollDay, StateChange

WHOSE: Final = {
    GapReason.NOT_RUNNING: Whose.US,
    GapReason.NOT_POLLED: Whose.US,
    GapReason.PAUSED: Whose.US,
    GapReason.UNAUTHORIZED: Whose.US,
    GapReason.KEY_UNREADABLE: Whose.US,
    GapReason.INTERNAL_ERROR: Whose.US,
    GapReason.RATE_LIMITED: Whose.API,
    GapReason.QUOTA: Whose.API,
    GapReason.UPSTREAM_ERROR: Whose.API,
    GapReason.TIMEOUT: Whose.API,
    GapReason.NETWORK: Whose.API,
    GapReason.PAYLOAD_INVALID: Whose.API,
    GapReason.FLEET_REFUSED: Whose.API,
    GapReason.UNLINKED: Whose.CLIENT,
    GapReason.SUSPENDED: Whose.CLIENT,
    GapReason.KEY_INVALID: Whose.CLIENT,
    GapReason.NOT_GIVEN: Whose.PINTEREST,
    GapReason.LOG_GONE: Whose.UNKNOWN,
}
_PARKED = {
    ProfileState.PAUSED: GapReason.PAUSED,
    ProfileState.UNLINKED: GapReason.UNLINKED,
    ProfileState.SUSPENDED: GapReason.SUSPENDED,
    ProfileState.KEY_INVALID: GapReason.KEY_INVALID,
}
_REFUSED = frozenset({Failure.SUSPENDED, Failure.UNLINKED, Failure.KEY_INVALID})
_DAY = timedelta(days=1)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the time in which a profile's days could be read.

    ``polls`` are by UTC day and lack those that were merely ``unchanged``, of which ``unchanged`` has some days.
    ``fleet`` has the outcome of everybody's polls by day. The log is whole from ``log_begins`` on.
    """

    polls: Mapping[date, PollDay]
    unchanged: Collection[date]
    changes: Sequence[StateChange]
    fleet: Mapping[date, str | None]
    log_begins: date


def explain(profile: GappyProfile, evidence: Evidence) -> list[Cause]:
    """Return why each of the profile's missing days is not there, in their order."""
    good = sorted({day for day, poll in evidence.polls.items() if poll.good}.union(evidence.unchanged))
    causes: dict[date, GapReason | None] = {}
    explained = []
    for day in profile.missing:
        if answered := _answered(profile, good, day):
            explained.append(_not_given(evidence, day, answered))
            continue
        causes = causes or {each: _cause(profile, evidence, each) for each in _days(day, profile.today)}
        explained.append(_most_of(profile, evidence, day, causes))
    return explained


def served(profile: GappyProfile, day: date) -> tuple[date, date]:
    """Return the first and the last day on which a poll could have read ``day``; they may be yet to come."""
    first = day + max(profile.settle_days, 1) * _DAY
    return max(first, profile.created_on), day + profile.served_days * _DAY


def silent_days(profile: GappyProfile, polls: Collection[date]) -> list[date]:
    """Return the days of which it matters how the polls of others went: those of the profile are not known."""
    begins = max(profile.missing[0] + _DAY, profile.created_on)
    return [day for day in _days(begins, profile.today - _DAY) if day not in polls]


def _answered(profile: GappyProfile, good: Sequence[date], day: date) -> Sequence[date]:
    """Return the days with a good poll, of those in ``good`` and the last one, that should have brought ``day``.

    Of a profile that is read as planned, the last good poll counts although the day was not due then.
    """
    first, last = served(profile, day)
    answered = good[bisect_left(good, first) : bisect_right(good, last)]
    read = profile.last_success_on
    if answered or read is None or read > last:
        return answered
    as_planned = not profile.consecutive_failures and read >= profile.today - _DAY
    return [read] if read >= (day + _DAY if as_planned else first) else []


def _most_of(profile: GappyProfile, evidence: Evidence, day: date, causes: Mapping[date, GapReason | None]) -> Cause:
    first, last = served(profile, day)
    last = min(last, profile.today)
    # Of a day that could be read only from today on, yesterday tells: it is too early to tell of today.
    first = min(first, last - _DAY) if last == profile.today else first
    held = [(reason, each) for each in _days(first, last) if (reason := causes.get(each)) is not None]
    counts, latest = Counter(reason for reason, _ in held), dict(held)
    reason = max(latest, key=lambda each: (counts[each], latest[each]), default=GapReason.NOT_POLLED)
    of_it = [each for found, each in held if found is reason] or [last]
    details = (evidence.polls[each].detail for each in reversed(of_it) if each in evidence.polls)
    return _made(day, reason, of_it, next(details, None))


def _not_given(evidence: Evidence, day: date, answered: Sequence[date]) -> Cause:
    last = next((evidence.polls[each] for each in reversed(answered) if each in evidence.polls), None)
    if last is not None and last.problems and last.detail and last.detail.startswith("left out"):
        return _made(day, GapReason.PAYLOAD_INVALID, answered, last.detail)
    return _made(day, GapReason.NOT_GIVEN, answered, None)


def _made(day: date, reason: GapReason, held: Sequence[date], detail: str | None) -> Cause:
    return Cause(day=day, whose=WHOSE[reason], reason=reason, cause_first=held[0], cause_last=held[-1], detail=detail)


def _cause(profile: GappyProfile, evidence: Evidence, day: date) -> GapReason | None:
    """Return why a poll brought nothing on that day; None where it is too early to tell."""
    poll = evidence.polls.get(day)
    if poll is not None:
        return _of_poll(poll)
    parked = _PARKED.get(_state_on(profile, evidence, day))
    if parked in {GapReason.PAUSED, GapReason.KEY_INVALID}:
        return parked
    if day == profile.today:
        return None
    return GapReason.LOG_GONE if day < evidence.log_begins else _unpolled(evidence.fleet.get(day), parked)


def _unpolled(fleet: str | None, parked: GapReason | None) -> GapReason:
    """Return why a profile was not polled on a day on which the polls of others ended so."""
    match fleet:
        case None:
            return GapReason.NOT_RUNNING
        case Success.OK:
            return parked or GapReason.NOT_POLLED
        case outcome if outcome in _REFUSED:
            return GapReason.FLEET_REFUSED
        case outcome:
            return GapReason(outcome)


def _of_poll(poll: PollDay) -> GapReason | None:
    if poll.outcome == Failure.KEY_INVALID and poll.http_status is None:
        return GapReason.KEY_UNREADABLE
    return None if poll.outcome == Success.OK else GapReason(poll.outcome)


def _state_on(profile: GappyProfile, evidence: Evidence, day: date) -> ProfileState:
    """Return the state at the end of a UTC day."""
    return next((each.former for each in evidence.changes if each.changed_on > day), profile.state)


def _days(first: date, last: date) -> list[date]:
    return [first + number * _DAY for number in range((last - first).days + 1)]
