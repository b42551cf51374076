"""What the detector would have said: history replayed as it was known on each day."""

from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg
import msgspec

from collector.detect.detector import batches, judge
from collector.detect.model import Episode, Sensitivity, Silence
from collector.detect.sentence import sentence
from collector.store.drop import DropStore

_YEAR_DAYS = 365.25


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One episode, as the detector would have told it; ``observed`` and the expected are means a day."""

    profile: str
    client: str
    metric: str
    first_day: date
    detected_day: date
    last_day: date
    observed: float
    expected: float
    expected_low: float
    score: float
    sentence: str


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How often a client would have been told. Episodes of a profile that overlap are one alarm."""

    profiles: int
    not_judged: int
    profile_years: float
    episodes: int
    alarms: int
    alarms_per_client_year: float


class Replay(msgspec.Struct, frozen=True):
    """All episodes that were detected since the day asked for, and their rates."""

    episodes: list[Replayed]
    rates: Rates


async def backtest(
    store: DropStore, *, client: str | None, since: date | None, sensitivity: Sensitivity | None
) -> Replay:
    """Replay the settled days of all profiles, or of one client's.

    ``since`` limits what is counted, not what is learned from. ``sensitivity`` None is each profile's own. A day counts
    with the version that was known when it settled; one that was first seen later, with its first.
    """
    replayed, first_day = await store.history(client)
    episodes: list[Replayed] = []
    judged_days = silent = alarms = 0
    for profile_ids in batches(replayed):
        rows = await store.known_days(profile_ids, first_day, sensitivity)
        profiles, history = judge(rows, first_day)
        counted_from = max((since - history.first_day).days, 0) if since is not None else 0
        for place, profile in enumerate(profiles):
            verdicts = history.silence[place, 0, counted_from:]
            days = int((verdicts == Silence.NONE).sum())
            judged_days += days
            silent += days == 0
            found = [e for e in history.episodes[place] if since is None or e.detected_day >= since]
            alarms += _onsets(found)
            episodes += [_replayed(profile.row, episode) for episode in found]
    years = judged_days / _YEAR_DAYS
    return Replay(
        sorted(episodes, key=lambda each: (each.detected_day, each.client, each.profile)),
        Rates(
            profiles=len(replayed),
            not_judged=silent,
            profile_years=round(years, 2),
            episodes=len(episodes),
            alarms=alarms,
            alarms_per_client_year=round(alarms / years, 3) if years else 0.0,
        ),
    )


def _onsets(episodes: Sequence[Episode]) -> int:
    """Count the episodes that began while no other of the profile was open."""
    count = 0
    told_until: date | None = None
    for episode in sorted(episodes, key=lambda each: each.detected_day):
        if told_until is None or episode.detected_day > told_until + timedelta(days=1):
            count += 1
        told_until = max(episode.last_day, told_until or episode.last_day)
    return count


def _replayed(row: asyncpg.Record, episode: Episode) -> Replayed:
    return Replayed(
        profile=row["name"],
        client=row["client"],
        metric=episode.metric,
        first_day=episode.first_day,
        detected_day=episode.detected_day,
        last_day=episode.last_day,
        observed=round(episode.observed, 3),
        expected=round(episode.expected, 3),
        expected_low=round(episode.expected_low, 3),
        score=round(episode.score, 3),
        sentence=sentence(row["name"], episode),
    )
