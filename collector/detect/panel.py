"""Chooses the profiles of a replay that are worth a picture, and reads their days again."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg
import numpy as np

from collector.detect.backtest import Asked, Replay, Replayed, onsets
from collector.detect.detector import batches, judge
from collector.detect.model import METRICS, Floats
from collector.store.drop import DropStore

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
    profiles, first_day = await store.history()
    chosen = _chosen(replay, (row for row in profiles if asked.client in {None, row["client"]}))
    panels: dict[str, Panel] = {}
    for batch in batches((row["id"], row["settled_through"]) for row in profiles if row["name"] in chosen):
        rows = await store.known_days(batch.profile_ids, first_day, batch.newest, asked.sensitivity)
        if not rows:
            continue
        for panel in await asyncio.to_thread(_panels, rows, first_day, chosen):
            panels[panel.profile] = panel
    dropped = len({episode.profile for episode in replay.episodes})
    return Panels([panels[name] for name in chosen if name in panels], max(dropped - MOST_PANELS, 0))


def _chosen(replay: Replay, profiles: Iterable[asyncpg.Record]) -> dict[str, list[Replayed]]:
    """Return the episodes of the profiles to draw, in the order in which they are drawn."""
    found: dict[str, list[Replayed]] = {}
    for episode in replay.episodes:
        found.setdefault(episode.profile, []).append(episode)
    if not found:
        first = sorted((row["client"], row["name"]) for row in profiles)[:_WITHOUT_DROPS]
        return {name: [] for _, name in first}
    return dict(sorted(found.items(), key=_importance)[:MOST_PANELS])


def _importance(item: tuple[str, list[Replayed]]) -> tuple[int, bool, float, str]:
    """Sort by alarms, then by the share lost; profiles with drops of the fleet only come last."""
    name, episodes = item
    own = [episode for episode in episodes if not episode.inhibited]
    largest = max(1 - episode.observed / episode.expected for episode in own or episodes)
    return -onsets(episodes), not own, -largest, name


def _panels(rows: Sequence[asyncpg.Record], first_day: date, chosen: dict[str, list[Replayed]]) -> Iterator[Panel]:
    profiles, history = judge(rows, first_day)
    for place, profile in enumerate(profiles):
        episodes = chosen[profile.row["name"]]
        metric = _metric(episodes)
        number = METRICS.index(metric)
        counts = profile.counts[number]
        # What comes before the first number of anybody is no part of this profile's picture.
        start = int(np.argmax(~np.isnan(counts)))
        yield Panel(
            profile=profile.row["name"],
            client=profile.row["client"],
            metric=metric,
            first_day=date.fromordinal(history.first_day.toordinal() + start),
            counts=counts[start:],
            expected=history.expected[place, number, start:].astype(np.float64),
            expected_low=history.expected_low[place, number, start:].astype(np.float64),
            # Those of other metrics too: a drop is told of one metric and holds all that fell with it.
            episodes=tuple(episodes),
        )


def _metric(episodes: Sequence[Replayed]) -> str:
    """Return the metric with the most drops, the profile's own before the fleet's; engagement among equals."""
    own = [episode for episode in episodes if not episode.inhibited]
    told = [episode.metric for episode in own or episodes]
    return max(METRICS, key=told.count)
