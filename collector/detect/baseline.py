"""Learns what is usual for a series, its level and weekday rhythm, one day at a time. Pure.

A day's mean is ``exp(level) * rhythm[weekday]``.
The level follows the relative residual: the score of the negative binomial in the logarithm of its mean, divided by its
information. It is bounded as in Huber's M-estimators: Harvey, Dynamic Models for Volatility and Heavy Tails (2013).
Arrays end with the axes (metrics, profiles).
"""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import spread_of
from collector.detect.small import bounded


@dataclass(slots=True)
class Baseline:
    """What was learned of series: ``level`` (metrics, profiles) and ``rhythm`` (7, metrics, profiles).

    ``learned`` is the number of days, ``high`` the recent share of days that were high. ``fading`` are series whose
    last spike is not over.
    """

    level: Floats
    rhythm: Floats
    learned: Floats
    high: Floats
    fading: Flags

    @classmethod
    def unknown(cls, metrics: int, profiles: int) -> "Baseline":
        level, learned, high = np.zeros((3, metrics, profiles))
        fading = np.zeros((metrics, profiles), dtype=np.bool_)
        return cls(level, np.ones((tuning.WEEK, metrics, profiles)), learned, high, fading)

    def train(self, which: Flags, counts: Floats, weekdays: Indices) -> Floats:
        """Start the series ``which`` from ``counts`` (days, k) of ``weekdays`` (days); return their spread (k)."""
        rhythm = np.stack([_middle(counts[weekdays == day]) for day in range(tuning.WEEK)])
        mean = np.maximum(rhythm.mean(axis=0), tuning.LEAST_MEAN)
        rhythm /= mean
        spread = spread_of(counts, np.maximum(rhythm[weekdays], 0.02) * mean)
        noise = (spread + 1 / mean) / (tuning.TRAINING_DAYS / tuning.WEEK)
        unbiased = rhythm.var(axis=0) * tuning.WEEK / (tuning.WEEK - 1)
        rhythm = 1 + (rhythm - 1) * np.maximum(0.0, 1 - noise / np.maximum(unbiased, 1e-9))
        usual = np.maximum(rhythm[weekdays], 0.02) * mean
        bound = tuning.LEVEL_BOUND[0] * np.sqrt(usual + spread * usual**2)
        fitted = np.nansum(bounded(counts, usual - bound, usual + bound), axis=0)
        weight = np.where(np.isnan(counts), 0.0, usual).sum(axis=0)
        self.level[which] = np.log(mean * bounded(fitted / np.maximum(weight, tuning.LEAST_MEAN), 0.5, 2.0))
        self.rhythm[:, which] = rhythm
        self.learned[which] = tuning.TRAINING_DAYS
        return spread

    def relevel(self, which: Flags, counts: Floats, weekdays: Indices) -> None:
        """Set the level of the series ``which`` to the mean of their k ``counts`` (days, k); their rhythm stays."""
        rhythm = self.rhythm[:, which][weekdays]
        weight = np.where(np.isnan(counts), 0.0, rhythm).sum(axis=0)
        mean = np.nansum(counts, axis=0) / np.maximum(weight, tuning.LEAST_MEAN)
        self.level[which] = np.log(np.maximum(mean, tuning.LEAST_MEAN))
        self.learned[which] = tuning.TRAINING_DAYS

    def means(self, weekdays: Indices) -> Floats:
        """Return the expected counts (days, metrics, profiles) of days with these weekdays."""
        return np.maximum(np.exp(self.level) * self.rhythm[weekdays], tuning.LEAST_MEAN)

    def learn(self, count: Floats, weekday: int, take: Flags, spread: Floats, shared: Floats) -> None:
        """Learn from a day's counts with this ``spread``, only for the series in ``take``.

        The level follows faster where weeks vary more than their days, by the factor ``shared`` (profiles).
        """
        scale = np.exp(self.level)
        mean = np.maximum(scale * self.rhythm[weekday], tuning.LEAST_MEAN)
        deviation = np.sqrt(mean + spread * mean**2)
        miss = np.where(take, count - mean, 0.0)
        self.high += np.where(take, tuning.HIGH_GAIN * ((miss > deviation) - self.high), 0.0)
        risen = self.high > tuning.HIGH_SHARE
        # A spike fades until a day is no longer high; a day that is not taken says nothing.
        spiked = (self.fading | (miss > tuning.SPIKE * deviation)) & ~risen
        self.fading = np.where(take, spiked & (miss > 0), self.fading)
        unspiked = np.where(self.fading, 0.0, miss)
        gain = np.maximum(bounded(tuning.WANDER_GAIN * (shared - 1), *tuning.LEVEL_GAIN), 1 / (self.learned + 1))
        gain = np.where(risen, tuning.RISEN_GAIN, gain)
        down, up = tuning.LEVEL_BOUND
        step = bounded(unspiked, -down * deviation, up * deviation) / mean
        self.level += gain * np.minimum((1 / scale + spread) / (1 / mean + spread), 2.0) * step
        gain = np.maximum(tuning.RHYTHM_GAIN, tuning.WEEK / (self.learned + tuning.WEEK))
        bound = tuning.RHYTHM_BOUND * deviation
        # The rhythm of nearly nothing is frozen: its weekdays would decay to zero.
        step = np.where(scale < tuning.DORMANT, 0.0, gain * bounded(unspiked, -bound, bound) / scale)
        self.rhythm[weekday] = np.maximum(self.rhythm[weekday] + step, 0.0)
        total = bounded(self.rhythm.sum(axis=0) / tuning.WEEK, 0.5, 2.0)
        self.rhythm /= total
        self.level += np.log(total)
        self.learned += take


def _middle(counts: Floats) -> Floats:
    """Return means (k) of (days, k) without NaN, the largest and the smallest value; 0 where nothing is left."""
    number = (~np.isnan(counts)).sum(axis=0)
    total = np.nansum(counts, axis=0)
    top = np.nanmax(np.where(np.isnan(counts), -np.inf, counts), axis=0, initial=-np.inf)
    bottom = np.nanmin(np.where(np.isnan(counts), np.inf, counts), axis=0, initial=np.inf)
    trimmed = (total - np.where(number > 0, top + bottom, 0.0)) / np.maximum(number - 2, 1)
    return np.asarray(np.where(number >= tuning.LEAST_MIDDLE, trimmed, total / np.maximum(number, 1)))
