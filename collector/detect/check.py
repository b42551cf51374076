"""Holds the newest days against the conditions of a drop, and keeps what each says. Pure."""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.cusum import Cusum
from collector.detect.model import Flags, Floats, Indices
from collector.detect.profiles import Profiles
from collector.detect.score import Scores
from collector.detect.series import JOINT, with_joint
from collector.detect.window import Window
from collector.models.drop import JUDGED_METRICS, TOGETHER, Decision, Unmet

_LEAST_PAIR = 2


def may_have_fallen(window: Window, cusum: Cusum, profiles: Profiles) -> Flags:
    """Return of which profiles a window lost enough for a drop, or the sum is as high, and the newest day is low.

    That is seldom so, and soon said.
    """
    lost = (window.observed <= profiles.most_left * window.expected).any(axis=0)
    lost[JOINT] |= cusum.total >= profiles.least_slow
    return np.asarray((lost & window.newest_low).any(axis=0))


@dataclass(frozen=True, slots=True)
class Checks:
    """What was found of windows (5, rows, profiles), ``scores``, and what was needed.

    ``held`` are the conditions in the order in which they are told.
    """

    scores: Scores
    threshold: Floats
    loss: Floats
    least_loss: Floats
    held: dict[Unmet, Flags]

    @classmethod
    def of(cls, window: Window, scores: Scores, profiles: Profiles, which: Indices, free: Flags) -> "Checks":
        """Check windows of the profiles ``which``; ``free`` (metrics, profiles) are judged and in no drop."""
        threshold = profiles.threshold[:, which] + tuning.WINDOW_THRESHOLD
        least_loss = np.broadcast_to(profiles.least_loss[which] + tuning.WINDOW_LOSS, threshold.shape)
        loss = 1 - scores.observed / scores.expected
        volume = scores.expected >= tuning.LEAST_EXPECTED
        volume[:, JOINT] &= window.judgeable[JOINT]
        low = (window.counts[-3:] < tuning.LOW_PAIR * window.means[-3:]).astype(np.int64)
        pair = np.ones(threshold.shape, dtype=np.bool_)
        pair[0], pair[1] = low[1:].sum(axis=0) >= _LEAST_PAIR, low.sum(axis=0) >= _LEAST_PAIR
        held = {
            Unmet.OPEN_ALREADY: with_joint(free, np.asarray(free.any(axis=0))),
            Unmet.VOLUME: volume,
            Unmet.GAPS: scores.complete,
            Unmet.SCORE: scores.score >= threshold,
            Unmet.LOSS: loss > least_loss,
            Unmet.NEWEST_DAY: window.newest_low,
            Unmet.ONE_DAY: pair,
        }
        return cls(scores, threshold, loss, least_loss, held)

    @property
    def passed(self) -> Flags:
        """Which windows are a drop."""
        low = np.ones(self.loss.shape, dtype=np.bool_)
        for held in self.held.values():
            low &= held
        return low

    def decision(self, where: tuple[int, int, int]) -> Decision:
        """Return what a window says."""
        window, row, profile = where
        return Decision(
            decided_by=JUDGED_METRICS[row] if row < self.loss.shape[1] - 1 else TOGETHER,
            window_days=int(self.scores.days[window, profile]),
            window_score=round(float(self.scores.score[where]), 2),
            threshold=round(float(self.threshold[where]), 2),
            window_loss=round(float(self.loss[where]), 3),
            least_loss=round(float(self.least_loss[where]), 3),
        )

    def unmet(self, where: tuple[int, int, int]) -> Unmet | None:
        """Return the first condition that a window does not fulfil."""
        return next((each for each, held in self.held.items() if not held[where[-held.ndim :]]), None)

    def closest(self, profile: int) -> tuple[int, int, int]:
        """Return the window that came closest to a drop of a profile: of those with enough days, by the score."""
        able = (self.held[Unmet.VOLUME] & self.held[Unmet.GAPS])[:, :, profile]
        near = np.where(able, self.scores.score[:, :, profile] / self.threshold[:, :, profile], -1.0)
        # Together before a metric by itself, where both came as close.
        window, row = np.unravel_index(int(np.argmax(near[:, ::-1])), near.shape)
        return int(window), near.shape[1] - 1 - int(row), profile
