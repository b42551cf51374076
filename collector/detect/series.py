"""The daily series of profiles, and what has been learned of them so far. Pure.

Of each profile there are the metrics, and behind them one that joins them: it shows a drop of all sooner.
"""

from datetime import date
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from collector.detect import tuning
from collector.detect.baseline import Baseline
from collector.detect.cusum import Cusum
from collector.detect.joint import combine
from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import Noise, spread_of
from collector.detect.score import Scores, score_windows
from collector.detect.small import any_of
from collector.detect.window import Window, sum_windows

Number = TypeVar("Number", bound=np.generic)
FIRST = 0
"""The row of engagement, which stands for the profile."""
JOINT = -1
"""The row of the joint series in arrays of (rows, profiles)."""
_METRICS = slice(0, JOINT)


class Series:
    """``counts`` (days, metrics, profiles), ``unusual`` (days, profiles), and the state of a walk over them.

    Of (metrics, profiles) are ``trained``, the day on which judging was prepared, ``born``, the first day that counts,
    and ``renewed``, whether that is after a long silence. ``seen`` (days, metrics, profiles) is the newest day with a
    number until each. ``silent`` (days, rows, profiles) are silent days, and ``hidden`` (days, metrics, profiles) those
    of them that count as missing. ``run`` (rows, profiles) are how many days in a row are silent.
    """

    def __init__(self, counts: Floats, first_day: date, unusual: Floats) -> None:
        days, metrics, profiles = counts.shape
        self.counts = counts
        self.unusual = unusual
        self.known = ~np.isnan(counts)
        self.weekdays = (first_day.weekday() + np.arange(days)) % tuning.WEEK
        self.baseline = Baseline.unknown(metrics, profiles)
        self.noise = Noise.unknown(metrics + 1, profiles)
        self.trained = np.full((metrics, profiles), days)
        days_known = np.where(self.known, np.arange(days)[:, None, None], -1)
        self.seen = np.maximum.accumulate(days_known, axis=0)
        before = np.concatenate([np.full((1, metrics, profiles), -1), self.seen[:-1]])[:days]
        self._gone = self.known & (before >= 0) & (self.seen - before > tuning.LOST_DAYS)
        self.renewed = np.zeros((metrics, profiles), dtype=np.bool_)
        self.asleep = np.zeros((metrics, profiles), dtype=np.bool_)
        self._numbers = np.cumsum(self.known, axis=0)
        self.born = (self._numbers == 0).sum(axis=0)
        self.silent = np.zeros((days, metrics + 1, profiles), dtype=np.bool_)
        self.hidden = np.zeros(counts.shape, dtype=np.bool_)
        self.silent_share, self.silent_stay = np.zeros((2, metrics + 1, profiles))
        self.cusum = Cusum.none(metrics, profiles)
        self.run = np.zeros((metrics + 1, profiles), dtype=np.int64)

    def wake(self, day: int, free: Flags) -> None:
        """Make series new whose numbers return after a long silence: of zeros, or without a number."""
        gone = self._gone[day]
        if not any_of(gone | self.asleep):
            return
        back = self.asleep & self.known[day]
        if any_of(back):
            week = np.nansum(self.counts[max(0, day + 1 - tuning.WEEK) : day + 1], axis=0)
            back &= week >= tuning.LEAST_WEEK
        woken = (gone | back) & free & (self.trained < day)
        if any_of(woken):
            self.born[woken] = day
            self.trained[woken] = len(self.counts)
            self.asleep[woken], self.renewed[woken] = False, True

    def train(self, day: int) -> None:
        """Start the series that have four weeks now."""
        waiting = self.trained == len(self.counts)
        if not any_of(waiting):
            return
        start = day + 1 - tuning.TRAINING_DAYS
        number = self._numbers[day] - (self._numbers[start - 1] if start else 0)
        old = day + 1 - self.born >= tuning.TRAINING_DAYS
        which = waiting & (number >= tuning.LEAST_TRAINED) & old
        if any_of(which):
            span = slice(start, day + 1)
            spread = np.zeros(which.shape)
            counts, weekdays = self._find_silence(which, self.counts[span], self.weekdays[span]), self.weekdays[span]
            spread[which] = self.baseline.train(which, counts[:, which], weekdays)
            self.noise.start(_METRICS, which, spread)
            self.trained[which] = day
            counts, means = self.join(counts, self.baseline.means(weekdays), self.trained <= day)
            self.noise.start(slice(JOINT, None), which.any(axis=0), spread_of(counts, means))

    def _find_silence(self, which: Flags, counts: Floats, weekdays: npt.NDArray[np.int64]) -> Floats:
        """Return training counts without silent days, where those are usual; weekdays that are always low are not."""
        known = ~np.isnan(counts)
        filled = np.where(known, counts, 0.0)
        usual = np.empty(counts.shape)
        for weekday in range(tuning.WEEK):
            usual[weekdays == weekday] = np.sort(filled[weekdays == weekday], axis=0)[-2:].mean(axis=0)
        silent = known & (filled < tuning.SILENT * usual) & (usual >= tuning.SILENT_MEAN)
        every = np.logical_and((silent | ~known | (usual < tuning.SILENT_MEAN)).all(axis=1), silent.any(axis=1))
        silent = np.concatenate([silent, every[:, None]], axis=1)
        added, days = tuning.SILENT_PRIOR
        share = (silent.sum(axis=0) + added) / (len(counts) + days)
        again = (silent[1:] & silent[:-1]).sum(axis=0)
        stay = (again + tuning.STAY_PRIOR * share) / (silent[:-1].sum(axis=0) + tuning.STAY_PRIOR)
        started = with_joint(which, np.asarray(which.any(axis=0)))
        np.copyto(self.silent_share, share, where=started)
        np.copyto(self.silent_stay, stay, where=started)
        return np.where(self._hide(silent), np.nan, counts)

    def _hide(self, silent: Flags) -> Flags:
        """Return which silent days (..., metrics, profiles) count as missing: where silence is usual."""
        usual = self.silent_share >= tuning.SILENT_USUAL
        together = silent[..., JOINT:, :] & ~usual[JOINT:]
        return np.asarray(silent[..., _METRICS, :] & usual[_METRICS] & ~together)

    def find_silence(self, day: int, means: Floats, old: Flags) -> None:
        """Note which series are silent on a day of which ``means`` (metrics, profiles) are usual."""
        some = self.known[day] & old & (means >= tuning.SILENT_MEAN)
        silent = some & (self.counts[day] < tuning.SILENT * means)
        if not any_of(silent) and not any_of(self.run):
            return
        self.silent[day, _METRICS] = silent
        self.silent[day, JOINT] = some.any(axis=0) & (silent | ~some).all(axis=0)
        self.hidden[day] = self._hide(self.silent[day])
        ended = with_joint(some, some.any(axis=0)) & ~self.silent[day] & (self.run > 0)
        if any_of(ended):
            self.run[ended] = 0
        self.run += self.silent[day]

    def learn_silence(self, day: int, take: Flags) -> None:
        """Learn from a day how often series are silent, and how often a day after a silent one is."""
        taken = with_joint(take, np.asarray(take.any(axis=0)))
        silent, after = self.silent[day], self.silent[day - 1] & taken
        self.silent_share += np.where(taken, tuning.SILENT_GAIN * (silent - self.silent_share), 0.0)
        if any_of(after):
            self.silent_stay += np.where(after, tuning.STAY_GAIN * (silent - self.silent_stay), 0.0)

    def join(self, counts: Floats, means: Floats, free: Flags) -> tuple[Floats, Floats]:
        """Return the joint counts and means (days, profiles) of the ``free`` metrics."""
        return combine(counts, means, self.noise.spread[_METRICS], free)

    def window(self, day: int, means: Floats, free: Flags) -> Window:
        """Sum the newest week, of which ``means`` (7, metrics, profiles) are usual; ``free`` metrics are joined."""
        span = slice(day + 1 - tuning.WEEK, day + 1)
        counts = np.where(self.hidden[span], np.nan, self.counts[span])
        joint, joint_means = self.join(counts, means, free)
        counts, means = (
            np.concatenate([each, of_all[:, None]], axis=1) for each, of_all in ((counts, joint), (means, joint_means))
        )
        return sum_windows(counts, means, self.noise)

    def scores(self, day: int, window: Window, which: Indices) -> Scores:
        """Score the newest week of some profiles."""
        learned = self.baseline.learned[:, which]
        return score_windows(
            window,
            self.noise.of(which),
            self.cusum.of(which),
            with_joint(learned, np.asarray(learned.max(axis=0))),
            self.unusual[day + 1 - tuning.WEEK : day + 1, which],
        )


def with_joint(values: npt.NDArray[Number], joint: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return ``values`` (metrics, profiles), and behind them those of the joint series (profiles)."""
    return np.concatenate([values, joint[None]])
