"""Finds what is missing and why, and writes down what is lost before the log of polls forgets the reason."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from collector.history.cause import Evidence, explain, served, silent_days
from collector.models.gap import Cause, Gap, GapReason
from collector.store.gap import GappyProfile, GapStore, PollDay, StateChange, log_begins

_AT_ONCE: Final = 1000
_PASSES: Final = 5
_PASS_SECONDS: Final = 1.0
_PHRASES: Final = {
    GapReason.NOT_RUNNING: "no poll ran: the collector was not running",
    GapReason.NOT_POLLED: "other profiles were polled, this one was not",
    GapReason.PAUSED: "the profile was paused",
    GapReason.UNAUTHORIZED: "Ayrshare refused the API key",
    GapReason.KEY_UNREADABLE: "no encryption key opened the profile key",
    GapReason.INTERNAL_ERROR: "a defect of the collector ended the polls",
    GapReason.RATE_LIMITED: "Ayrshare refused too many requests",
    GapReason.QUOTA: "the month's posts were used up",
    GapReason.UPSTREAM_ERROR: "Ayrshare failed",
    GapReason.TIMEOUT: "Ayrshare did not answer in time",
    GapReason.NETWORK: "Ayrshare was not reached",
    GapReason.PAYLOAD_INVALID: "Ayrshare's answer could not be read",
    GapReason.FLEET_REFUSED: "Ayrshare refused the whole fleet",
    GapReason.UNLINKED: "Pinterest was not linked",
    GapReason.SUSPENDED: "Ayrshare had suspended the profile",
    GapReason.KEY_INVALID: "the profile key was invalid",
    GapReason.NOT_GIVEN: "Ayrshare answered, without numbers of it",
    GapReason.LOG_GONE: "the polls of that time are no longer known",
}


class _Missing(msgspec.Struct, frozen=True):
    """A day that is not there, of a profile; ``days_left`` is None of one that is written down as lost."""

    profile: str
    client: str
    cause: Cause
    days_left: int | None


async def find_gaps(store: GapStore, *, client: str | None = None, profile: str | None = None) -> list[Gap]:
    """Return the gaps, first those that can be filled, the most urgent first; then what is lost, by profile and day."""
    missing = [_Missing(each.profile, each.client, each.cause, None) for each in await store.lost(client, profile)]
    gappy = await store.gappy(client, profile)
    for start in range(0, len(gappy), _AT_ONCE):
        for one, causes in await _explained(store, gappy[start : start + _AT_ONCE]):
            left = [one.served_days - (one.today - cause.day).days for cause in causes]
            missing += [
                _Missing(one.profile, one.client, cause, days if days >= 0 else None)
                for cause, days in zip(causes, left, strict=True)
            ]
    return sorted(
        _runs(missing), key=lambda gap: (gap.lost, gap.days_left or 0, gap.client, gap.profile, gap.first_day)
    )


async def note_lost_days(store: GapStore) -> int:
    """Write down all that was lost since the last time; return how many days."""
    noted = 0
    for _ in range(_PASSES):
        written, left = await _note_all(store)
        noted += written
        if not left:
            break
        # Those whose polls were being stored just then.
        await asyncio.sleep(_PASS_SECONDS)
    return noted


async def _note_all(store: GapStore) -> tuple[int, int]:
    """Look at every profile once; return how many days were written down, and how many could not be yet."""
    written, found, after = 0, 0, 0
    while through := await store.to_look_at(after, _AT_ONCE):
        after = max(through)
        explained = await _explained(store, await store.losing(list(through)))
        lost = [
            (one.profile_id, cause)
            for one, causes in explained
            for cause in causes
            if cause.day <= through[one.profile_id]
        ]
        found += len(lost)
        written += await store.note_lost(through, lost)
    return written, found - written


async def _explained(store: GapStore, profiles: Sequence[GappyProfile]) -> list[tuple[GappyProfile, list[Cause]]]:
    if not profiles:
        return []
    ids, begins = [each.profile_id for each in profiles], log_begins(profiles[0].today)
    polls: dict[int, dict[date, PollDay]] = {each: {} for each in ids}
    for poll in await store.poll_days(ids, max(begins, min(each.missing[0] for each in profiles))):
        polls[poll.profile_id][poll.day] = poll
    changes: dict[int, list[StateChange]] = {each: [] for each in ids}
    for change in await store.state_changes(ids):
        changes[change.profile_id].append(change)
    unchanged = await _unchanged(store, profiles)
    silent = {day for each in profiles for day in silent_days(each, polls[each.profile_id]) if day >= begins}
    others = await store.fleet_days(silent)

    def evidence(profile_id: int) -> Evidence:
        return Evidence(
            polls=polls[profile_id],
            unchanged=unchanged[profile_id],
            changes=changes[profile_id],
            fleet=others,
            log_begins=begins,
        )

    return [(each, explain(each, evidence(each.profile_id))) for each in profiles]


async def _unchanged(store: GapStore, profiles: Sequence[GappyProfile]) -> dict[int, set[date]]:
    """Return the days with nothing but known answers, of those on which a day that is lost was served last."""
    found: dict[int, set[date]] = {each.profile_id: set() for each in profiles}
    ends = [(each.profile_id, served(each, day)[1]) for each in profiles for day in each.missing]
    over = [(profile_id, end) for profile_id, end in ends if end < profiles[0].today]
    if over:
        days = [end for _, end in over]
        for profile_id, day in await store.unchanged_days([each for each, _ in over], min(days), max(days)):
            found[profile_id].add(day)
    return found


def _runs(missing: Iterable[_Missing]) -> Iterator[Gap]:
    """Yield days in a row of one profile and one reason as one gap."""
    run: list[_Missing] = []
    for each in missing:
        if run and not _continues(run[-1], each):
            yield _gap(run)
            run = []
        run.append(each)
    if run:
        yield _gap(run)


def _continues(former: _Missing, each: _Missing) -> bool:
    same = (former.profile, former.cause.reason, former.days_left is None)
    in_a_row = each.cause.day - former.cause.day == timedelta(days=1)
    return in_a_row and same == (each.profile, each.cause.reason, each.days_left is None)


def _gap(run: Sequence[_Missing]) -> Gap:
    first = run[0]
    return Gap(
        profile=first.profile,
        client=first.client,
        first_day=first.cause.day,
        last_day=run[-1].cause.day,
        days=len(run),
        lost=first.days_left is None,
        days_left=first.days_left,
        whose=first.cause.whose,
        reason=first.cause.reason,
        why=_sentence([each.cause for each in run]),
    )


def _sentence(causes: Sequence[Cause]) -> str:
    first, last = min(each.cause_first for each in causes), max(each.cause_last for each in causes)
    return f"{_PHRASES[causes[-1].reason]} ({_period(first, last)}){_told(causes[-1].detail)}"


def _period(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _told(detail: str | None) -> str:
    return f": {detail}" if detail else ""
