"""Goes through the days of many series, oldest first, and gives a verdict on each from the days up to it. Pure.

A day is learned from a week late, and only when it belongs to no drop, so that a drop never becomes what is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from collector.detect.baseline import TRAINING_DAYS, Baseline
from collector.detect.decide import (
    Window,
    band_low,
    judgeable,
    look,
    low_quantile,
    lows,
    recovered,
    scores,
    start_of,
    weekdays_of,
)
from collector.detect.joint import combine
from collector.detect.ledger import Ledger
from collector.detect.model import LONGEST_WINDOW, PRESETS, Flags, Floats, Indices, Silence
from collector.detect.noise import WINDOWS, Noise, spread_of
from collector.models import CloseReason, Sensitivity

NEW_NORMAL_DAYS = 56
ENDED_DAYS = 14
_RELEVEL_DAYS = 28
# What is left of what the drop had left, over two days that would have had so many events, is another drop.
_DEEPER, _DEEPER_EVENTS, _ALL_LOST = 0.35, 50.0, 0.9
# Fewer events tell nothing of spread.
_LEAST_TOLD = 10.0
# An episode that is over after so many days was one of the series' own falls.
_SHORT_DAYS = 21
# Numbers that a series must have in its first five weeks, and again after them.
_LEAST_TRAINED = 21
# From 20 December to 6 January a level may be off by this much (a variance): no year-end is like another.
_YEAR_END = 0.02
# A metric by itself needs more than all of a profile together: the false alarms of a profile are one budget.
_ALONE = 0.6
# A metric that lost this share of what makes a drop has fallen with the others.
_HELD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Errors:
    """What a day's windows showed, to be learned from a week later where ``told``; ``together`` is (2, profiles)."""

    error: Floats
    expected: Floats
    uneven: Floats
    told: Flags
    together: Floats


@dataclass(slots=True)
class Watch:
    """The state of a walk over ``counts`` (days, n), and what it has found so far, in arrays of the same shape.

    ``metrics`` series that follow each other make a profile; ``threshold`` and ``least_loss`` are (profiles). What is
    done to series is done to their profiles too, as further columns behind them: ``noise`` is that of both.
    """

    counts: Floats
    first_day: date
    threshold: Floats
    least_loss: Floats
    metrics: int
    expected: Floats = field(init=False)
    low: Floats = field(init=False)
    score: Floats = field(init=False)
    firing: Flags = field(init=False)
    silence: Indices = field(init=False)
    baseline: Baseline = field(init=False)
    noise: Noise = field(init=False)
    thresholds: Floats = field(init=False)
    least_losses: Floats = field(init=False)
    ledger: Ledger = field(init=False)
    numbers: Indices = field(init=False)
    born: Indices = field(init=False)
    trained: Indices = field(init=False)
    weekdays: Indices = field(init=False)
    seen: Indices = field(init=False)
    errors: dict[int, Errors] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        days, series = self.counts.shape
        self.expected, self.low, self.score = (np.full((days, series), np.nan) for _ in range(3))
        self.firing = np.zeros((days, series), dtype=np.bool_)
        self.silence = np.full((days, series), int(Silence.TOO_LITTLE_HISTORY))
        self.baseline = Baseline.unknown(series)
        self.noise = Noise.unknown(series + series // self.metrics)
        # A profile with one metric is judged by that: together it is the same series, with the lower threshold.
        self.thresholds = np.concatenate([self._each(self.threshold) + _ALONE, self.threshold])
        self.least_losses = np.concatenate([self._each(self.least_loss), self.least_loss])
        self.numbers = np.cumsum(~np.isnan(self.counts), axis=0)
        self.born = (self.numbers == 0).sum(axis=0)
        self.ledger = Ledger(self.metrics, ~np.isnan(self.counts))
        self.trained = np.full(series, days)
        self.weekdays = weekdays_of(self.first_day.weekday(), days)
        self.seen = np.full(series, -1)

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
        """Judge a day by the week until then, of which ``means`` (7, n) are what is usual."""
        series = len(self.trained)
        known = ~np.isnan(self.counts[day])
        old = self.trained <= day - LONGEST_WINDOW
        self.seen[known] = day
        window = self._look(day, means, old)
        own = window.part(slice(series))
        judged = known & old & (judgeable(own) | self.ledger.told())
        if self._shut_deepened(day, own, judged):
            window = self._look(day, means, old)
        found = self._open(day, window, judged)
        self._close(day, own, judged)
        self.firing[day] = self.ledger.held
        silence = self.silence[day]
        silence[judged] = int(Silence.NONE)
        silence[~judged] = int(Silence.TOO_LITTLE_VOLUME)
        silence[~known] = int(Silence.NO_NUMBER)
        silence[~old] = int(Silence.TOO_LITTLE_HISTORY)
        self.expected[day] = np.where(judged, means[-1], np.nan)
        self.low[day] = np.where(judged, band_low(means[-1], self.noise.spread[:series]), np.nan)
        self.score[day] = np.where(judged, found, np.nan)
        usual = judged & ~self.ledger.held
        told = window.complete & (window.expected >= _LEAST_TOLD) & self._and_profiles(usual)
        together = np.stack([window.counts[-1, series:], window.means[-1, series:]])
        self.errors[day] = Errors(window.error, window.expected, window.uneven, told, together)

    def _look(self, day: int, means: Floats, old: Flags) -> Window:
        """Look at the series, and behind them at the profiles, of which series in drops are no part."""
        span = slice(day + 1 - LONGEST_WINDOW, day + 1)
        counts, joint_means = self._joint(span, means, old & ~self.ledger.held)
        learned = self.baseline.learned
        return look(
            np.concatenate([self.counts[span], counts], axis=1),
            np.concatenate([means, joint_means], axis=1),
            self.noise,
            np.concatenate([learned, learned.reshape(-1, self.metrics).max(axis=1)]),
            self._allowance(day),
        )

    def _open(self, day: int, window: Window, judged: Flags) -> Floats:
        """Open what falls, and return the scores (n): of the metric, or of all of its profile if that is larger."""
        series = len(self.trained)
        found = scores(window)
        free = judged & ~self.ledger.held
        able = judgeable(window)
        able[:series] = True
        low = lows(window, found, self.thresholds, self.least_losses) & self._and_profiles(free) & able
        # Profiles first: what falls with the others is told once, of all.
        for column in np.flatnonzero(low.any(axis=0))[::-1]:
            best = int(np.argmax(np.where(low[:, column], found[:, column], -1.0)))
            means = window.expected[:, column]
            bound = low_quantile(means, window.spread[:, column], float(self.thresholds[column])) / means
            if column >= series:
                self._open_together(day, int(column), window, best, bound, free)
            elif not self.ledger.held[column]:
                self._open_alone(day, int(column), window, best, bound)
        best_scores = found.max(axis=0)
        return np.asarray(np.maximum(best_scores[:series], self._each(best_scores[series:])))

    def _open_together(self, day: int, column: int, window: Window, best: int, low: Floats, free: Flags) -> None:
        profile = column - len(self.trained)
        first = day - start_of(window, column, int(WINDOWS[best]))
        members = np.arange(profile * self.metrics, (profile + 1) * self.metrics)
        members = members[free[members]]
        shares = window.observed[best, members] / window.expected[best, members]
        # The first metric stands for the profile if it fell like the whole.
        fallen = int(members[0 if shares[0] <= low[best] else np.argmin(shares)])
        leader = self.ledger.recent(profile, day)
        # Told again only if what fell before is smaller: saves may fall alone, and then so does all engagement.
        if leader is None or window.expected[best, fallen] > window.expected[best, leader]:
            leader = fallen
            self.ledger.tell(leader, first, day, low, float(1 - shares[members == leader][0]))
        for series, share in zip(members, shares, strict=True):
            if series != leader and share < 1 - _HELD_SHARE * self.least_loss[profile]:
                self.ledger.hold(int(series), leader, first, day, float(1 - share))

    def _open_alone(self, day: int, series: int, window: Window, best: int, low: Floats) -> None:
        first = day - start_of(window, series, int(WINDOWS[best]))
        lost = float(1 - window.observed[best, series] / window.expected[best, series])
        leader = self.ledger.recent(series // self.metrics, day)
        if leader is None:
            self.ledger.tell(series, first, day, low, lost)
        else:
            self.ledger.hold(series, leader, first, day, lost)

    def _and_profiles(self, flags: Flags) -> Flags:
        """Return ``flags`` (n), and behind them which profiles have a series of which it is true."""
        return np.concatenate([flags, flags.reshape(-1, self.metrics).any(axis=1)])

    def _each(self, values: Floats) -> Floats:
        """Return values of profiles for each of their series (n)."""
        repeated: Floats = np.repeat(values, self.metrics)
        return repeated

    def _allowance(self, day: int) -> float:
        when = self.first_day + timedelta(days=day)
        year_end = (when.month, when.day) >= (12, 20) or (when.month, when.day) <= (1, 6)
        return _YEAR_END if year_end else 0.0

    def _shut_deepened(self, day: int, window: Window, judged: Flags) -> bool:
        """End episodes in which a metric's last two days fell far below the drop itself: that is another drop."""
        ledger = self.ledger
        if not ledger.open:
            return False
        share = window.observed[0] / window.expected[0]
        # The first windows of a drop hold days from before it; how much it lost shows a day later.
        young = ledger.held & (day - ledger.detected <= 1) & judged
        ledger.lost = np.where(young, np.maximum(ledger.lost, 1 - share), ledger.lost)
        fallen = (share <= _DEEPER * (1 - ledger.lost)) & (ledger.lost < _ALL_LOST)
        enough = window.complete[0] & (window.expected[0] >= _DEEPER_EVENTS) & (ledger.opened <= day - int(WINDOWS[1]))
        leaders = np.unique(ledger.leader[ledger.held & fallen & enough & judged])
        for leader in leaders:
            self._shut(day, int(leader), CloseReason.DEEPENED)
        return len(leaders) > 0

    def _close(self, day: int, window: Window, judged: Flags) -> None:
        ledger = self.ledger
        if not ledger.open:
            return
        ledger.usable[day] &= ~ledger.held
        back = recovered(window, ledger.lost) & judged & (ledger.opened <= day - LONGEST_WINDOW)
        told = ledger.told()
        for series in np.flatnonzero(back & ledger.held & ~told):
            ledger.release(int(series), day, recovered=True)
        for which, reason in (
            (back, CloseReason.RECOVERED),
            (day - self.seen >= ENDED_DAYS, CloseReason.DATA_ENDED),
            (day - ledger.opened >= NEW_NORMAL_DAYS, CloseReason.NEW_NORMAL),
        ):
            for series in np.flatnonzero(which & told & ledger.held):
                self._shut(day, int(series), reason)

    def _shut(self, day: int, leader: int, reason: CloseReason) -> None:
        last = self.seen[leader]
        if reason in {CloseReason.RECOVERED, CloseReason.DEEPENED}:
            last = day - (LONGEST_WINDOW if reason == CloseReason.RECOVERED else int(WINDOWS[0]))
        opened = self.ledger.opened[leader]
        held = self.ledger.shut(leader, day, reason, int(last))
        for series in held:
            self.ledger.release(series, day, recovered=reason == CloseReason.RECOVERED and series == leader)
        if reason == CloseReason.RECOVERED and day - opened <= _SHORT_DAYS:
            self.noise.doubt(leader)
            self.noise.doubt(len(self.trained) + leader // self.metrics)
        if reason == CloseReason.NEW_NORMAL:
            span = slice(max(0, day + 1 - _RELEVEL_DAYS), day + 1)
            self.baseline.relevel(held, self.counts[span][:, held], self.weekdays[span])

    def _learn(self, day: int, means: Floats) -> None:
        """Learn from the day that ``means`` (n) are of, a week ago."""
        late = day + 1 - LONGEST_WINDOW
        take = self.ledger.usable[late] & ~np.isnan(self.counts[late]) & (self.trained < late) & ~self.ledger.held
        # What the profiles showed was kept; before there is something to judge they have nothing to learn.
        told = self.errors.pop(late, None)
        together = told.together if told is not None else np.full((2, len(self.threshold)), np.nan)
        taken = self._and_profiles(take)
        taken[len(take) :] &= ~np.isnan(together[0])
        spread = self.noise.spread[: len(take)].copy()
        self.noise.learn(
            np.concatenate([self.counts[late], together[0]]),
            np.concatenate([means, together[1]]),
            np.concatenate([np.exp(self.baseline.level), together[1]]),
            taken,
        )
        self.baseline.learn(self.counts[late], int(self.weekdays[late]), take, spread)
        if told is not None:
            self.noise.learn_windows(told.error, told.expected, told.uneven, told.told & taken)

    def _end(self) -> None:
        for opening in self.ledger.openings:
            if opening.closed is None:
                opening.last = int(self.seen[opening.series])
            opening.score = float(np.nanmax(self.score[opening.first : opening.last + 1, opening.series]))


def watch(counts: Floats, first_day: date, sensitivities: Sequence[Sensitivity], metrics: int) -> Watch:
    """Walk over ``counts`` (days, n); the profiles, ``metrics`` series each, have presets of their own."""
    presets = [PRESETS[sensitivity] for sensitivity in sensitivities]
    state = Watch(
        counts=counts,
        first_day=first_day,
        threshold=np.array([preset.threshold for preset in presets]),
        least_loss=np.array([preset.least_loss for preset in presets]),
        metrics=metrics,
    )
    state.run()
    return state
