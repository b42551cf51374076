"""Asks the collector's detector. The one module of this benchmark that knows it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from bench.detect.world import Flags, Floats, Indices
from collector.detect.evaluate import evaluate
from collector.models.drop import JUDGED_METRICS, CloseReason, Episode, Sensitivity

# Profiles that are judged at once.
_BATCH = 1000


@dataclass(frozen=True)
class Verdicts:
    """``detected`` (accounts, metrics, days): the days on which drops were told, by the metric named."""

    detected: Flags
    episodes: list[tuple[Episode, ...]]
    first_days: tuple[date, ...]

    def alarms(self, counted_from: Indices) -> int:
        """Count an account's episodes detected from a day on, those that overlap in time as one."""
        number = 0
        for account, episodes in enumerate(self.episodes):
            last = -1
            for episode in sorted(episodes, key=lambda one: one.first_day):
                apart = self._index(account, episode.first_day) > last
                number += apart and self._index(account, episode.detected_day) >= counted_from[account]
                last = max(last, self._index(account, episode.last_day))
        return number

    def recovered(self, starts: Indices, within: int, follow: int) -> tuple[int, int]:
        """Return how many drops were told ``within`` days, and how many of them were closed as recovered."""
        told = recovered = 0
        for account, episodes in enumerate(self.episodes):
            if starts[account] > self.detected.shape[2] - follow:
                continue
            since = [self._index(account, one.detected_day) - starts[account] for one in episodes]
            found = [one for one, days in zip(episodes, since, strict=True) if 0 <= days < within]
            told += bool(found)
            recovered += any(one.close_reason == CloseReason.RECOVERED for one in found)
        return told, recovered

    def _index(self, account: int, day: date) -> int:
        return (day - self.first_days[account]).days


def judge(
    counts: Floats,
    first_days: tuple[date, ...],
    sensitivity: Sensitivity = Sensitivity.NORMAL,
    countries: tuple[str, ...] = (),
) -> tuple[Verdicts, str]:
    """Judge ``counts`` (profiles, metrics, days), and return the text of NumPy's first warning too, empty if none."""
    warned = ""
    episodes: list[tuple[Episode, ...]] = [()] * len(counts)
    for which, first_day in _batches(first_days):
        last_day = int(np.flatnonzero((~np.isnan(counts[which])).any(axis=(0, 1)))[-1])
        batch = counts[which][:, :, : last_day + 1]
        known = [countries[profile] for profile in which] if countries else ()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = evaluate(batch, first_day, sensitivity, known).episodes
        except RuntimeWarning as warning:
            warned = warned or str(warning)
            with np.errstate(all="ignore"):
                found = evaluate(batch, first_day, sensitivity, known).episodes
        for profile, each in zip(which, found, strict=True):
            episodes[profile] = each
    return Verdicts(_detected(episodes, first_days, counts), episodes, first_days), warned


def _batches(first_days: tuple[date, ...]) -> Iterator[tuple[list[int], date]]:
    """Yield profiles whose first day is the same."""
    for first_day in sorted(set(first_days)):
        which = [profile for profile, day in enumerate(first_days) if day == first_day]
        for start in range(0, len(which), _BATCH):
            yield which[start : start + _BATCH], first_day


def _detected(episodes: list[tuple[Episode, ...]], first_days: tuple[date, ...], counts: Floats) -> Flags:
    detected = np.zeros(counts.shape, dtype=np.bool_)
    for profile, found in enumerate(episodes):
        for episode in found:
            metric = JUDGED_METRICS.index(episode.metric)
            detected[profile, metric, (episode.detected_day - first_days[profile]).days] = True
    return detected
