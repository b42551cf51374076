"""Replays history as it was known on each day, to see which drops the detector would have found."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from collector.detect.detector import batches, fleet_drop, judge, judged_since
from collector.detect.fleet import FleetEpisode, Span, cause_of, find_fleet_drops
from collector.detect.model import Silence
from collector.detect.sentence import Causes, sentence
from collector.models.drop import Episode, JudgedDays, Sensitivity
from collector.store.drop import DropStore
from collector.store.drop_list import Onset
from collector.store.fleet_drop import FleetDrop

_YEAR_DAYS = 365.25


class Asked(msgspec.Struct, frozen=True):
    """What to replay: one client's profiles or all.

    ``since`` limits what is counted, not what is learned from. ``sensitivity`` None is each profile's own.
    """

    client: str | None = None
    since: date | None = None
    sensitivity: Sensitivity | None = None


class Replayed(Episode, frozen=True, kw_only=True):
    """A drop, as the detector would have reported it.

    An ``inhibited`` one began with a drop of the whole fleet: it would have raised no alarm. ``dismissed`` is what was
    noted by whoever said that it was not a problem.
    """

    profile: str
    client: str
    inhibited: bool
    dismissed: str | None
    sentence: str


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How often the detector would have raised an alarm.

    Episodes of a profile that overlap are one alarm; those that are ``inhibited`` are none. Dismissed ones are: they
    were told before somebody could say so.
    """

    profiles: int
    not_judged: int
    profile_years: float
    episodes: int
    inhibited: int
    dismissed: int
    alarms: int
    alarms_per_client_year: float


class Replay(msgspec.Struct, frozen=True):
    """Everything that was detected since the day asked for, and the rates of alarms."""

    fleet: list[FleetDrop]
    episodes: list[Replayed]
    rates: Rates


async def backtest(store: DropStore, asked: Asked, notes: Mapping[Onset, str] | None = None) -> Replay:
    """Replay the settled days of all profiles, and return the drops of all or of one client's; ``notes`` on them too.

    The whole fleet is walked over in any case, as a client's drop may be the fleet's. A day counts with the version
    that was known when it settled; one that was first seen later, with its first.
    """
    since = asked.since
    walked = [profile async for profile in _walk(store, asked)]
    judged = [JudgedDays(each.id, each.judged_since, each.settled_through) for each in walked if each.judged_since]
    spans = (Span(each.id, one.detected_day, one.last_day) for each in walked for one in each.episodes)
    drops = find_fleet_drops(spans, judged, min((span.first_day for span in judged), default=date.min))
    newest = max((span.last_day for span in judged), default=date.min)
    shown = [profile for profile in walked if asked.client in {None, profile.client}]
    replayed = [_replayed(profile, drops, since, notes or {}) for profile in shown]
    return Replay(
        [fleet_drop(drop, newest) for drop in drops if since is None or drop.last_day >= since],
        sorted(
            (episode for each in replayed for episode in each),
            key=lambda each: (each.detected_day, each.client, each.profile),
        ),
        _rates(shown, replayed),
    )


class _Walked(msgspec.Struct, frozen=True):
    """What is kept of a profile whose days were judged: how many since the day asked for, and all its episodes."""

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
    profiles = await store.history()
    first_day = min((profile.first_day for profile in profiles), default=date.min)
    for batch in batches(profiles):
        known = await store.known_days(batch.profile_ids, first_day, batch.newest, asked.sensitivity)
        if not known:
            continue
        _, history = await asyncio.to_thread(judge, known, first_day)
        counted_from = max((since - history.first_day).days, 0) if since is not None else 0
        days = (history.silence[:, 0, counted_from:] == Silence.NONE).sum(axis=1).tolist()
        verdicts = zip(known, judged_since(history), days, history.episodes, strict=True)
        for profile, judged_from, judged_days, episodes in verdicts:
            yield _Walked(
                id=profile.id,
                name=profile.name,
                client=profile.client,
                judged_since=judged_from,
                settled_through=profile.settled_through,
                days=judged_days,
                episodes=episodes,
            )


def _replayed(
    profile: _Walked, drops: Sequence[FleetEpisode], since: date | None, notes: Mapping[Onset, str]
) -> list[Replayed]:
    return [
        _replay_of(
            profile, episode, cause_of(episode, drops), notes.get((profile.id, episode.metric, episode.first_day))
        )
        for episode in profile.episodes
        if since is None or episode.detected_day >= since
    ]


def _rates(profiles: Sequence[_Walked], replayed: Sequence[Sequence[Replayed]]) -> Rates:
    years = sum(profile.days for profile in profiles) / _YEAR_DAYS
    alarms = sum(onsets(episode for episode in each if not episode.inhibited) for each in replayed)
    return Rates(
        profiles=len(profiles),
        not_judged=sum(profile.days == 0 for profile in profiles),
        profile_years=round(years, 2),
        episodes=sum(map(len, replayed)),
        inhibited=sum(episode.inhibited for each in replayed for episode in each),
        dismissed=sum(episode.dismissed is not None for each in replayed for episode in each),
        alarms=alarms,
        alarms_per_client_year=round(alarms / years, 3) if years else 0.0,
    )


def onsets(episodes: Iterable[Episode]) -> int:
    """Count the episodes of a profile that began while no other was open."""
    count = 0
    alarmed_until: date | None = None
    for episode in sorted(episodes, key=lambda each: each.detected_day):
        if alarmed_until is None or episode.detected_day > alarmed_until + timedelta(days=1):
            count += 1
        alarmed_until = max(episode.last_day, alarmed_until or episode.last_day)
    return count


def _replay_of(profile: _Walked, episode: Episode, cause: FleetEpisode | None, note: str | None) -> Replayed:
    return Replayed(
        **msgspec.structs.asdict(episode),
        profile=profile.name,
        client=profile.client,
        inhibited=cause is not None,
        dismissed=note,
        sentence=sentence(profile.name, episode, Causes(fleet=cause)),
    )
