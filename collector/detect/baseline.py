"""Learns what is usual for a series, its level and weekday rhythm, one day at a time. Pure.

A day's mean is ``exp(level) * rhythm[weekday]``.
The level follows the relative residual: the score of the negative binomial in the logarithm of its mean, divided by its
information. It is bounded as in Huber's M-estimators: Harvey, Dynamic Models for Volatility and Heavy Tails (2013).
All arrays hold series along their last axis.
"""

from dataclasses import dataclass

import numpy as np

from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import LEAST_MEAN, bounded, spread_of

TRAINING_DAYS = 28
WEEK = 7

_LEVEL_GAIN = 1 / 18
_RHYTHM_GAIN = 1 / 10
# Wider up than down, as counts are skewed.
_LEVEL_BOUND, _LEVEL_BOUND_UP = 1.5, 2.0
# Days further up than this are spikes, from which nothing is learned unless most days of the last weeks were high.
_SPIKE = 3.0
_HIGH_GAIN = 1 / 14
_HIGH_SHARE = 0.8
_HASTE = 4.0
_RHYTHM_BOUND = 2.0
_LEAST_MIDDLE = 3


@dataclass(slots=True)
class Baseline:
    """State of n series: ``level`` (n) and ``rhythm`` (7, n).

    ``learned`` (n) is the number of days, ``high`` (n) the recent share of days that were high.
    """

    level: Floats
    rhythm: Floats
    learned: Floats
    high: Floats

    @classmethod
    def unknown(cls, series: int) -> "Baseline":
        return cls(
            level=np.zeros(series),
            rhythm=np.ones((WEEK, series)),
            learned=np.zeros(series),
            high=np.zeros(series),
        )

    def train(self, which: Indices, counts: Floats, weekdays: Indices) -> Floats:
        """Start the series ``which`` from ``counts`` (days, len(which)) of ``weekdays`` (days); return their spread."""
        rhythm = np.stack([_middle(counts[weekdays == day]) for day in range(WEEK)])
        mean = np.maximum(rhythm.mean(axis=0), LEAST_MEAN)
        rhythm /= mean
        spread = spread_of(counts, np.maximum(rhythm[weekdays], 0.02) * mean)
        noise = (spread + 1 / mean) / (TRAINING_DAYS / WEEK)
        trust = np.maximum(0.0, 1 - noise / np.maximum(rhythm.var(axis=0) * WEEK / (WEEK - 1), 1e-9))
        rhythm = 1 + (rhythm - 1) * trust
        usual = np.maximum(rhythm[weekdays], 0.02) * mean
        bound = _LEVEL_BOUND * np.sqrt(usual + spread * usual**2)
        fitted = np.nansum(bounded(counts, usual - bound, usual + bound), axis=0)
        weight = np.where(np.isnan(counts), 0.0, usual).sum(axis=0)
        self.level[which] = np.log(mean * bounded(fitted / np.maximum(weight, LEAST_MEAN), 0.5, 2.0))
        self.rhythm[:, which] = rhythm
        self.learned[which] = TRAINING_DAYS
        return spread

    def relevel(self, which: Indices, counts: Floats, weekdays: Indices) -> None:
        """Set the level of the series ``which`` to the mean of ``counts`` (days, len(which)); their rhythm stays."""
        rhythm = self.rhythm[:, which][weekdays]
        weight = np.where(np.isnan(counts), 0.0, rhythm).sum(axis=0)
        mean = np.nansum(counts, axis=0) / np.maximum(weight, LEAST_MEAN)
        self.level[which] = np.log(np.maximum(mean, LEAST_MEAN))
        self.learned[which] = TRAINING_DAYS

    def means(self, weekdays: Indices) -> Floats:
        """Return the expected counts (days, n) of days with these weekdays."""
        return np.maximum(np.exp(self.level) * self.rhythm[weekdays], LEAST_MEAN)

    def learn(self, count: Floats, weekday: int, take: Flags, spread: Floats) -> None:
        """Learn from a day's counts (n) with this ``spread``, only for the series in ``take``."""
        scale = np.exp(self.level)
        mean = np.maximum(scale * self.rhythm[weekday], LEAST_MEAN)
        deviation = np.sqrt(mean + spread * mean**2)
        miss = np.where(take, count - mean, 0.0)
        self.high += np.where(take, _HIGH_GAIN * ((miss > deviation) - self.high), 0.0)
        risen = self.high > _HIGH_SHARE
        unspiked = np.where((miss > _SPIKE * deviation) & ~risen, 0.0, miss)
        gain = np.maximum(np.where(risen, _HASTE, 1.0) * _LEVEL_GAIN, 1 / (self.learned + 1))
        step = bounded(unspiked, -_LEVEL_BOUND * deviation, _LEVEL_BOUND_UP * deviation) / mean
        self.level += gain * np.minimum((1 / scale + spread) / (1 / mean + spread), 2.0) * step
        gain = np.maximum(_RHYTHM_GAIN, WEEK / (self.learned + WEEK))
        bound = _RHYTHM_BOUND * deviation
        step = gain * bounded(unspiked, -bound, bound) / scale
        self.rhythm[weekday] = np.maximum(self.rhythm[weekday] + step, 0.0)
        total = bounded(self.rhythm.sum(axis=0) / WEEK, 0.5, 2.0)
        self.rhythm /= total
        self.level += np.log(total)
        self.learned += take


def _middle(counts: Floats) -> Floats:
    """Return means (n) of (k, n) without NaN, the largest and the smallest value; 0 where nothing is left."""
    number = (~np.isnan(counts)).sum(axis=0)
    total = np.nansum(counts, axis=0)
    top = np.nanmax(np.where(np.isnan(counts), -np.inf, counts), axis=0, initial=-np.inf)
    bottom = np.nanmin(np.where(np.isnan(counts), np.inf, counts), axis=0, initial=np.inf)
    trimmed = (total - np.where(number > 0, top + bottom, 0.0)) / np.maximum(number - 2, 1)
    return np.asarray(np.where(number >= _LEAST_MIDDLE, trimmed, total / np.maximum(number, 1)))
