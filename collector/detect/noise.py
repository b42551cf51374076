"""Learns how much series scatter around what is expected of them, one day at a time. Pure.

The variance of a count is that of a negative binomial, ``mean + spread * mean**2``. So is that of a sum over several
days; its spread includes the correlation of neighbouring days.
Arrays end with the axes (rows, profiles): the metrics, and the joint series behind them.
"""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.detect.small import bounded


@dataclass(slots=True)
class Noise:
    """Relative variances: ``spread`` (rows, profiles) of a day, ``window_spread`` (4, rows, profiles) of windows."""

    spread: Floats
    window_spread: Floats

    @classmethod
    def unknown(cls, rows: int, profiles: int) -> "Noise":
        windows = (len(tuning.WINDOWS), rows, profiles)
        return cls(np.full(windows[1:], tuning.FIRST_SPREAD), np.full(windows, tuning.FIRST_SPREAD))

    def of(self, which: Indices) -> "Noise":
        """Return what is known of some profiles."""
        return Noise(self.spread[:, which], self.window_spread[:, :, which])

    def start(self, rows: slice, which: Flags, spread: Floats) -> None:
        """Begin with ``spread`` where ``which`` is true, both of these rows."""
        np.copyto(self.spread[rows], spread, where=which)
        windows = np.maximum(tuning.SHRINK * spread, tuning.LEAST_WINDOW_SPREAD)
        np.copyto(self.window_spread[:, rows], windows, where=which)

    def deviations(self, means: Floats) -> Floats:
        """Return the standard deviations of counts with these means."""
        deviations: Floats = np.sqrt(means + self.spread * means**2)
        return deviations

    def shared(self, mean: Floats) -> Floats:
        """Return by how much more a week varies than its days by themselves would, of each profile.

        It is of the joint series, which has these ``mean`` (profiles) counts a day.
        """
        ratio: Floats = (tuning.WEEK * self.window_spread[-1, -1] + 1 / mean) / (self.spread[-1] + 1 / mean)
        return ratio

    def learn(self, count: Floats, mean: Floats, scale: Floats, take: Flags) -> None:
        """Learn from a day's counts; a day whose mean is below the usual, ``scale``, says less about the spread."""
        miss = np.where(take, count - mean, 0.0)
        moved = (_bounded_square(miss, self.deviations(mean)) - mean) / mean**2 - self.spread
        trust = np.minimum(((1 / scale + self.spread) / (1 / mean + self.spread)) ** 2, 1.0)
        self.spread += np.where(take, tuning.SPREAD_GAIN * trust * moved, 0.0)
        self.spread = bounded(self.spread, *tuning.SPREADS)

    def learn_windows(self, error: Floats, expected: Floats, uneven: Floats, take: Flags) -> None:
        """Learn from past windows (4, rows, profiles): their relative errors and expected sums."""
        variance = self.window_spread * uneven + 1 / expected
        own = (_bounded_square(error, np.sqrt(variance)) - 1 / expected) / uneven
        share = 1 / (tuning.MEMORY_DAYS + tuning.PRIOR_DAYS)
        prior = tuning.SHRINK * self.spread
        pull = own * share + prior * (tuning.PRIOR_DAYS / tuning.MEMORY_DAYS * share)
        rate = share * (1 + tuning.PRIOR_DAYS / tuning.MEMORY_DAYS)
        self.window_spread += np.where(take, pull - rate * self.window_spread, 0.0)
        self.window_spread = bounded(self.window_spread, tuning.LEAST_WINDOW_SPREAD, tuning.SPREADS[1])

    def doubt(self, row: int, profile: int) -> None:
        """Widen the noise of a series whose drop soon passed: it falls like that by itself."""
        widened = tuning.DOUBT * self.window_spread[:, row, profile]
        self.window_spread[:, row, profile] = np.minimum(widened, tuning.SPREADS[1])


def spread_of(counts: Floats, usual: Floats) -> Floats:
    """Estimate spreads from ``counts`` and means, days first, by bounded squares; NaN is no number."""
    spread = np.full(counts.shape[1:], tuning.FIRST_SPREAD)
    for _ in range(2):
        variance = usual + spread * usual**2
        squared = _bounded_square(counts - usual, np.sqrt(variance))
        weight = np.where(np.isnan(counts), 0.0, 1 / variance * usual)
        surplus = np.nansum(weight * (tuning.TRAINED_BIAS * squared - usual), axis=0)
        found = surplus / np.maximum((weight * usual**2).sum(axis=0), 1e-9)
        spread = bounded(found, *tuning.SPREADS)
    return spread


def _bounded_square(error: Floats, deviation: Floats) -> Floats:
    down, up = tuning.NOISE_BOUND
    squared: Floats = bounded(error, -down * deviation, up * deviation) ** 2 / tuning.BOUNDED_MEAN
    return squared
