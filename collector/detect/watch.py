"""Goes through the days of many series, oldest first, and gives a verdict on each from the days up to it. Pure.

A day is learned from a week late, and only when it belongs to no drop, so that a drop never becomes what is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from collector.detect.baseline import TRAINING_DAYS, WINDOWS, Baseline
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
from collector.detect.model import LONGEST_WINDOW, PRESETS, CloseReason, Flags, Floats, Indices, Sensitivity, Silence

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
# By number of judged metrics: the false alarms of a profile are one budget.
_SPARED = np.array([0.0, 0.5, 0.2, 0.08, 0.0])


@dataclass(slots=True)
class Opening:
    """An episode of a series in terms of day indices; ``low`` is the alarm's bound as a share of the expected."""

    series: int
    first: int
    detected: int
    low: float
    last: int = -1
    closed: int | None = None
    reason: CloseReason | None = None
    score: float = 0.0


@dataclass(slots=True)
class Watch:
    """The state of a walk over ``counts`` (days, n), and what it has found so far, in arrays of the same shape."""

    counts: Floats
    first_day: date
    threshold: Floats
    least_loss: Floats
    common: Floats
    metrics: int
    expected: Floats = field(init=False)
    low: Floats = field(init=False)
    score: Floats = field(init=False)
    firing: Flags = field(init=False)
    silence: Indices = field(init=False)
    openings: list[Opening] = field(init=False, default_factory=list)
    baseline: Baseline = field(init=False)
    numbers: Indices = field(init=False)
    usable: Flags = field(init=False)
    trained: Indices = field(init=False)
    weekdays: Indices = field(init=False)
    open: dict[int, Opening] = field(init=False, default_factory=dict)
    is_open: Flags = field(init=False)
    opened: Indices = field(init=False)
    detected: Indices = field(init=False)
    lost: Floats = field(init=False)
    seen: Indices = field(init=False)
    errors: dict[int, tuple[Floats, Floats, Floats, Flags]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        days, series = self.counts.shape
        self.expected, self.low, self.score = (np.full((days, series), np.nan) for _ in range(3))
        self.firing = np.zeros((days, series), dtype=np.bool_)
        self.silence = np.full((days, series), int(Silence.TOO_LITTLE_HISTORY))
        self.baseline = Baseline.unknown(series)
        self.numbers = np.cumsum(~np.isnan(self.counts), axis=0)
        self.usable = ~np.isnan(self.counts)
        self.trained = np.full(series, days)
        self.weekdays = weekdays_of(self.first_day.weekday(), days)
        self.is_open = np.zeros(series, dtype=np.bool_)
        self.opened, self.detected = np.zeros(series, dtype=np.int64), np.zeros(series, dtype=np.int64)
        self.lost = np.zeros(series)
        self.seen = np.full(series, -1)

    def run(self) -> None:
        for day in range(TRAINING_DAYS - 1, len(self.counts)):
            self._train(day)
            if (self.trained < day).any():
                self._judge(day)
                self._learn(day)
        self._end()

    def _train(self, day: int) -> None:
        start = day + 1 - TRAINING_DAYS
        number = self.numbers[day] - (self.numbers[start - 1] if start else 0)
        ready = (self.trained == len(self.counts)) & (number >= _LEAST_TRAINED) & (self._age(day) >= TRAINING_DAYS)
        which = np.flatnonzero(ready)
        if len(which):
            adjusted = self.counts[start : day + 1, which] / np.exp(self.common[start : day + 1, None])
            self.baseline.train(which, adjusted, self.weekdays[start : day + 1])
            self.trained[which] = day

    def _age(self, day: int) -> Indices:
        """Return the days (n) since the first number."""
        first = np.where(self.numbers[day] > 0, (self.numbers[: day + 1] == 0).sum(axis=0), day + 1)
        return day + 1 - first

    def _judge(self, day: int) -> None:
        span = slice(day + 1 - LONGEST_WINDOW, day + 1)
        common = np.exp(self.common[span, None])
        means = self.baseline.means(self.weekdays[span]) * common
        window = look(self.counts[span], means, self.baseline, self._allowance(day))
        found = scores(window)
        known = self.usable[day] | ~np.isnan(self.counts[day])
        old = self.trained <= day - LONGEST_WINDOW
        able = judgeable(window)
        judged = known & old & (able | self.is_open)
        self._shut_deepened(day, window, judged)
        low = lows(window, found, self.threshold - self._spared(able), self.least_loss) & judged & ~self.is_open
        self.seen[known] = day
        for series in np.flatnonzero(low.any(axis=0)):
            self._open(day, int(series), window, found, low)
        self._close(day, window, judged)
        self.firing[day] = self.is_open
        self.silence[day] = np.select(
            [~old, ~known, ~judged],
            [int(Silence.TOO_LITTLE_HISTORY), int(Silence.NO_NUMBER), int(Silence.TOO_LITTLE_VOLUME)],
            int(Silence.NONE),
        )
        self.expected[day] = np.where(judged, means[-1], np.nan)
        self.low[day] = np.where(judged, band_low(means[-1], self.baseline.spread), np.nan)
        self.score[day] = np.where(judged, found.max(axis=0), np.nan)
        usual = judged & ~self.is_open
        self.errors[day] = (
            window.error,
            window.expected,
            window.uneven,
            window.complete & (window.expected >= _LEAST_TOLD) & usual,
        )

    def _spared(self, able: Flags) -> Floats:
        """Return what the threshold may be lower by (n): fewer metrics that are judged share the same false alarms."""
        number = able.reshape(-1, self.metrics).sum(axis=1)
        spared: Floats = np.repeat(_SPARED[np.minimum(number, len(_SPARED) - 1)], self.metrics)
        return spared

    def _allowance(self, day: int) -> float:
        when = self.first_day + timedelta(days=day)
        year_end = (when.month, when.day) >= (12, 20) or (when.month, when.day) <= (1, 6)
        return _YEAR_END if year_end else 0.0

    def _open(self, day: int, series: int, window: Window, found: Floats, low: Flags) -> None:
        best = int(np.argmax(np.where(low[:, series], found[:, series], -1.0)))
        first = day - start_of(window, series, int(WINDOWS[best]))
        bound = low_quantile(window.expected[best], window.spread[best], self.threshold)[series]
        opening = Opening(series, first, day, float(bound / window.expected[best, series]))
        self.open[series] = opening
        self.openings.append(opening)
        self.is_open[series] = True
        self.opened[series] = first
        self.detected[series] = day
        self.lost[series] = 1 - window.observed[best, series] / window.expected[best, series]
        self.usable[first : day + 1, series] = False

    def _shut_deepened(self, day: int, window: Window, judged: Flags) -> None:
        """End episodes in which the last two days fell far below the drop itself: that is another drop."""
        if not self.open:
            return
        share = window.observed[0] / window.expected[0]
        # The first windows of a drop hold days from before it; how much it lost shows a day later.
        young = self.is_open & (day - self.detected <= 1) & judged
        self.lost = np.where(young, np.maximum(self.lost, 1 - share), self.lost)
        fallen = (share <= _DEEPER * (1 - self.lost)) & (self.lost < _ALL_LOST)
        enough = window.complete[0] & (window.expected[0] >= _DEEPER_EVENTS) & (self.opened <= day - int(WINDOWS[1]))
        for series in np.flatnonzero(self.is_open & fallen & enough & judged):
            self._shut(day, int(series), CloseReason.DEEPENED)

    def _close(self, day: int, window: Window, judged: Flags) -> None:
        if not self.open:
            return
        self.usable[day] &= ~self.is_open
        back = recovered(window, self.lost) & judged & (self.opened <= day - LONGEST_WINDOW)
        stale = self.is_open & (day - self.seen >= ENDED_DAYS)
        normal = self.is_open & (day - self.opened >= NEW_NORMAL_DAYS)
        for which, reason in (
            (back, CloseReason.RECOVERED),
            (stale, CloseReason.DATA_ENDED),
            (normal, CloseReason.NEW_NORMAL),
        ):
            for series in np.flatnonzero(which & self.is_open):
                self._shut(day, int(series), reason)

    def _shut(self, day: int, series: int, reason: CloseReason) -> None:
        opening = self.open.pop(series)
        opening.closed, opening.reason = day, reason
        opening.last = max(
            opening.detected, day - LONGEST_WINDOW if reason == CloseReason.RECOVERED else self.seen[series]
        )
        self.is_open[series] = False
        if reason == CloseReason.DEEPENED:
            opening.last = day - int(WINDOWS[0])
            return
        if reason == CloseReason.RECOVERED:
            self.usable[day + 1 - LONGEST_WINDOW : day + 1, series] = True
            if day - opening.first <= _SHORT_DAYS:
                self.baseline.doubt(series)
            return
        start = max(0, day + 1 - _RELEVEL_DAYS)
        if reason == CloseReason.NEW_NORMAL:
            span = slice(start, day + 1)
            self.baseline.relevel(np.array([series]), self.counts[span, [series]], self.weekdays[span])

    def _learn(self, day: int) -> None:
        late = day + 1 - LONGEST_WINDOW
        take = self.usable[late] & ~np.isnan(self.counts[late]) & (self.trained < late) & ~self.is_open
        self.baseline.learn(self.counts[late] / np.exp(self.common[late]), int(self.weekdays[late]), take)
        if late in self.errors:
            error, expected, uneven, complete = self.errors.pop(late)
            self.baseline.learn_windows(error, expected, uneven, complete & take)

    def _end(self) -> None:
        for opening in self.openings:
            if opening.closed is None:
                opening.last = int(self.seen[opening.series])
            opening.score = float(np.nanmax(self.score[opening.first : opening.last + 1, opening.series]))


def watch(
    counts: Floats, first_day: date, sensitivities: Sequence[Sensitivity], common: Floats, metrics: int = 1
) -> Watch:
    """Walk over ``counts`` (days, n), each series with its own preset; ``common`` (days) is the fleet's log factor."""
    presets = [PRESETS[sensitivity] for sensitivity in sensitivities]
    state = Watch(
        counts=counts,
        first_day=first_day,
        threshold=np.array([preset.threshold for preset in presets]),
        least_loss=np.array([preset.least_loss for preset in presets]),
        common=common,
        metrics=metrics,
    )
    state.run()
    return state
