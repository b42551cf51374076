"""Learns how much series scatter around what is expected of them, one day at a time. Pure.

The variance of a count is that of a negative binomial, ``mean + spread * mean**2``. So is that of a sum over several
days; its spread includes the correlation of neighbouring days.
All arrays hold series along their last axis.
"""

from dataclasses import dataclass

import numpy as np

from collector.detect.model import Flags, Floats, Indices

WINDOWS = np.array([2, 3, 5, 7])
LEAST_MEAN = 0.05

_SPREAD_GAIN = 1 / 50
# Bounds in standard deviations, down and up: spikes must not hide drops. The last is the mean square of a normal
# deviate within these bounds.
_DOWN, _UP, _BOUNDED_MEAN = 2.5, 1.0, 0.746
# Bounds of a day's relative variance: calmer series have holidays too.
_LEAST_SPREAD = 0.04
_LARGEST_SPREAD = 2.0
# Variance of a mean of w days over that of one day, for a mildly autocorrelated series (AR(1), 0.2).
_SHRINK = np.array([[0.60], [0.42], [0.27], [0.20]])
_LEAST_WINDOW_SPREAD = np.array([[0.022], [0.017], [0.012], [0.009]])
# The prior weighs as much as this many days of the series' own windows.
_PRIOR_DAYS = 25.0
_MEMORY_DAYS = 50.0
_DOUBT = 3.0


@dataclass(slots=True)
class Noise:
    """Of n series: ``spread`` (n) of a day, ``window_spread`` (4, n) of sums over `WINDOWS`."""

    spread: Floats
    window_spread: Floats

    @classmethod
    def unknown(cls, series: int) -> "Noise":
        return cls(spread=np.full(series, 0.1), window_spread=np.full((len(WINDOWS), series), 0.1))

    def start(self, which: Indices, spread: Floats) -> None:
        self.spread[which] = spread
        self.window_spread[:, which] = np.maximum(_SHRINK * spread, _LEAST_WINDOW_SPREAD)

    def deviations(self, means: Floats) -> Floats:
        """Return the standard deviations of counts with these means (..., n)."""
        deviations: Floats = np.sqrt(means + self.spread * means**2)
        return deviations

    def learn(self, count: Floats, mean: Floats, scale: Floats, take: Flags) -> None:
        """Learn from a day's counts (n); a day whose mean is below the usual, ``scale``, says less about the spread."""
        miss = np.where(take, count - mean, 0.0)
        moved = (_bounded_square(miss, self.deviations(mean)) - mean) / mean**2 - self.spread
        trust = np.minimum(((1 / scale + self.spread) / (1 / mean + self.spread)) ** 2, 1.0)
        self.spread += np.where(take, _SPREAD_GAIN * trust * moved, 0.0)
        self.spread = bounded(self.spread, _LEAST_SPREAD, _LARGEST_SPREAD)

    def learn_windows(self, error: Floats, expected: Floats, uneven: Floats, take: Flags) -> None:
        """Learn from past sums over `WINDOWS`: relative errors and expected sums (4, n)."""
        variance = self.window_spread * uneven + 1 / expected
        own = (_bounded_square(error, np.sqrt(variance)) - 1 / expected) / uneven
        share = 1 / (_MEMORY_DAYS + _PRIOR_DAYS)
        prior = _SHRINK * self.spread
        pull = own * share + prior * (_PRIOR_DAYS / _MEMORY_DAYS * share)
        rate = share * (1 + _PRIOR_DAYS / _MEMORY_DAYS)
        self.window_spread += np.where(take, pull - rate * self.window_spread, 0.0)
        self.window_spread = bounded(self.window_spread, _LEAST_WINDOW_SPREAD, _LARGEST_SPREAD)

    def doubt(self, series: int) -> None:
        """Widen the noise of a series whose drop soon passed: it falls like that by itself."""
        self.window_spread[:, series] = np.minimum(_DOUBT * self.window_spread[:, series], _LARGEST_SPREAD)


def bounded(values: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Return ``values`` within bounds; np.clip takes five times as long for few values."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def spread_of(counts: Floats, usual: Floats) -> Floats:
    """Estimate spreads (n) from ``counts`` and means (days, n) by bounded squares; NaN is no number.

    The factor of 4 / 3 corrects for means that were made from the same days.
    """
    spread = np.full(counts.shape[1], 0.1)
    for _ in range(2):
        variance = usual + spread * usual**2
        squared = _bounded_square(counts - usual, np.sqrt(variance))
        weight = np.where(np.isnan(counts), 0.0, 1 / variance * usual)
        surplus = np.nansum(weight * (4 / 3 * squared - usual), axis=0)
        found = surplus / np.maximum((weight * usual**2).sum(axis=0), 1e-9)
        spread = bounded(found, _LEAST_SPREAD, _LARGEST_SPREAD)
    return spread


def _bounded_square(error: Floats, deviation: Floats) -> Floats:
    squared: Floats = bounded(error, -_DOWN * deviation, _UP * deviation) ** 2 / _BOUNDED_MEAN
    return squared
