"""Walks over the days of many profiles, oldest first, and judges each day by the days up to it. Pure."""

from datetime import date

import numpy as np

from collector.detect import tuning
from collector.detect.check import Checks, may_have_fallen
from collector.detect.closing import close_deepened, close_ended, end
from collector.detect.learning import Errors, Learning
from collector.detect.model import Flags, Floats, Indices, Silence
from collector.detect.opening import open_drops
from collector.detect.profiles import Profiles
from collector.detect.series import JOINT, Series
from collector.detect.small import any_of
from collector.detect.window import Window, band_low


class Walk:
    """A walk over the days of series, and what it found, in arrays of their shape.

    ``score`` (metrics, profiles) and ``checks`` are those of the newest day; there are no checks where there are too
    few days to judge any.
    """

    def __init__(self, series: Series, profiles: Profiles, first_day: date) -> None:
        self.first_day = first_day
        self.series, self.profiles = series, profiles
        counts = series.counts
        self.expected, self._spread = np.ones((2, *counts.shape))
        self._judged, self._old, self._renewed = np.zeros((3, *counts.shape), dtype=np.bool_)
        self.score = np.full(counts.shape[1:], np.nan)
        self.checks: Checks | None = None
        self._learning = Learning()

    def run(self) -> None:
        series, ledger = self.series, self.profiles.ledger
        for day in range(tuning.TRAINING_DAYS - 1, len(series.counts)):
            series.wake(day, ~ledger.in_drop)
            series.train(day)
            means = series.baseline.means(series.weekdays[day + 1 - tuning.WEEK : day + 1])
            self._judge(day, means)
            self._learning.learn(series, ledger, day + 1 - tuning.WEEK, means[0])
        self.low = np.where(self._judged, band_low(self.expected, self._spread), np.nan)
        self.expected[~self._judged] = np.nan
        end(series, self.profiles, self.expected)

    @property
    def silence(self) -> Indices:
        """Why days were not judged, as values of `Silence`."""
        silence = np.full(self._judged.shape, int(Silence.TOO_LITTLE_HISTORY))
        silence[self._old] = int(Silence.TOO_LITTLE_VOLUME)
        silence[self._old & ~self.series.known] = int(Silence.NO_NUMBER)
        silence[~self._old & self._renewed] = int(Silence.RELEARNING)
        silence[self._judged] = int(Silence.NONE)
        return silence

    def _judge(self, day: int, means: Floats) -> None:
        """Judge a day by the week that it ends, of which ``means`` (7, metrics, profiles) are usual."""
        series, profiles, ledger = self.series, self.profiles, self.profiles.ledger
        known = series.known[day]
        old = series.trained <= day - tuning.WEEK
        series.find_silence(day, means[-1], series.trained < day)
        window = series.window(day, means, old & ~ledger.in_drop)
        series.cusum.add(window.counts[-1], window.means[-1], series.noise, series.unusual[day])
        stale = ledger.in_drop.any(axis=0) | ~old.any(axis=0) | (series.cusum.days > tuning.CUSUM_PATIENCE)
        if any_of(stale):
            series.cusum.forget(stale)
        judged = known & old & (window.judgeable[:JOINT] | ledger.leading)
        if close_deepened(series, profiles, day, window, judged):
            window = series.window(day, means, old & ~ledger.in_drop)
        which = self._to_check(day, window)
        if len(which):
            self.checks = open_drops(series, profiles, day, window, judged, which)
            self._keep_scores(self.checks, judged, which)
            close_ended(series, profiles, day, window, judged)
        self.expected[day], self._spread[day] = means[-1], series.noise.spread[:JOINT]
        self._judged[day], self._old[day], self._renewed[day] = judged, old, series.renewed
        self._learning.keep(day, Errors.of(window, judged & ~ledger.in_drop))

    def _to_check(self, day: int, window: Window) -> Indices:
        """Return the profiles that may be near a drop: on most days few are. On the newest day, all."""
        series, ledger = self.series, self.profiles.ledger
        if day == len(series.counts) - 1:
            return np.arange(series.counts.shape[2])
        near = may_have_fallen(window, series.cusum, self.profiles)
        if ledger.open:
            near |= ledger.in_drop.any(axis=0)
        if any_of(series.run):
            near |= series.run.any(axis=0)
        return np.flatnonzero(near)

    def _keep_scores(self, checks: Checks, judged: Flags, which: Indices) -> None:
        best = checks.scores.score.max(axis=0)
        # Of the metric, or of the joint series if that is larger.
        self.score[:, which] = np.where(judged[:, which], np.maximum(best[:JOINT], best[JOINT]), np.nan)
        for drop in self.profiles.ledger.open.values():
            drop.score = float(np.fmax(drop.score, self.score[drop.series]))
