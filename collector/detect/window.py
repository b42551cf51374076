"""Sums of the newest days, and how unusual they are: normal scores over windows of two days to a week. Pure.

Arrays end with the axes (rows, profiles): the metrics, and the joint series behind them. Those of windows begin with an
axis for `tuning.WINDOWS`.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from collector.detect import tuning
from collector.detect.cusum import Cusum
from collector.detect.model import Flags, Floats
from collector.detect.noise import Noise, bounded

Number = TypeVar("Number", bound=np.generic)
_LENGTHS = tuning.WINDOWS[:, None, None]


@dataclass(frozen=True, slots=True)
class Window:
    """The newest week, oldest day first: ``counts`` and ``means`` (7, rows, profiles).

    The others are of windows. ``observed``, ``expected`` and ``bounded`` are sums of counts, of means, and of counts
    within bounds; ``spread`` is the noise of these sums, and ``score`` how far below the usual their days are.
    """

    counts: Floats
    means: Floats
    observed: Floats
    expected: Floats
    bounded: Floats
    spread: Floats
    uneven: Floats
    score: Floats
    complete: Flags

    def with_slow(self, cusum: Cusum) -> "Window":
        """Add the days of a cumulative sum as a fifth window."""
        expected = np.maximum(cusum.expected, 1e-6)
        spread = self.spread[-1] * tuning.WEEK / np.maximum(cusum.days, 1.0)
        return replace(
            self,
            observed=_append(self.observed, cusum.observed),
            expected=_append(self.expected, expected),
            spread=_append(self.spread, spread),
            complete=_append(self.complete, np.broadcast_to(cusum.days >= tuning.CUSUM_LEAST_DAYS, expected.shape)),
        )

    @property
    def error(self) -> Floats:
        """Relative error of the bounded sums, which the noise of windows is learned from."""
        return self.bounded / self.expected[: len(self.bounded)] - 1

    @property
    def judgeable(self) -> Flags:
        """Which series have enough volume for the week at least to be judged."""
        return np.asarray(self.means.sum(axis=0) >= tuning.LEAST_WEEK)


def sum_windows(counts: Floats, means: Floats, noise: Noise, learned: Floats, unusual: Floats) -> Window:
    """Sum the newest week (7, rows, profiles) over windows; days without a number are left out of all sums.

    ``learned`` is how many days the means were learned from. ``unusual`` (7, profiles) are the relative deviations of
    days that are like no other; the variance of a window grows with the share of its expectation that they have.
    """
    known = ~np.isnan(counts)
    seen, usual = np.where(known, counts, 0.0), np.where(known, means, 0.0)
    deviation = noise.deviations(usual)
    down, up = tuning.DAY_BOUND
    within = bounded(seen, usual - down * deviation, usual + up * deviation)
    normal = _normal(np.where(known, counts, means), means, noise.spread)
    parts = np.stack([seen, usual, usual**2, within, known, normal], axis=1)
    observed, usual_sums, squares, bounded_sums, days, normal_sums = _sums(parts)
    expected = np.maximum(usual_sums, 1e-6)
    # Where one day has most of the sum, the sum is as noisy as that day: Var = spread * sum of squares.
    uneven = bounded(_LENGTHS * squares / expected**2, 1.0, float(tuning.WEEK))
    allowance = np.zeros_like(expected)
    if unusual.any():
        [differing] = _sums((usual * unusual[:, None])[:, None])
        allowance = (differing / expected) ** 2
    spread = noise.window_spread * (1 + tuning.YOUNG_DAYS / np.maximum(learned, 1.0))
    spread *= np.maximum(noise.shared(means[-1, -1]) / tuning.WANDERING, 1.0)
    spread = spread * uneven + allowance
    # By how much more the sum varies than it would if its days had nothing in common.
    shared = (spread + 1 / expected) / (noise.spread * uneven / _LENGTHS + 1 / expected)
    return Window(
        counts=counts,
        means=means,
        observed=observed,
        expected=expected,
        bounded=bounded_sums,
        spread=spread,
        uneven=uneven,
        score=-normal_sums / np.sqrt(np.maximum(days * shared, 1.0)),
        complete=days >= np.maximum(2, _LENGTHS / 2),
    )


def _normal(counts: Floats, means: Floats, spread: Floats) -> Floats:
    """Return bounded normal scores of days' counts; their sums show a steady fall better than scores of sums do.

    Wilson and Hilferty (1931): the cube root of a gamma is nearly normal.
    """
    ninth = (1 / means + spread) / 9
    down, up = tuning.SCORE_BOUND
    return bounded((np.cbrt((counts + tuning.ADDED) / (means + tuning.ADDED)) - 1 + ninth) / np.sqrt(ninth), -down, up)


def band_low(mean: Floats, spread: Floats) -> Floats:
    """Return the lower bound of a single day's normal band."""
    return low_quantile(mean, spread, tuning.BAND)


def low_quantile(mean: Floats, spread: Floats, deviations: float | Floats) -> Floats:
    """Return a quantile of counts by Wilson and Hilferty's (1931) cube root of a gamma."""
    third = np.sqrt((1 / mean + spread) / 9)
    root = np.maximum(0.0, 1 - third**2 - deviations * third)
    low: Floats = mean * root**3
    return low


def _append(windows: npt.NDArray[Number], slow: npt.NDArray[Number]) -> npt.NDArray[Number]:
    return np.concatenate([windows, slow[None]])


def _sums(values: Floats) -> Floats:
    """Return sums (k, 4, rows, profiles) over windows of the newest days of ``values`` (7, k, rows, profiles).

    All at once: a step for each takes most of the time where profiles are few. A cumulative sum is far slower.
    """
    sums = np.empty((values.shape[1], len(tuning.WINDOWS), *values.shape[2:]))
    two, three, five, seven = sums.swapaxes(0, 1)
    np.add(values[-1], values[-2], out=two)
    np.add(two, values[-3], out=three)
    np.add(three, values[-4], out=five)
    five += values[-5]
    np.add(five, values[-6], out=seven)
    seven += values[-7]
    return sums
