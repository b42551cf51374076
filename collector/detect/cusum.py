"""Adds up by how much days are too low, until they are usual again: finds small and slow drops. Pure.

Page's (1954) cumulative sum of the days' normal scores: ``sum = max(0, sum - score - reference)``.
Of the joint series only: what small falls of one metric share with chance is too much. Arrays are (profiles).
"""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import Noise
from collector.detect.small import any_of, bounded


@dataclass(slots=True)
class Cusum:
    """``total`` in standard deviations, and since it is above zero the number of ``days``.

    ``observed`` and ``expected`` (rows, profiles) are sums of counts and means of these days.
    """

    total: Floats
    days: Floats
    observed: Floats
    expected: Floats

    @classmethod
    def none(cls, metrics: int, profiles: int) -> "Cusum":
        total, days = np.zeros((2, profiles))
        observed, expected = np.zeros((2, metrics + 1, profiles))
        return cls(total, days, observed, expected)

    def add(self, counts: Floats, means: Floats, noise: Noise, unusual: Floats) -> None:
        """Add a day's counts and means (rows, profiles), and its relative deviation if it is ``unusual`` (profiles)."""
        known = ~np.isnan(counts)
        count, mean = counts[-1], means[-1]
        some = known[-1]
        variance = 1 / mean + noise.spread[-1]
        # A week's noise says how much neighbouring days have in common.
        shared = np.maximum(tuning.WEEK * noise.window_spread[-1, -1] + 1 / mean, variance)
        shared *= (shared / variance) ** tuning.CUSUM_SHARED
        # Wilson and Hilferty (1931): the cube root of a gamma is nearly normal.
        score = (np.cbrt(np.where(some, count, mean) / mean) - 1 + variance / 9) / np.sqrt((shared + unusual**2) / 9)
        step = np.where(some, -bounded(score, *tuning.CUSUM_BOUND) - tuning.CUSUM_REFERENCE, 0.0)
        self.total = bounded(self.total + step, 0.0, tuning.CUSUM_MOST)
        up = self.total > 0
        if not any_of(up | (self.days > 0)):
            return
        self.days = np.where(up, self.days + some, 0.0)
        self.observed = np.where(up, self.observed + np.where(known, counts, 0.0), 0.0)
        self.expected = np.where(up, self.expected + np.where(known, means, 0.0), 0.0)

    def of(self, which: Indices) -> "Cusum":
        """Return the sums of some profiles."""
        return Cusum(self.total[which], self.days[which], self.observed[:, which], self.expected[:, which])

    def forget(self, which: Flags) -> None:
        """Begin anew where ``which`` is true."""
        for values in (self.total, self.days):
            values[which] = 0.0
        self.observed[:, which], self.expected[:, which] = 0.0, 0.0

    @property
    def suspected(self) -> Flags:
        """Of which profiles a drop is suspected: their levels must not learn it."""
        return np.asarray(self.total >= tuning.CUSUM_SUSPECTED)
