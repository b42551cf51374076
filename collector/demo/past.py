"""Makes up what was collected before the demo: what the emulator would have answered then, read as any answer is.

Pure: no clock, no I/O.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import msgspec

from collector.ayrshare.analytics import parse_account_analytics
from collector.demo.story import last_read
from collector.emulator import Emulator
from collector.emulator.accounts import Account
from collector.emulator.answers import window
from collector.emulator.traffic import character, followers, uniforms
from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics
from collector.models.profile import ProfileState
from collector.store.past import Past, PastDay, PastPoll, PastProfile, PastSnapshot

DAYS: Final = 365
_SETTLE_DAYS = 3
_READ_AT = time(6, tzinfo=UTC)
_POLLED_DAYS = 30
_SNAPSHOT_EVERY_DAYS = 7
_COUNTS = ("impression", "engagement", "save", "pin_click", "outbound_click")
_NOT_LINKED = "Pinterest is not linked to this profile any more"
_SOCIAL = "POST /analytics/social"


def past(emulator: Emulator, account: Account, profile_id: int, name: str, today: date) -> Past | None:
    """Return a profile's year until the demo: its days before those that Ayrshare still serves, None without any.

    Of a profile that is not read any more they are all days until it was read last.
    """
    stopped = last_read(name, today)
    until = stopped or today - timedelta(days=emulator.config.days)
    read = _read(emulator, account, stopped or today)
    days = [each for each in read if each.day < until]
    if not days:
        return None
    first, last = days[0].day, days[-1].day
    profile = PastProfile(
        profile_id=profile_id,
        created_at=_morning(first),
        read_at=_morning(until),
        first_day=first,
        last_day=last,
        settled_through=min(last, (stopped or today) - timedelta(days=_SETTLE_DAYS)),
        settle_days=_SETTLE_DAYS,
        window_days=emulator.config.days,
        state=ProfileState.ACTIVE if account.linked else ProfileState.UNLINKED,
        state_reason=None if account.linked else _NOT_LINKED,
    )
    return Past(
        profile,
        tuple(PastDay(_morning(min(each.day + timedelta(days=1), until)), each) for each in days),
        _snapshots(emulator, account, read),
        _polls(emulator, account, until) if stopped else (),
    )


def _read(emulator: Emulator, account: Account, on: date) -> tuple[DayMetrics, ...]:
    """Return the days that Ayrshare would have answered with, had it served a whole year."""
    config = replace(emulator.config, days=DAYS)
    changes = emulator.faults.changes(account.title, _SOCIAL)
    answer = {"pinterest": {"analytics": window(config, account.index, on.toordinal(), changes)}, "status": "success"}
    analytics = parse_account_analytics(msgspec.json.encode(answer), today=on)
    return analytics.days if isinstance(analytics, AccountAnalytics) else ()


def _snapshots(emulator: Emulator, account: Account, days: Sequence[DayMetrics]) -> tuple[PastSnapshot, ...]:
    """Return the sums of the window and the followers once a week."""
    described = character(emulator.config.seed, account.index)
    return tuple(
        PastSnapshot(
            read_at=_morning(days[end].day + timedelta(days=1)),
            window=_sums(days[max(0, end + 1 - emulator.config.days) : end + 1]),
            followers=followers(described, days[end].day.toordinal()) if described.has_board else None,
        )
        for end in range(len(days) - 1, -1, -_SNAPSHOT_EVERY_DAYS)
    )


def _sums(days: Sequence[DayMetrics]) -> Metrics:
    sums = {name: sum(getattr(each.metrics, name) or 0 for each in days) for name in _COUNTS}
    of = max(1, sums["impression"])
    return msgspec.convert(sums | {f"{name}_rate": sums[name] / of for name in _COUNTS[1:]}, Metrics)


def _polls(emulator: Emulator, account: Account, until: date) -> tuple[PastPoll, ...]:
    """Return a poll each day, for the weeks before a profile was read last."""
    days = [until - timedelta(days=ago) for ago in range(_POLLED_DAYS)]
    return tuple(
        PastPoll(_morning(day), 0.2 + 0.6 * uniforms(emulator.config.seed, "poll", account.index, day)[0], 1, 3)
        for day in days
    )


def _morning(day: date) -> datetime:
    return datetime.combine(day, _READ_AT)
