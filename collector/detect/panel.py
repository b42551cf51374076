"""Chooses the profiles of a replay that are worth drawing, and reads their days again."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from collector.detect.backtest import Asked, Replay, Replayed, onsets
from collector.detect.detector import batches, judge
from collector.detect.model import Floats, History
from collector.models.drop import JUDGED_METRICS
from collector.store.drop import DropStore, KnownDays, SettledProfile

MOST_PANELS = 12
_WITHOUT_DROPS = 4


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric of a profile: counts a day from ``first_day`` as they were known, what was expected, all episodes."""

    profile: str
    client: str
    metric: str
    first_day: date
    counts: Floats
    expected: Floats
    expected_low: Floats
    episodes: tuple[Replayed, ...]


@dataclass(frozen=True, slots=True)
class Panels:
    """The profiles that are drawn, and how many have drops and are not."""

    shown: list[Panel]
    left_out: int


async def read_panels(store: DropStore, asked: Asked, replay: Replay) -> Panels:
    """Read the profiles with the most drops of their own, then the largest; where nothing dropped, the first few."""
    profiles = await store.history()
    first_day = min((profile.first_day for profile in profiles), default=date.min)
    chosen = _chosen(replay, (profile for profile in profiles if asked.client in {None, profile.client}))
    panels: dict[str, Panel] = {}
    for batch in batches(profile for profile in profiles if profile.name in chosen):
        known = await store.known_days(batch.profile_ids, first_day, batch.newest, asked.sensitivity)
        if known:
            panels |= await asyncio.to_thread(_panels, known, first_day, chosen)
    dropped = len({episode.profile for episode in replay.episodes})
    return Panels([panels[name] for name in chosen if name in panels], max(dropped - MOST_PANELS, 0))


def _chosen(replay: Replay, profiles: Iterable[SettledProfile]) -> dict[str, list[Replayed]]:
    """Return the episodes of the profiles to draw, in the order in which they are drawn."""
    found: dict[str, list[Replayed]] = {}
    for episode in replay.episodes:
        found.setdefault(episode.profile, []).append(episode)
    if not found:
        first = sorted((profile.client, profile.name) for profile in profiles)[:_WITHOUT_DROPS]
        return {name: [] for _, name in first}
    return dict(sorted(found.items(), key=_importance)[:MOST_PANELS])


def _importance(item: tuple[str, list[Replayed]]) -> tuple[int, bool, float, str]:
    """Sort by alarms, then by the share lost; profiles with drops of the fleet only come last."""
    name, episodes = item
    own = [episode for episode in episodes if not episode.inhibited]
    largest = max(episode.lost_share for episode in own or episodes)
    return -onsets(own), not own, -largest, name


def _panels(profiles: Sequence[KnownDays], first_day: date, chosen: dict[str, list[Replayed]]) -> dict[str, Panel]:
    counts, history = judge(profiles, first_day)
    return {
        profile.name: _panel(profile, chosen[profile.name], counts[row], history, row)
        for row, profile in enumerate(profiles)
    }


def _panel(profile: KnownDays, episodes: Sequence[Replayed], counts: Floats, history: History, row: int) -> Panel:
    metric = _metric(episodes)
    number = JUDGED_METRICS.index(metric)
    # The profile's own first day with a number.
    start = int(np.argmax(~np.isnan(counts[number])))
    return Panel(
        profile=profile.name,
        client=profile.client,
        metric=metric,
        first_day=history.first_day + timedelta(days=start),
        counts=counts[number, start:],
        expected=history.expected[row, number, start:].astype(np.float64),
        expected_low=history.expected_low[row, number, start:].astype(np.float64),
        # Those of other metrics too: a drop is reported for one metric, and others fell with it.
        episodes=tuple(episodes),
    )


def _metric(episodes: Sequence[Replayed]) -> str:
    """Return the metric with the most drops, the profile's own before the fleet's; engagement among equals."""
    own = [episode for episode in episodes if not episode.inhibited]
    dropped = [episode.metric for episode in own or episodes]
    return max(JUDGED_METRICS, key=dropped.count)
