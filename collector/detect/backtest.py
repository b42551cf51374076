"""What the detector would have said: history replayed as it was known on each day."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta

import msgspec

from collector.detect.detector import batches, judge, judged_since
from collector.detect.fleet import FleetEpisode, Judged, Span, cause_of, find_fleet_drops
from collector.detect.model import Episode, Sensitivity, Silence
from collector.detect.sentence import Causes, fleet_sentence, sentence
from collector.store.drop import DropStore

_YEAR_DAYS = 365.25


class Asked(msgspec.Struct, frozen=True):
    """What to replay: one client's profiles or all.

    ``since`` limits what is counted, not what is learned from. ``sensitivity`` None is each profile's own.
    """

    client: str | None = None
    since: date | None = None
    sensitivity: Sensitivity | None = None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One episode, as the detector would have told it; ``observed`` and the expected are means a day.

    An ``inhibited`` one began with a drop of the whole fleet: nobody would have been told of it.
    """

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
    inhibited: bool
    sentence: str


class FleetDrop(msgspec.Struct, frozen=True, kw_only=True):
    """A drop of the whole fleet; ``share`` is the largest of its days."""

    first_day: date
    last_day: date
    profiles: int
    share: float
    sentence: str


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How often a client would have been told.

    Episodes of a profile that overlap are one alarm; those that are ``inhibited`` are none.
    """

    profiles: int
    not_judged: int
    profile_years: float
    episodes: int
    inhibited: int
    alarms: int
    alarms_per_client_year: float


class Replay(msgspec.Struct, frozen=True):
    """All that was detected since the day asked for, and how often it was."""

    fleet: list[FleetDrop]
    episodes: list[Replayed]
    rates: Rates


async def backtest(store: DropStore, asked: Asked) -> Replay:
    """Replay the settled days of all profiles, and return what became of them or of one client's.

    The whole fleet is walked over in any case, as a client's drop may be the fleet's. A day counts with the version
    that was known when it settled; one that was first seen later, with its first.
    """
    since = asked.since
    walked = [profile async for profile in _walk(store, asked)]
    judged = [Judged(each.id, each.judged_since, each.settled_through) for each in walked if each.judged_since]
    spans = (Span(each.id, one.detected_day, one.last_day) for each in walked for one in each.episodes)
    drops = find_fleet_drops(spans, judged, min((span.first_day for span in judged), default=date.min))
    newest = max((span.last_day for span in judged), default=date.min)
    shown = [profile for profile in walked if asked.client in {None, profile.client}]
    told = [_told(profile, drops, since) for profile in shown]
    return Replay(
        [_fleet_drop(drop, newest) for drop in drops if since is None or drop.last_day >= since],
        sorted(
            (replayed for each in told for replayed in each),
            key=lambda each: (each.detected_day, each.client, each.profile),
        ),
        _rates(shown, told),
    )


class _Walked(msgspec.Struct, frozen=True):
    """What is kept of a profile once its days were walked over; ``days`` were judged since the day asked for."""

    id: int
    name: str
    client: str
    judged_since: date | None
    settled_through: date
    days: int
    episodes: tuple[Episode, ...]


async def _walk(store: DropStore, asked: Asked) -> AsyncIterator[_Walked]:
    """Yield all profiles; the days of one batch are in memory at a time."""
    since = asked.since
    profiles, first_day = await store.history()
    for batch in batches((row["id"], row["settled_through"]) for row in profiles):
        rows = await store.known_days(batch.profile_ids, first_day, batch.newest, asked.sensitivity)
        if not rows:
            continue
        judged, history = await asyncio.to_thread(judge, rows, first_day)
        counted_from = max((since - history.first_day).days, 0) if since is not None else 0
        judged_from = judged_since(history)
        for place, row in enumerate(profile.row for profile in judged):
            yield _Walked(
                id=row["id"],
                name=row["name"],
                client=row["client"],
                judged_since=judged_from[place],
                settled_through=row["settled_through"],
                days=int((history.silence[place, 0, counted_from:] == Silence.NONE).sum()),
                episodes=history.episodes[place],
            )


def _told(profile: _Walked, drops: Sequence[FleetEpisode], since: date | None) -> list[Replayed]:
    return [
        _replayed(profile, episode, cause_of(episode, drops))
        for episode in profile.episodes
        if since is None or episode.detected_day >= since
    ]


def _rates(profiles: Sequence[_Walked], told: Sequence[Sequence[Replayed]]) -> Rates:
    years = sum(profile.days for profile in profiles) / _YEAR_DAYS
    alarms = sum(onsets(each) for each in told)
    return Rates(
        profiles=len(profiles),
        not_judged=sum(profile.days == 0 for profile in profiles),
        profile_years=round(years, 2),
        episodes=sum(map(len, told)),
        inhibited=sum(episode.inhibited for each in told for episode in each),
        alarms=alarms,
        alarms_per_client_year=round(alarms / years, 3) if years else 0.0,
    )


def onsets(episodes: Sequence[Replayed]) -> int:
    """Count the episodes of a profile that began while no other was open; the fleet's are not the profile's."""
    count = 0
    told_until: date | None = None
    for episode in sorted(episodes, key=lambda each: each.detected_day):
        if episode.inhibited:
            continue
        if told_until is None or episode.detected_day > told_until + timedelta(days=1):
            count += 1
        told_until = max(episode.last_day, told_until or episode.last_day)
    return count


def _replayed(profile: _Walked, episode: Episode, cause: FleetEpisode | None) -> Replayed:
    return Replayed(
        profile=profile.name,
        client=profile.client,
        metric=episode.metric,
        first_day=episode.first_day,
        detected_day=episode.detected_day,
        last_day=episode.last_day,
        observed=round(episode.observed, 3),
        expected=round(episode.expected, 3),
        expected_low=round(episode.expected_low, 3),
        score=round(episode.score, 3),
        inhibited=cause is not None,
        sentence=sentence(profile.name, episode, Causes(fleet=cause)),
    )


def _fleet_drop(drop: FleetEpisode, newest: date) -> FleetDrop:
    return FleetDrop(
        first_day=drop.first_day,
        last_day=drop.last_day,
        profiles=drop.profiles,
        share=round(drop.share, 3),
        sentence=fleet_sentence(drop, newest),
    )
