"""Decides whether the last days are too low to be chance: likelihood ratios over windows of 2 to 7 days. Pure."""

from dataclasses import dataclass, fields

import numpy as np

from collector.detect.model import Flags, Floats
from collector.detect.noise import WINDOWS, Noise, bounded

# Events that must be expected of a window before its sum is judged; where days are small, only the week has enough.
_LEAST_EXPECTED = np.array([[50.0], [50.0], [40.0], [25.0]])
# A day counts for at most this many standard deviations, so that one bad day is never a drop.
_LOWER_BOUND = 3.0
_UPPER_BOUND = 2.0
# Added to the preset's least loss: holidays are short, so shorter windows must lose more.
_WINDOW_LOSS = np.array([[0.15], [0.10], [0.03], [0.0]])
_LOW_DAY = 0.85
# In windows of two and three, two days must be as low as this: a bad day beside a dull one is no drop.
_LOW_PAIR, _LEAST_PAIR = 0.65, 2
# Added to the threshold: two days are easily low together, and a wandering level affects long windows most.
_WINDOW_THRESHOLD = np.array([[0.5], [0.0], [0.3], [0.3]])
_YOUNG_DAYS = 12.0
_LEAST_USUAL = 3
_BAND = 2.0


@dataclass(frozen=True, slots=True)
class Window:
    """The last seven days of n series, oldest first: ``counts`` and ``means`` (7, n).

    The others are (4, n), of `WINDOWS`. ``observed``, ``expected`` and ``bounded`` are sums of counts, of means, and of
    counts within bounds; ``spread`` is the noise of these sums.
    """

    counts: Floats
    means: Floats
    observed: Floats
    expected: Floats
    bounded: Floats
    spread: Floats
    uneven: Floats
    complete: Flags

    def part(self, columns: slice) -> "Window":
        """Return the window of some of the series."""
        return Window(*(getattr(self, field.name)[:, columns] for field in fields(self)))

    @property
    def error(self) -> Floats:
        """Relative error of the bounded sums, which the noise of windows is learned from."""
        return self.bounded / self.expected - 1


def sum_windows(counts: Floats, means: Floats, noise: Noise, learned: Floats, allowance: float) -> Window:
    """Sum the last seven days (7, n) over `WINDOWS`; days without a number are left out of all sums.

    ``learned`` (n) is how many days the means were learned from, ``allowance`` a relative variance to be added.
    """
    known = ~np.isnan(counts)
    seen, usual = np.where(known, counts, 0.0), np.where(known, means, 0.0)
    deviation = noise.deviations(usual)
    within = bounded(seen, usual - _LOWER_BOUND * deviation, usual + _UPPER_BOUND * deviation)
    expected = np.maximum(_sums(usual), 1e-6)
    # Where one day has most of the sum, the sum is as noisy as that day: Var = spread * sum of squares.
    uneven = bounded(WINDOWS[:, None] * _sums(usual**2) / expected**2, 1.0, 7.0)
    spread = noise.window_spread * (1 + _YOUNG_DAYS / np.maximum(learned, 1.0))
    return Window(
        counts=counts,
        means=means,
        observed=_sums(seen),
        expected=expected,
        bounded=_sums(within),
        spread=spread * uneven + allowance,
        uneven=uneven,
        complete=_sums(known.astype(np.float64)) >= np.maximum(2, WINDOWS[:, None] - 2),
    )


def scores(window: Window) -> Floats:
    """Return the scores (4, n): signed roots of the negative binomial's deviance, positive where low.

    McCullagh and Nelder, Generalized Linear Models (1989), section 11.2; the half corrects for continuity.
    """
    expected = window.expected
    count = np.minimum(np.maximum(window.bounded, 0.0) + 0.5, expected)
    size = 1 / window.spread
    deviance = count * np.log(count / expected) - (count + size) * np.log((count + size) / (expected + size))
    return np.sqrt(np.maximum(2 * deviance, 0.0))


def lows(window: Window, found: Floats, threshold: Floats, least_loss: Floats) -> Flags:
    """Return which windows (4, n) are a drop; the newest day must have a number and be low itself."""
    newest = window.counts[-1] < _LOW_DAY * window.means[-1]
    enough = window.complete & (window.expected >= _LEAST_EXPECTED)
    lost = window.observed < (1 - least_loss - _WINDOW_LOSS) * window.expected
    low = (found >= threshold + _WINDOW_THRESHOLD) & lost & enough & newest
    days = (window.counts[-3:] < _LOW_PAIR * window.means[-3:]).astype(np.int64)
    low[0] &= days[1:].sum(axis=0) >= _LEAST_PAIR
    low[1] &= days.sum(axis=0) >= _LEAST_PAIR
    return np.asarray(low)


def judgeable(window: Window) -> Flags:
    """Return which series (n) have enough volume for the week at least to be judged."""
    return np.asarray(window.means.sum(axis=0) >= _LEAST_EXPECTED[-1, 0])


def band_low(mean: Floats, spread: Floats) -> Floats:
    """Return the lower bound of a single day's normal band: Wilson and Hilferty's (1931) cube root of a gamma."""
    return low_quantile(mean, spread, _BAND)


def low_quantile(mean: Floats, spread: Floats, deviations: float | Floats) -> Floats:
    third = np.sqrt((1 / mean + spread) / 9)
    root = np.maximum(0.0, 1 - third**2 - deviations * third)
    low: Floats = mean * root**3
    return low


def start_of(window: Window, index: int, length: int) -> int:
    """Return how many days ago the drop began: on the first day that is nearer to the newest two than to usual."""
    counts, means = window.counts[:, index], window.means[:, index]
    newest = np.nansum(counts[-2:]) / means[-2:].sum()
    halfway = (1 + min(newest, 1.0)) / 2
    for ago in range(length - 1, 0, -1):
        if counts[-1 - ago] < halfway * means[-1 - ago]:
            return ago
    return 0


def recovered(window: Window, lost_share: Floats) -> Flags:
    """Return which series (n) are back: the week and its newest three days lost at most a third of ``lost_share``.

    That third is taken to be 12 to 25 %.
    """
    share = window.observed / window.expected
    least = _least_share(lost_share)
    return np.asarray(window.complete[-1] & (share[-1] >= least) & (share[1] >= least))


def usual_days(counts: Floats, means: Floats, lost_share: float) -> int:
    """Return how many of the newest days are usual again, 0 where they are too few or too low to say so.

    A day is usual when it is nearer to its mean than to what a drop that lost ``lost_share`` leaves of it.
    """
    usual = counts >= (1 - lost_share / 2) * means
    days = int(np.argmin(usual[::-1])) if not usual.all() else len(usual)
    back = days >= _LEAST_USUAL and counts[-days:].sum() >= _least_share(np.array(lost_share)) * means[-days:].sum()
    return days if back else 0


def _least_share(lost_share: Floats) -> Floats:
    return np.asarray(1 - bounded(lost_share / 3, 0.12, 0.25))


def _sums(values: Floats) -> Floats:
    """Return sums (4, n) over `WINDOWS` of the newest days of (7, n); a cumulative sum is far slower."""
    sums = np.empty((len(WINDOWS), values.shape[1]))
    two, three, five, seven = sums
    np.add(values[-1], values[-2], out=two)
    np.add(two, values[-3], out=three)
    np.add(three, values[-4], out=five)
    five += values[-5]
    np.add(five, values[-6], out=seven)
    seven += values[-7]
    return sums
