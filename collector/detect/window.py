"""Sums of the newest days over windows of two days to a week, of every day and all profiles. Pure.

Arrays end with the axes (rows, profiles): the metrics, and the joint series behind them. Those of windows begin with an
axis for `tuning.WINDOWS`.
"""

from dataclasses import dataclass, fields

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import Noise
from collector.detect.small import bounded

LENGTHS = tuning.WINDOWS[:, None, None]


@dataclass(frozen=True, slots=True)
class Window:
    """The newest week, oldest day first: ``counts`` and ``means`` (7, rows, profiles).

    The others are of windows. ``observed``, ``expected`` and ``bounded`` are sums of counts, of means, and of counts
    within bounds, ``days`` how many have a number. Where one day has most of a sum, the sum is as noisy as that day:
    ``uneven`` times as noisy as if its days were alike.
    """

    counts: Floats
    means: Floats
    observed: Floats
    expected: Floats
    bounded: Floats
    uneven: Floats
    days: Floats

    def of(self, which: Indices) -> "Window":
        """Return the window of some profiles."""
        return Window(*(getattr(self, field.name)[..., which] for field in fields(self)))

    @property
    def complete(self) -> Flags:
        """Which have enough days with a number."""
        return np.asarray(self.days >= _LEAST_DAYS)

    @property
    def newest_low(self) -> Flags:
        """Of which series the newest day is low; not of those without a number."""
        return np.asarray(self.counts[-1] < tuning.LOW_DAY * self.means[-1])

    @property
    def error(self) -> Floats:
        """Relative error of the bounded sums, which the noise of windows is learned from."""
        return self.bounded / self.expected - 1

    @property
    def judgeable(self) -> Flags:
        """Which series have enough volume for the week at least to be judged."""
        return np.asarray(self.means.sum(axis=0) >= tuning.LEAST_WEEK)


_LEAST_DAYS = np.maximum(2, LENGTHS / 2)


def sum_windows(counts: Floats, means: Floats, noise: Noise) -> Window:
    """Sum the newest week (7, rows, profiles) over windows; days without a number are left out of all sums."""
    known = ~np.isnan(counts)
    seen, usual = np.where(known, counts, 0.0), np.where(known, means, 0.0)
    deviation = noise.deviations(usual)
    down, up = tuning.DAY_BOUND
    within = bounded(seen, usual - down * deviation, usual + up * deviation)
    observed, usual_sums, squares, bounded_sums, days = sums(seen, usual, usual**2, within, known)
    expected = np.maximum(usual_sums, 1e-6)
    return Window(
        counts=counts,
        means=means,
        observed=observed,
        expected=expected,
        bounded=bounded_sums,
        # Var = spread * sum of squares.
        uneven=bounded(LENGTHS * squares / expected**2, 1.0, float(tuning.WEEK)),
        days=days,
    )


def band_low(mean: Floats, spread: Floats) -> Floats:
    """Return the lower bound of a single day's normal band."""
    return low_quantile(mean, spread, tuning.BAND)


def low_quantile(mean: Floats, spread: Floats, deviations: float | Floats) -> Floats:
    """Return a quantile of counts by Wilson and Hilferty's (1931) cube root of a gamma."""
    third = np.sqrt((1 / mean + spread) / 9)
    root = np.maximum(0.0, 1 - third**2 - deviations * third)
    low: Floats = mean * root**3
    return low


def sums(*parts: Floats | Flags) -> Floats:
    """Return sums (k, 4, rows, profiles) over windows of the newest days of each part (7, rows, profiles).

    All at once: a step for each takes most of the time where profiles are few. A cumulative sum is far slower.
    """
    values = np.empty((len(parts[0]), len(parts), *parts[0].shape[1:]))
    for number, part in enumerate(parts):
        values[:, number] = part
    summed = np.empty((len(parts), len(tuning.WINDOWS), *parts[0].shape[1:]))
    two, three, five, seven = summed.swapaxes(0, 1)
    np.add(values[-1], values[-2], out=two)
    np.add(two, values[-3], out=three)
    np.add(three, values[-4], out=five)
    five += values[-5]
    np.add(five, values[-6], out=seven)
    seven += values[-7]
    return summed
