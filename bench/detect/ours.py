"""Asks the collector's detector. The one module of this benchmark that knows it."""

import warnings
from dataclasses import dataclass
from datetime import date

import numpy as np

from bench.detect.world import Flags, Floats, Indices
from collector.detect.evaluate import evaluate
from collector.models import JUDGED_METRICS, CloseReason, Episode, Sensitivity

# Profiles that are judged at once.
_BATCH = 1000


@dataclass(frozen=True)
class Verdicts:
    """``detected`` (accounts, metrics, days): the days on which drops were told, by the metric named."""

    detected: Flags
    episodes: list[tuple[Episode, ...]]
    first_day: date

    def alarms(self, counted_from: Indices) -> int:
        """Count an account's episodes detected from a day on, those that overlap in time as one."""
        number = 0
        for account, episodes in enumerate(self.episodes):
            last = -1
            for episode in sorted(episodes, key=lambda one: one.first_day):
                apart = self._index(episode.first_day) > last
                number += apart and self._index(episode.detected_day) >= counted_from[account]
                last = max(last, self._index(episode.last_day))
        return number

    def recovered(self, starts: Indices, within: int, follow: int) -> tuple[int, int]:
        """Return how many drops were told ``within`` days, and how many of them were closed as recovered."""
        told = recovered = 0
        days = self.detected.shape[2]
        for start, episodes in zip(starts, self.episodes, strict=True):
            if start > days - follow:
                continue
            found = [one for one in episodes if start <= self._index(one.detected_day) < start + within]
            told += bool(found)
            recovered += any(one.close_reason == CloseReason.RECOVERED for one in found)
        return told, recovered

    def _index(self, day: date) -> int:
        return (day - self.first_day).days


def judge(counts: Floats, first_day: date, sensitivity: Sensitivity = Sensitivity.NORMAL) -> tuple[Verdicts, str]:
    """Judge ``counts`` (profiles, metrics, days), and return the text of NumPy's first warning too, empty if none."""
    warned = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            episodes = _episodes(counts, first_day, sensitivity)
    except RuntimeWarning as warning:
        warned = str(warning)
        with np.errstate(all="ignore"):
            episodes = _episodes(counts, first_day, sensitivity)
    detected = np.zeros(counts.shape, dtype=np.bool_)
    for profile, found in enumerate(episodes):
        for episode in found:
            metric = JUDGED_METRICS.index(episode.metric)
            detected[profile, metric, (episode.detected_day - first_day).days] = True
    return Verdicts(detected, episodes, first_day), warned


def _episodes(counts: Floats, first_day: date, sensitivity: Sensitivity) -> list[tuple[Episode, ...]]:
    found: list[tuple[Episode, ...]] = []
    for start in range(0, len(counts), _BATCH):
        found += evaluate(counts[start : start + _BATCH], first_day, sensitivity).episodes
    return found
