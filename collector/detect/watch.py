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
from collector.detect.model import LONGEST_WINDOW, PRESETS, CloseReason, Flags, Floats, Indices, Sensitivity, Silence
from collector.detect.noise import WINDOWS, Noise, spread_of

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

Errors = tuple[Floats, Floats, Floats, Flags]


@dataclass(slots=True)
class Watch:
    """The state of a walk over ``counts`` (days, n), and what it has found so far, in arrays of the same shape.

    ``metrics`` series that follow each other make a profile; ``threshold`` and ``least_loss`` are (profiles).
    """

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
    baseline: Baseline = field(init=False)
    joint_noise: Noise = field(init=False)
    ledger: Ledger = field(init=False)
    numbers: Indices = field(init=False)
    trained: Indices = field(init=False)
    weekdays: Indices = field(init=False)
    seen: Indices = field(init=False)
    errors: dict[int, tuple[Errors, Errors]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        days, series = self.counts.shape
        self.expected, self.low, self.score = (np.full((days, series), np.nan) for _ in range(3))
        self.firing = np.zeros((days, series), dtype=np.bool_)
        self.silence = np.full((days, series), int(Silence.TOO_LITTLE_HISTORY))
        self.baseline = Baseline.unknown(series)
        self.joint_noise = Noise.unknown(series // self.metrics)
        self.numbers = np.cumsum(~np.isnan(self.counts), axis=0)
        self.ledger = Ledger(self.metrics, ~np.isnan(self.counts))
        self.trained = np.full(series, days)
        self.weekdays = weekdays_of(self.first_day.weekday(), days)
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
            span = slice(start, day + 1)
            adjusted = self.counts[span, which] / np.exp(self.common[span, None])
            self.baseline.train(which, adjusted, self.weekdays[span])
            self.trained[which] = day
            profiles = np.unique(which // self.metrics)
            counts, means = self._joint(span, self.trained <= day)
            self.joint_noise.start(profiles, spread_of(counts[:, profiles], means[:, profiles]))

    def _age(self, day: int) -> Indices:
        """Return the days (n) since the first number."""
        first = np.where(self.numbers[day] > 0, (self.numbers[: day + 1] == 0).sum(axis=0), day + 1)
        return day + 1 - first

    def _means(self, span: slice) -> Floats:
        means: Floats = self.baseline.means(self.weekdays[span]) * np.exp(self.common[span, None])
        return means

    def _joint(self, span: slice, free: Flags) -> tuple[Floats, Floats]:
        return combine(self.counts[span], self._means(span), self.baseline.noise.spread, free, self.metrics)

    def _judge(self, day: int) -> None:
        span = slice(day + 1 - LONGEST_WINDOW, day + 1)
        allowance = self._allowance(day)
        means = self._means(span)
        window = look(self.counts[span], means, self.baseline.noise, self.baseline.learned, allowance)
        known = ~np.isnan(self.counts[day])
        old = self.trained <= day - LONGEST_WINDOW
        judged = known & old & (judgeable(window) | self.ledger.told())
        self.seen[known] = day
        self._shut_deepened(day, window, judged)
        learned = self.baseline.learned.reshape(-1, self.metrics).max(axis=1)
        together = look(*self._joint(span, old & ~self.ledger.held), self.joint_noise, learned, allowance)
        found = self._open(day, window, together, judged)
        self._close(day, window, judged)
        self.firing[day] = self.ledger.held
        self.silence[day] = np.select(
            [~old, ~known, ~judged],
            [int(Silence.TOO_LITTLE_HISTORY), int(Silence.NO_NUMBER), int(Silence.TOO_LITTLE_VOLUME)],
            int(Silence.NONE),
        )
        self.expected[day] = np.where(judged, means[-1], np.nan)
        self.low[day] = np.where(judged, band_low(means[-1], self.baseline.noise.spread), np.nan)
        self.score[day] = np.where(judged, found, np.nan)
        usual = judged & ~self.ledger.held
        self.errors[day] = (_errors(window, usual), _errors(together, self._any(usual)))

    def _open(self, day: int, window: Window, together: Window, judged: Flags) -> Floats:
        """Open what falls, and return the scores (n): of the metric, or of all of its profile if that is larger."""
        alone, jointly = scores(window), scores(together)
        # A profile with one metric is judged by that: together it is the same series, with the lower threshold.
        free = judged & ~self.ledger.held
        fallen = lows(together, jointly, self.threshold, self.least_loss) & self._any(free)
        for profile in np.flatnonzero(fallen.any(axis=0) & judgeable(together)):
            self._open_together(day, int(profile), window, together, np.where(fallen, jointly, -1.0), free)
        low = lows(window, alone, self._each(self.threshold) + _ALONE, self._each(self.least_loss)) & free
        for series in np.flatnonzero(low.any(axis=0) & ~self.ledger.held):
            self._open_alone(day, int(series), window, np.where(low, alone, -1.0))
        return np.asarray(np.maximum(alone.max(axis=0), self._each(jointly.max(axis=0))))

    def _open_together(
        self, day: int, profile: int, window: Window, together: Window, found: Floats, free: Flags
    ) -> None:
        best = int(np.argmax(found[:, profile]))
        first = day - start_of(together, profile, int(WINDOWS[best]))
        members = np.arange(profile * self.metrics, (profile + 1) * self.metrics)
        members = members[free[members]]
        shares = window.observed[best, members] / window.expected[best, members]
        low = low_quantile(together.expected[best], together.spread[best], self.threshold)[profile]
        low = float(low / together.expected[best, profile])
        # The first metric stands for the profile if it fell like the whole.
        leader = int(members[0 if shares[0] <= low else np.argmin(shares)])
        self.ledger.tell(leader, first, day, low, float(1 - shares[members == leader][0]))
        for series, share in zip(members, shares, strict=True):
            if series != leader and share < 1 - _HELD_SHARE * self.least_loss[profile]:
                self.ledger.hold(int(series), leader, first, day, float(1 - share))

    def _open_alone(self, day: int, series: int, window: Window, found: Floats) -> None:
        best = int(np.argmax(found[:, series]))
        first = day - start_of(window, series, int(WINDOWS[best]))
        profile = series // self.metrics
        lost = float(1 - window.observed[best, series] / window.expected[best, series])
        leader = self.ledger.recent(profile, day)
        if leader is not None:
            self.ledger.hold(series, leader, first, day, lost)
            return
        threshold = self.threshold[profile] + _ALONE
        low = low_quantile(window.expected[best], window.spread[best], threshold)[series]
        self.ledger.tell(series, first, day, float(low / window.expected[best, series]), lost)

    def _any(self, flags: Flags) -> Flags:
        """Return which profiles have a series of which ``flags`` (n) is true."""
        return np.asarray(flags.reshape(-1, self.metrics).any(axis=1))

    def _each(self, values: Floats) -> Floats:
        """Return values of profiles for each of their series (n)."""
        repeated: Floats = np.repeat(values, self.metrics)
        return repeated

    def _allowance(self, day: int) -> float:
        when = self.first_day + timedelta(days=day)
        year_end = (when.month, when.day) >= (12, 20) or (when.month, when.day) <= (1, 6)
        return _YEAR_END if year_end else 0.0

    def _shut_deepened(self, day: int, window: Window, judged: Flags) -> None:
        """End episodes in which a metric's last two days fell far below the drop itself: that is another drop."""
        ledger = self.ledger
        if not ledger.open:
            return
        share = window.observed[0] / window.expected[0]
        # The first windows of a drop hold days from before it; how much it lost shows a day later.
        young = ledger.held & (day - ledger.detected <= 1) & judged
        ledger.lost = np.where(young, np.maximum(ledger.lost, 1 - share), ledger.lost)
        fallen = (share <= _DEEPER * (1 - ledger.lost)) & (ledger.lost < _ALL_LOST)
        enough = window.complete[0] & (window.expected[0] >= _DEEPER_EVENTS) & (ledger.opened <= day - int(WINDOWS[1]))
        for leader in np.unique(ledger.leader[ledger.held & fallen & enough & judged]):
            self._shut(day, int(leader), CloseReason.DEEPENED)

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
            self.baseline.noise.doubt(leader)
            self.joint_noise.doubt(leader // self.metrics)
        if reason == CloseReason.NEW_NORMAL:
            span = slice(max(0, day + 1 - _RELEVEL_DAYS), day + 1)
            self.baseline.relevel(held, self.counts[span][:, held], self.weekdays[span])

    def _learn(self, day: int) -> None:
        late = day + 1 - LONGEST_WINDOW
        take = self.ledger.usable[late] & ~np.isnan(self.counts[late]) & (self.trained < late) & ~self.ledger.held
        taken = self._any(take)
        count, mean = self._joint(slice(late, late + 1), take)
        self.joint_noise.learn(count[0], mean[0], 1.0, taken)
        self.baseline.learn(self.counts[late] / np.exp(self.common[late]), int(self.weekdays[late]), take)
        if late in self.errors:
            own, together = self.errors.pop(late)
            self.baseline.noise.learn_windows(*own[:3], own[3] & take)
            self.joint_noise.learn_windows(*together[:3], together[3] & taken)

    def _end(self) -> None:
        for opening in self.ledger.openings:
            if opening.closed is None:
                opening.last = int(self.seen[opening.series])
            opening.score = float(np.nanmax(self.score[opening.first : opening.last + 1, opening.series]))


def _errors(window: Window, usual: Flags) -> Errors:
    """Return what the noise of windows is learned from, and where."""
    return window.error, window.expected, window.uneven, window.complete & (window.expected >= _LEAST_TOLD) & usual


def watch(
    counts: Floats, first_day: date, sensitivities: Sequence[Sensitivity], common: Floats, metrics: int = 1
) -> Watch:
    """Walk over ``counts`` (days, n), each profile with its own preset; ``common`` (days) is the fleet's log factor."""
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
