"""Walks over the days of many series, oldest first, and judges each day by the days up to it. Pure.

A day is learned from a week later, and only if it belongs to no drop: a drop must never become what is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from collector.detect.baseline import TRAINING_DAYS, WEEK, Baseline
from collector.detect.decide import (
    Window,
    band_low,
    judgeable,
    low_quantile,
    lows,
    recovered,
    scores,
    start_of,
    sum_windows,
    usual_days,
)
from collector.detect.joint import combine
from collector.detect.ledger import Ledger, Opening
from collector.detect.model import LONGEST_WINDOW, Flags, Floats, Preset, Silence
from collector.detect.noise import WINDOWS, Noise, spread_of
from collector.models import CloseReason

NEW_NORMAL_DAYS = 56
ENDED_DAYS = 14
_RELEVEL_DAYS = 28
# Another drop begins where at most this share of what the first had left is left, over two days that expect so many
# events; not in drops that lost nearly all.
_DEEPER, _DEEPER_EVENTS, _ALL_LOST = 0.35, 50.0, 0.9
# Windows that expect fewer events say nothing about noise.
_LEAST_EVENTS = 10.0
# Drops that recover within so many days are usual for the series.
_SHORT_DAYS = 21
# Training days, of 28, that must have a number.
_LEAST_TRAINED = 21
# Relative variance of the level from 20 December to 6 January: no year-end is like another.
_YEAR_END = 0.02
# Added to the threshold of a single metric: all metrics of a profile share one budget of false alarms.
_ALONE = 0.6
# A metric that lost this share of the least loss of a drop joins the drop of its profile.
_JOIN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of a day's windows, to be learned from a week later where ``usable``.

    ``joint`` (2, profiles) are the day's joint counts and their means.
    """

    error: Floats
    expected: Floats
    uneven: Floats
    usable: Flags
    joint: Floats


class Watch:
    """A walk over ``counts`` (days, n), and what it has found so far, in arrays of the same shape.

    ``metrics`` neighbouring series make a profile, which has a preset of its own: ``threshold`` and ``least_loss`` are
    (profiles). The joint series of profiles are judged like the others, as further columns behind them: ``noise``,
    ``thresholds`` and ``least_losses`` cover both.
    """

    def __init__(self, counts: Floats, first_day: date, presets: Sequence[Preset], metrics: int) -> None:
        days, series = counts.shape
        self.counts = counts
        self.first_day = first_day
        self.metrics = metrics
        self.expected, self.low, self.score = (np.full((days, series), np.nan) for _ in range(3))
        self.silence = np.full((days, series), int(Silence.TOO_LITTLE_HISTORY))
        self.baseline = Baseline.unknown(series)
        self.noise = Noise.unknown(series + series // metrics)
        threshold = np.array([preset.threshold for preset in presets])
        self.least_loss = np.array([preset.least_loss for preset in presets])
        # The joint series of a profile with one metric is that metric, judged by the lower threshold.
        self.thresholds = np.concatenate([self._each(threshold) + _ALONE, threshold])
        self.least_losses = np.concatenate([self._each(self.least_loss), self.least_loss])
        self.numbers = np.cumsum(~np.isnan(counts), axis=0)
        self.born = (self.numbers == 0).sum(axis=0)
        self.ledger = Ledger(metrics, ~np.isnan(counts))
        self.trained = np.full(series, days)
        self.weekdays = (first_day.weekday() + np.arange(days)) % WEEK
        self.seen = np.full(series, -1)
        self.errors: dict[int, Errors] = {}

    def run(self) -> None:
        for day in range(TRAINING_DAYS - 1, len(self.counts)):
            self._train(day)
            if (self.trained < day).any():
                means = self.baseline.means(self.weekdays[day + 1 - LONGEST_WINDOW : day + 1])
                self._judge(day, means)
                self._learn(day, means[0])
        self._end()

    def _train(self, day: int) -> None:
        waiting = self.trained == len(self.counts)
        if not waiting.any():
            return
        start = day + 1 - TRAINING_DAYS
        number = self.numbers[day] - (self.numbers[start - 1] if start else 0)
        old = day + 1 - self.born >= TRAINING_DAYS
        which = np.flatnonzero(waiting & (number >= _LEAST_TRAINED) & old)
        if len(which):
            span = slice(start, day + 1)
            self.noise.start(which, self.baseline.train(which, self.counts[span, which], self.weekdays[span]))
            self.trained[which] = day
            profiles = np.unique(which // self.metrics)
            counts, means = self._joint(span, self.baseline.means(self.weekdays[span]), self.trained <= day)
            self.noise.start(len(self.trained) + profiles, spread_of(counts[:, profiles], means[:, profiles]))

    def _joint(self, span: slice, means: Floats, free: Flags) -> tuple[Floats, Floats]:
        spread = self.noise.spread[: len(self.trained)]
        return combine(self.counts[span], means, spread, free, self.metrics)

    def _judge(self, day: int, means: Floats) -> None:
        """Judge a day by the week that it ends, of which ``means`` (7, n) are usual."""
        series = len(self.trained)
        known = ~np.isnan(self.counts[day])
        old = self.trained <= day - LONGEST_WINDOW
        self.seen[known] = day
        window = self._sum_windows(day, means, old)
        own = window.part(slice(series))
        judged = known & old & (judgeable(own) | self.ledger.leading)
        if self._close_deepened(day, own, judged):
            window = self._sum_windows(day, means, old)
        found = self._open(day, window, judged)
        self._close_ended(day, own, judged)
        silence = self.silence[day]
        silence[judged] = int(Silence.NONE)
        silence[~judged] = int(Silence.TOO_LITTLE_VOLUME)
        silence[~known] = int(Silence.NO_NUMBER)
        silence[~old] = int(Silence.TOO_LITTLE_HISTORY)
        self.expected[day] = np.where(judged, means[-1], np.nan)
        self.low[day] = np.where(judged, band_low(means[-1], self.noise.spread[:series]), np.nan)
        self.score[day] = np.where(judged, found, np.nan)
        usual = judged & ~self.ledger.in_drop
        usable = window.complete & (window.expected >= _LEAST_EVENTS) & self._and_profiles(usual)
        joint = np.stack([window.counts[-1, series:], window.means[-1, series:]])
        self.errors[day] = Errors(window.error, window.expected, window.uneven, usable, joint)

    def _sum_windows(self, day: int, means: Floats, old: Flags) -> Window:
        """Sum the windows of the series, and behind them of the profiles, from which series in drops are left out."""
        span = slice(day + 1 - LONGEST_WINDOW, day + 1)
        counts, joint_means = self._joint(span, means, old & ~self.ledger.in_drop)
        learned = self.baseline.learned
        return sum_windows(
            np.concatenate([self.counts[span], counts], axis=1),
            np.concatenate([means, joint_means], axis=1),
            self.noise,
            np.concatenate([learned, learned.reshape(-1, self.metrics).max(axis=1)]),
            self._allowance(day),
        )

    def _open(self, day: int, window: Window, judged: Flags) -> Floats:
        """Open drops, and return scores (n): of the metric, or of its profile's joint series if that is larger."""
        series = len(self.trained)
        found = scores(window)
        free = judged & ~self.ledger.in_drop
        able = judgeable(window)
        able[:series] = True
        low = lows(window, found, self.thresholds, self.least_losses) & self._and_profiles(free) & able
        # Profiles first: a metric that falls with the others belongs to their drop.
        for column in np.flatnonzero(low.any(axis=0))[::-1]:
            best = int(np.argmax(np.where(low[:, column], found[:, column], -1.0)))
            means = window.expected[:, column]
            bound = low_quantile(means, window.spread[:, column], float(self.thresholds[column])) / means
            if column >= series:
                self._open_joint(day, int(column), window, best, bound, free)
            elif not self.ledger.in_drop[column]:
                self._open_alone(day, int(column), window, best, bound)
        best_scores = found.max(axis=0)
        return np.asarray(np.maximum(best_scores[:series], self._each(best_scores[series:])))

    def _open_joint(self, day: int, column: int, window: Window, best: int, low: Floats, free: Flags) -> None:
        profile = column - len(self.trained)
        first = day - start_of(window, column, int(WINDOWS[best]))
        members = np.arange(profile * self.metrics, (profile + 1) * self.metrics)
        members = members[free[members]]
        shares = window.observed[best, members] / window.expected[best, members]
        # The first metric leads if it fell like the profile, else the one that fell most.
        fallen = int(members[0 if shares[0] <= low[best] else np.argmin(shares)])
        leader = self.ledger.recent_leader(profile, day)
        # A second drop only if a smaller metric leads the first: saves may fall alone, and then so does all engagement.
        if leader is None or window.expected[best, fallen] > window.expected[best, leader]:
            leader = fallen
            self.ledger.start(leader, first, day, low, float(1 - shares[members == leader][0]))
        for series, share in zip(members, shares, strict=True):
            if series != leader and share < 1 - _JOIN_SHARE * self.least_loss[profile]:
                self.ledger.join(int(series), leader, first, day, float(1 - share))

    def _open_alone(self, day: int, series: int, window: Window, best: int, low: Floats) -> None:
        first = day - start_of(window, series, int(WINDOWS[best]))
        lost = float(1 - window.observed[best, series] / window.expected[best, series])
        leader = self.ledger.recent_leader(series // self.metrics, day)
        if leader is None:
            self.ledger.start(series, first, day, low, lost)
        else:
            self.ledger.join(series, leader, first, day, lost)

    def _and_profiles(self, flags: Flags) -> Flags:
        """Return ``flags`` (n), and behind them which profiles have a series whose flag is true."""
        return np.concatenate([flags, flags.reshape(-1, self.metrics).any(axis=1)])

    def _each(self, values: Floats) -> Floats:
        """Return values of profiles for each of their series (n)."""
        repeated: Floats = np.repeat(values, self.metrics)
        return repeated

    def _allowance(self, day: int) -> float:
        when = self.first_day + timedelta(days=day)
        year_end = (when.month, when.day) >= (12, 20) or (when.month, when.day) <= (1, 6)
        return _YEAR_END if year_end else 0.0

    def _close_deepened(self, day: int, window: Window, judged: Flags) -> bool:
        """Close drops in which a metric's last two days fell far below the drop itself: that is another drop."""
        ledger = self.ledger
        if not ledger.open:
            return False
        share = window.observed[0] / window.expected[0]
        # The first windows of a drop include days from before it; the loss is known a day later.
        young = ledger.in_drop & (day - ledger.detected <= 1) & judged
        ledger.lost = np.where(young, np.maximum(ledger.lost, 1 - share), ledger.lost)
        fallen = (share <= _DEEPER * (1 - ledger.lost)) & (ledger.lost < _ALL_LOST)
        enough = window.complete[0] & (window.expected[0] >= _DEEPER_EVENTS) & (ledger.opened <= day - int(WINDOWS[1]))
        leaders = np.unique(ledger.leader[ledger.in_drop & fallen & enough & judged])
        for leader in leaders:
            self._close_drop(day, int(leader), CloseReason.DEEPENED)
        return len(leaders) > 0

    def _close_ended(self, day: int, window: Window, judged: Flags) -> None:
        ledger = self.ledger
        if not ledger.open:
            return
        ledger.usable[day] &= ~ledger.in_drop
        back = recovered(window, ledger.lost) & judged & (ledger.opened <= day - LONGEST_WINDOW)
        leading = ledger.leading
        for series in np.flatnonzero(back & ledger.in_drop & ~leading):
            ledger.leave(int(series), day, recovered=True)
        for which, reason in (
            (back, CloseReason.RECOVERED),
            (day - self.seen >= ENDED_DAYS, CloseReason.DATA_ENDED),
            (day - ledger.opened >= NEW_NORMAL_DAYS, CloseReason.NEW_NORMAL),
        ):
            for series in np.flatnonzero(which & leading & ledger.in_drop):
                self._close_drop(day, int(series), reason)

    def _close_drop(self, day: int, leader: int, reason: CloseReason) -> None:
        last = self.seen[leader]
        if reason in {CloseReason.RECOVERED, CloseReason.DEEPENED}:
            last = day - (LONGEST_WINDOW if reason == CloseReason.RECOVERED else int(WINDOWS[0]))
        opened = self.ledger.opened[leader]
        members = self.ledger.close(leader, day, reason, int(last))
        for series in members:
            self.ledger.leave(series, day, recovered=reason == CloseReason.RECOVERED and series == leader)
        if reason == CloseReason.RECOVERED and day - opened <= _SHORT_DAYS:
            self.noise.doubt(leader)
            self.noise.doubt(len(self.trained) + leader // self.metrics)
        if reason == CloseReason.NEW_NORMAL:
            span = slice(max(0, day + 1 - _RELEVEL_DAYS), day + 1)
            self.baseline.relevel(members, self.counts[span][:, members], self.weekdays[span])

    def _learn(self, day: int, means: Floats) -> None:
        """Learn from the day a week ago, whose ``means`` (n) these are."""
        late = day + 1 - LONGEST_WINDOW
        take = self.ledger.usable[late] & ~np.isnan(self.counts[late]) & (self.trained < late) & ~self.ledger.in_drop
        # The joint counts of that day were kept; there are none before anything was judged.
        errors = self.errors.pop(late, None)
        joint = errors.joint if errors is not None else np.full((2, len(self.least_loss)), np.nan)
        taken = self._and_profiles(take)
        taken[len(take) :] &= ~np.isnan(joint[0])
        spread = self.noise.spread[: len(take)].copy()
        self.noise.learn(
            np.concatenate([self.counts[late], joint[0]]),
            np.concatenate([means, joint[1]]),
            np.concatenate([np.exp(self.baseline.level), joint[1]]),
            taken,
        )
        self.baseline.learn(self.counts[late], int(self.weekdays[late]), take, spread)
        if errors is not None:
            self.noise.learn_windows(errors.error, errors.expected, errors.uneven, errors.usable & taken)

    def _end(self) -> None:
        for opening in self.ledger.openings:
            if opening.closed is None:
                self._end_open(opening)
            opening.score = float(np.nanmax(self.score[opening.first : opening.last + 1, opening.series]))

    def _end_open(self, opening: Opening) -> None:
        """Let an open drop end with its last low day: the usual days after it must not be told as part of it."""
        series = opening.series
        counts, expected = self.counts[:, series], self.expected[:, series]
        later = np.arange(opening.detected + 1, len(counts))
        known = later[~np.isnan(counts[later]) & ~np.isnan(expected[later])]
        usual = usual_days(counts[known], expected[known], float(self.ledger.lost[series])) if len(known) else 0
        opening.last = int(self.seen[series])
        if usual:
            opening.usual_since = int(known[-usual])
            opening.last = int(known[-usual - 1]) if usual < len(known) else opening.detected
