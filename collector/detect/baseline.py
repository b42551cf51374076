"""What a series usually shows: its level, weekday rhythm and noise, learned one day at a time. Pure.

A day's mean is ``exp(level) * rhythm[weekday]``, and its variance that of a negative binomial,
``mean + spread * mean**2``.
The level follows the relative residual (the score of the negative binomial in the logarithm of its mean, over its
information), bounded as Huber's M-estimators are: Harvey, Dynamic Models for Volatility and Heavy Tails (2013).
All arrays hold series along their last axis.
"""

from dataclasses import dataclass

import numpy as np

from collector.detect.model import Flags, Floats, Indices

WINDOWS = np.array([2, 3, 5, 7])
TRAINING_DAYS = 28
WEEK = 7

_LEVEL_GAIN = 1 / 18
_RHYTHM_GAIN = 1 / 10
_SPREAD_GAIN = 1 / 50
# Wider up than down, as counts are skewed.
_LEVEL_BOUND, _LEVEL_BOUND_UP = 1.5, 2.0
# Days further up than this are spikes and teach nothing, unless most days of three weeks and more were high.
_SPIKE = 3.0
_HIGH_GAIN = 1 / 14
_HIGH_SHARE = 0.8
_HASTE = 4.0
_RHYTHM_BOUND = 2.0
# In standard deviations, down and up: spikes up must not hide drops. The last is the mean of a normal deviate's
# square that is bounded so.
_DOWN, _UP, _BOUNDED_MEAN = 2.5, 1.0, 0.746
_LEAST_MEAN = 0.05
_LEAST_MIDDLE = 3
# Smallest and largest relative variance of a day that is believed: calmer series still have holidays.
_LEAST_SPREAD = 0.04
_LARGEST_SPREAD = 2.0
# Variance of a mean of w days over that of one day, for a mildly autocorrelated series (AR(1), 0.2).
_SHRINK = np.array([[0.60], [0.42], [0.27], [0.20]])
_LEAST_WINDOW_SPREAD = np.array([[0.022], [0.017], [0.012], [0.009]])
# The prior counts as this many days beside the series' own windows.
_PRIOR_DAYS = 25.0
_MEMORY_DAYS = 50.0
_DOUBT = 3.0


@dataclass(slots=True)
class Baseline:
    """State of n series: ``level`` (n), ``rhythm`` (7, n), ``spread`` (n), ``window_spread`` (4, n).

    ``learned`` (n) is the number of days, ``high`` (n) the recent share of days that were high.
    """

    level: Floats
    rhythm: Floats
    spread: Floats
    window_spread: Floats
    learned: Floats
    high: Floats

    @classmethod
    def unknown(cls, series: int) -> "Baseline":
        return cls(
            level=np.zeros(series),
            rhythm=np.ones((WEEK, series)),
            spread=np.full(series, 0.1),
            window_spread=np.full((len(WINDOWS), series), 0.1),
            learned=np.zeros(series),
            high=np.zeros(series),
        )

    def train(self, which: Indices, counts: Floats, weekdays: Indices) -> None:
        """Start the series ``which`` from ``counts`` (days, len(which)) of ``weekdays`` (days)."""
        rhythm = np.stack([_middle(counts[weekdays == day]) for day in range(WEEK)])
        mean = np.maximum(rhythm.mean(axis=0), _LEAST_MEAN)
        rhythm /= mean
        usual = np.maximum(rhythm[weekdays], 0.02) * mean
        spread = _moment_spread(counts, usual, np.full(len(which), 0.1))
        spread = _moment_spread(counts, usual, spread)
        noise = (spread + 1 / mean) / (TRAINING_DAYS / WEEK)
        trust = np.maximum(0.0, 1 - noise / np.maximum(rhythm.var(axis=0) * WEEK / (WEEK - 1), 1e-9))
        rhythm = 1 + (rhythm - 1) * trust
        usual = np.maximum(rhythm[weekdays], 0.02) * mean
        bound = _LEVEL_BOUND * np.sqrt(usual + spread * usual**2)
        fitted = np.nansum(np.clip(counts, usual - bound, usual + bound), axis=0)
        weight = np.where(np.isnan(counts), 0.0, usual).sum(axis=0)
        self.level[which] = np.log(mean * np.clip(fitted / np.maximum(weight, _LEAST_MEAN), 0.5, 2.0))
        self.rhythm[:, which] = rhythm
        self.spread[which] = spread
        self.window_spread[:, which] = np.maximum(_SHRINK * spread, _LEAST_WINDOW_SPREAD)
        self.learned[which] = TRAINING_DAYS

    def relevel(self, which: Indices, counts: Floats, weekdays: Indices) -> None:
        """Take the mean of ``counts`` (days, len(which)) for the level; rhythm and noise stay."""
        rhythm = self.rhythm[:, which][weekdays]
        weight = np.where(np.isnan(counts), 0.0, rhythm).sum(axis=0)
        mean = np.nansum(counts, axis=0) / np.maximum(weight, _LEAST_MEAN)
        self.level[which] = np.log(np.maximum(mean, _LEAST_MEAN))
        self.learned[which] = TRAINING_DAYS

    def means(self, weekdays: Indices) -> Floats:
        """Return the expected counts (days, n) of days with these weekdays."""
        return np.maximum(np.exp(self.level) * self.rhythm[weekdays], _LEAST_MEAN)

    def learn(self, count: Floats, weekday: int, take: Flags) -> None:
        """Learn from a day's counts (n), only for the series in ``take``."""
        scale = np.exp(self.level)
        mean = np.maximum(scale * self.rhythm[weekday], _LEAST_MEAN)
        deviation = np.sqrt(mean + self.spread * mean**2)
        miss = np.where(take, count - mean, 0.0)
        self.high += np.where(take, _HIGH_GAIN * ((miss > deviation) - self.high), 0.0)
        risen = self.high > _HIGH_SHARE
        heard = np.where((miss > _SPIKE * deviation) & ~risen, 0.0, miss)
        own = 1 / mean + self.spread
        weight = np.minimum((1 / scale + self.spread) / own, 2.0)
        gain = np.maximum(np.where(risen, _HASTE, 1.0) * _LEVEL_GAIN, 1 / (self.learned + 1))
        self.level += gain * weight * np.clip(heard, -_LEVEL_BOUND * deviation, _LEVEL_BOUND_UP * deviation) / mean
        gain = np.maximum(_RHYTHM_GAIN, WEEK / (self.learned + WEEK))
        bound = _RHYTHM_BOUND * deviation
        step = gain * np.clip(heard, -bound, bound) / scale
        self.rhythm[weekday] = np.maximum(self.rhythm[weekday] + step, 0.0)
        total = np.clip(self.rhythm.sum(axis=0) / WEEK, 0.5, 2.0)
        self.rhythm /= total
        self.level += np.log(total)
        moved = (_bounded_square(miss, deviation) - mean) / mean**2 - self.spread
        weight = _SPREAD_GAIN * (self.spread + 1 / scale) ** 2 / np.maximum(own, 1e-9) ** 2
        self.spread += np.where(take, np.minimum(weight, _SPREAD_GAIN) * moved, 0.0)
        np.clip(self.spread, _LEAST_SPREAD, _LARGEST_SPREAD, out=self.spread)
        self.learned += take

    def learn_windows(self, error: Floats, expected: Floats, uneven: Floats, take: Flags) -> None:
        """Learn the noise of sums over `WINDOWS`: relative errors, expected sums (4, n) of past windows."""
        variance = self.window_spread * uneven + 1 / expected
        own = (_bounded_square(error, np.sqrt(variance)) - 1 / expected) / uneven
        share = 1 / (_MEMORY_DAYS + _PRIOR_DAYS)
        prior = _SHRINK * self.spread
        pull = own * share + prior * (_PRIOR_DAYS / _MEMORY_DAYS * share)
        rate = share * (1 + _PRIOR_DAYS / _MEMORY_DAYS)
        self.window_spread += np.where(take, pull - rate * self.window_spread, 0.0)
        np.clip(self.window_spread, _LEAST_WINDOW_SPREAD, _LARGEST_SPREAD, out=self.window_spread)

    def doubt(self, series: int) -> None:
        """Take a drop that passed for noise: the series falls like that by itself."""
        self.window_spread[:, series] = np.minimum(_DOUBT * self.window_spread[:, series], _LARGEST_SPREAD)


def _middle(counts: Floats) -> Floats:
    """Return the mean of what is left of (k, n) without its largest and smallest, NaN left out; 0 without any."""
    number = (~np.isnan(counts)).sum(axis=0)
    total = np.nansum(counts, axis=0)
    top = np.nanmax(np.where(np.isnan(counts), -np.inf, counts), axis=0, initial=-np.inf)
    bottom = np.nanmin(np.where(np.isnan(counts), np.inf, counts), axis=0, initial=np.inf)
    trimmed = (total - np.where(number > 0, top + bottom, 0.0)) / np.maximum(number - 2, 1)
    return np.asarray(np.where(number >= _LEAST_MIDDLE, trimmed, total / np.maximum(number, 1)))


def _moment_spread(counts: Floats, usual: Floats, spread: Floats) -> Floats:
    """Estimate the relative extra variance by bounded squares; 4 / 3 as the means are of the same days."""
    variance = usual + spread * usual**2
    squared = _bounded_square(counts - usual, np.sqrt(variance))
    weight = np.where(np.isnan(counts), 0.0, 1 / variance * usual)
    surplus = np.nansum(weight * (4 / 3 * squared - usual), axis=0)
    found = surplus / np.maximum((weight * usual**2).sum(axis=0), 1e-9)
    return np.asarray(np.clip(found, _LEAST_SPREAD, _LARGEST_SPREAD))


def _bounded_square(error: Floats, deviation: Floats) -> Floats:
    bounded = np.clip(error, -_DOWN * deviation, _UP * deviation)
    squared: Floats = bounded**2 / _BOUNDED_MEAN
    return squared
