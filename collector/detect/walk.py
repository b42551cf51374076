"""Walks over the days of many profiles, oldest first, and judges each day by the days up to it. Pure."""

from datetime import date

import numpy as np

from collector.detect import tuning
from collector.detect.check import Checks
from collector.detect.closing import close_deepened, close_ended, end
from collector.detect.learning import Errors, Learning
from collector.detect.model import Flags, Floats, Silence
from collector.detect.opening import open_drops
from collector.detect.profiles import Profiles
from collector.detect.series import JOINT, Series
from collector.detect.window import band_low


class Walk:
    """A walk over the days of series, and what it has found so far, in arrays of their shape.

    ``checks`` are those of the newest day; None if there are too few to judge any.
    """

    def __init__(self, series: Series, profiles: Profiles, first_day: date) -> None:
        self.first_day = first_day
        self.series, self.profiles = series, profiles
        counts = series.counts
        self.expected, self.low, self.score = (np.full(counts.shape, np.nan) for _ in range(3))
        self.silence = np.full(counts.shape, int(Silence.TOO_LITTLE_HISTORY))
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
        end(series, self.profiles, self.expected)
        for drop in ledger.openings:
            drop.score = float(np.nanmax(self.score[(slice(drop.first, drop.last + 1), *drop.series)]))

    def _judge(self, day: int, means: Floats) -> None:
        """Judge a day by the week that it ends, of which ``means`` (7, metrics, profiles) are usual."""
        series, profiles, ledger = self.series, self.profiles, self.profiles.ledger
        known = series.known[day]
        old = series.trained <= day - tuning.WEEK
        series.find_silence(day, means[-1], series.trained < day)
        window = series.window(day, means, old & ~ledger.in_drop)
        series.cusum.add(window.counts[-1], window.means[-1], series.noise, series.unusual[day])
        busy = ledger.in_drop.any(axis=0) | ~old.any(axis=0)
        series.cusum.forget(busy | (series.cusum.days > tuning.CUSUM_PATIENCE))
        judged = known & old & (window.judgeable[:JOINT] | ledger.leading)
        if close_deepened(series, profiles, day, window, judged):
            window = series.window(day, means, old & ~ledger.in_drop)
        self.checks = open_drops(series, profiles, day, window, judged)
        best = self.checks.score.max(axis=0)
        # Of the metric, or of the joint series if that is larger.
        found = np.maximum(best[:JOINT], best[JOINT])
        close_ended(series, profiles, day, window, judged)
        self._keep(day, judged, known, old, means[-1], found)
        self._learning.keep(day, Errors.of(window, judged & ~ledger.in_drop))

    def _keep(self, day: int, judged: Flags, known: Flags, old: Flags, means: Floats, found: Floats) -> None:
        silence = self.silence[day]
        silence[judged] = int(Silence.NONE)
        silence[~judged] = int(Silence.TOO_LITTLE_VOLUME)
        silence[~known] = int(Silence.NO_NUMBER)
        silence[~old] = int(Silence.TOO_LITTLE_HISTORY)
        silence[~old & self.series.renewed] = int(Silence.RELEARNING)
        self.expected[day] = np.where(judged, means, np.nan)
        self.low[day] = np.where(judged, band_low(means, self.series.noise.spread[:JOINT]), np.nan)
        self.score[day] = np.where(judged, found, np.nan)
