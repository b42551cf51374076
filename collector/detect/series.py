"""The daily series of profiles, and what has been learned of them so far. Pure.

Of each profile there are the metrics, and behind them one that joins them: it shows a drop of all sooner.
"""

from datetime import date
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from collector.detect import tuning
from collector.detect.baseline import Baseline
from collector.detect.joint import combine
from collector.detect.model import Flags, Floats
from collector.detect.noise import Noise, spread_of
from collector.detect.window import Window, sum_windows

Number = TypeVar("Number", bound=np.generic)
JOINT = -1
"""The row of the joint series in arrays of (rows, profiles)."""
_METRICS = slice(0, JOINT)


class Series:
    """``counts`` (days, metrics, profiles) and the state of a walk over them.

    ``trained`` (metrics, profiles) is the day on which judging was prepared, ``seen`` the newest day with a number.
    """

    def __init__(self, counts: Floats, first_day: date) -> None:
        days, metrics, profiles = counts.shape
        self.counts = counts
        self.known = ~np.isnan(counts)
        self.weekdays = (first_day.weekday() + np.arange(days)) % tuning.WEEK
        self.baseline = Baseline.unknown(metrics, profiles)
        self.noise = Noise.unknown(metrics + 1, profiles)
        self.trained = np.full((metrics, profiles), days)
        self.seen = np.full((metrics, profiles), -1)
        self._numbers = np.cumsum(self.known, axis=0)
        self._born = (self._numbers == 0).sum(axis=0)

    def train(self, day: int) -> None:
        """Start the series that have four weeks now."""
        waiting = self.trained == len(self.counts)
        if not waiting.any():
            return
        start = day + 1 - tuning.TRAINING_DAYS
        number = self._numbers[day] - (self._numbers[start - 1] if start else 0)
        old = day + 1 - self._born >= tuning.TRAINING_DAYS
        which = waiting & (number >= tuning.LEAST_TRAINED) & old
        if which.any():
            span = slice(start, day + 1)
            spread = np.zeros(which.shape)
            spread[which] = self.baseline.train(which, self.counts[span][:, which], self.weekdays[span])
            self.noise.start(_METRICS, which, spread)
            self.trained[which] = day
            counts, means = self.join(span, self.baseline.means(self.weekdays[span]), self.trained <= day)
            self.noise.start(slice(JOINT, None), which.any(axis=0), spread_of(counts, means))

    def join(self, span: slice, means: Floats, free: Flags) -> tuple[Floats, Floats]:
        """Return the joint counts and means (days, profiles) of the ``free`` metrics."""
        return combine(self.counts[span], means, self.noise.spread[_METRICS], free)

    def window(self, day: int, means: Floats, free: Flags, allowance: float) -> Window:
        """Sum the newest week, of which ``means`` (7, metrics, profiles) are usual; ``free`` metrics are joined."""
        span = slice(day + 1 - tuning.WEEK, day + 1)
        counts, joint_means = self.join(span, means, free)
        learned = self.baseline.learned
        return sum_windows(
            np.concatenate([self.counts[span], counts[:, None]], axis=1),
            np.concatenate([means, joint_means[:, None]], axis=1),
            self.noise,
            with_joint(learned, learned.max(axis=0)),
            allowance,
        )


def with_joint(values: npt.NDArray[Number], joint: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return ``values`` (metrics, profiles), and behind them those of the joint series (profiles)."""
    return np.concatenate([values, joint[None]])
