"""Scores how far below the usual the newest days are, for the profiles that may have fallen. Pure.

Arrays are of windows (5, rows, profiles): those of `tuning.WINDOWS`, and one as long as the cumulative sum.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from collector.detect import tuning
from collector.detect.cusum import Cusum
from collector.detect.model import Flags, Floats
from collector.detect.noise import Noise
from collector.detect.small import any_of, bounded
from collector.detect.window import LENGTHS, Window, sums

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Scores:
    """``spread`` is the noise of the sums ``observed``, ``score`` how many standard deviations their days are low.

    ``days`` (5, profiles) are the lengths of windows.
    """

    days: Floats
    observed: Floats
    expected: Floats
    spread: Floats
    score: Floats
    complete: Flags


def score_windows(window: Window, noise: Noise, cusum: Cusum, learned: Floats, unusual: Floats) -> Scores:
    """Score the windows of a week, and the days of its cumulative sum.

    ``learned`` (rows, profiles) is how many days the means were learned from. ``unusual`` (7, profiles) are the
    relative deviations of days that are like no other; the variance of a window grows with the share of its expectation
    that they have.
    """
    allowance = np.zeros_like(window.expected)
    if any_of(unusual > 0):
        usual = np.where(np.isnan(window.counts), 0.0, window.means)
        [differing] = sums(usual * unusual[:, None])
        allowance = (differing / window.expected) ** 2
    spread = noise.window_spread * (1 + tuning.YOUNG_DAYS / np.maximum(learned, 1.0))
    spread *= np.maximum(noise.shared(window.means[-1, -1]) / tuning.WANDERING, 1.0)
    spread = spread * window.uneven + allowance
    # By how much more the sum varies than it would if its days had nothing in common.
    shared = (spread + 1 / window.expected) / (noise.spread * window.uneven / LENGTHS + 1 / window.expected)
    [normal] = sums(_normal(window, noise.spread))
    lengths = np.broadcast_to(tuning.WINDOWS[:, None], (len(tuning.WINDOWS), len(cusum.days)))
    slow = np.zeros(spread.shape[1:])
    slow[-1] = cusum.total / tuning.CUSUM_SCORE
    return Scores(
        days=_append(lengths, cusum.days),
        observed=_append(window.observed, cusum.observed),
        expected=_append(window.expected, np.maximum(cusum.expected, 1e-6)),
        spread=_append(spread, spread[-1] * tuning.WEEK / np.maximum(cusum.days, 1.0)),
        score=_append(-normal / np.sqrt(np.maximum(window.days * shared, 1.0)), slow),
        complete=_append(window.complete, np.broadcast_to(cusum.days >= tuning.CUSUM_LEAST_DAYS, slow.shape)),
    )


def _normal(window: Window, spread: Floats) -> Floats:
    """Return bounded normal scores of days' counts; their sums show a steady fall better than scores of sums do.

    Wilson and Hilferty (1931): the cube root of a gamma is nearly normal.
    """
    means = window.means
    counts = np.where(np.isnan(window.counts), means, window.counts)
    ninth = (1 / means + spread) / 9
    down, up = tuning.SCORE_BOUND
    return bounded((np.cbrt((counts + tuning.ADDED) / (means + tuning.ADDED)) - 1 + ninth) / np.sqrt(ninth), -down, up)


def _append(windows: npt.NDArray[Number], slow: npt.NDArray[Number]) -> npt.NDArray[Number]:
    return np.concatenate([windows, slow[None]])
