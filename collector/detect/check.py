"""Holds the newest days against the conditions of a drop, and keeps what each says. Pure."""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.cusum import Cusum
from collector.detect.model import Flags, Floats
from collector.detect.profiles import Profiles
from collector.detect.series import JOINT, with_joint
from collector.detect.window import Window
from collector.models.drop import JUDGED_METRICS, TOGETHER, Decision, Unmet

_LEAST_PAIR = 2
_ROUNDING = 1e-9


def may_have_fallen(window: Window, cusum: Cusum, profiles: Profiles) -> bool:
    """Return whether any window lost enough for a drop, or any sum is as high; that is soon said, and seldom so."""
    least_loss = profiles.least_loss + tuning.WINDOW_LOSS[: len(window.expected)]
    slow = tuning.CUSUM_SCORE * (profiles.threshold[JOINT] + tuning.WINDOW_THRESHOLD[-1])
    # A loss that is rounded otherwise there must not be missed here.
    lost = window.observed <= (1 - least_loss + _ROUNDING) * window.expected
    return bool(lost.any() or (cusum.total >= slow - _ROUNDING).any())


@dataclass(frozen=True, slots=True)
class Checks:
    """Of windows (5, rows, profiles), the last of which is as long as the cumulative sum: what was found and needed.

    ``days`` (5, profiles) are their lengths. ``held`` are the conditions in the order in which they are told.
    """

    days: Floats
    observed: Floats
    expected: Floats
    score: Floats
    threshold: Floats
    loss: Floats
    least_loss: Floats
    held: dict[Unmet, Flags]

    @classmethod
    def of(cls, window: Window, score: Floats, slow_days: Floats, profiles: Profiles, free: Flags) -> "Checks":
        """Check windows, with their scores; ``free`` (metrics, profiles) are judged and in no drop."""
        threshold = profiles.threshold + tuning.WINDOW_THRESHOLD
        least_loss = np.broadcast_to(profiles.least_loss + tuning.WINDOW_LOSS, score.shape)
        loss = 1 - window.observed / window.expected
        volume = window.expected >= tuning.LEAST_EXPECTED
        volume[:, JOINT] &= window.judgeable[JOINT]
        low = (window.counts[-3:] < tuning.LOW_PAIR * window.means[-3:]).astype(np.int64)
        pair = np.ones(score.shape, dtype=np.bool_)
        pair[0], pair[1] = low[1:].sum(axis=0) >= _LEAST_PAIR, low.sum(axis=0) >= _LEAST_PAIR
        lengths = np.broadcast_to(tuning.WINDOWS[:, None], (len(tuning.WINDOWS), score.shape[2]))
        held = {
            Unmet.OPEN_ALREADY: with_joint(free, np.asarray(free.any(axis=0))),
            Unmet.VOLUME: volume,
            Unmet.GAPS: window.complete,
            Unmet.SCORE: score >= threshold,
            Unmet.LOSS: loss > least_loss,
            # It must have a number, too.
            Unmet.NEWEST_DAY: window.counts[-1] < tuning.LOW_DAY * window.means[-1],
            Unmet.ONE_DAY: pair,
        }
        days = np.concatenate([lengths, slow_days[None]])
        return cls(days, window.observed, window.expected, score, threshold, loss, least_loss, held)

    @property
    def passed(self) -> Flags:
        """Which windows are a drop."""
        low = np.ones(self.score.shape, dtype=np.bool_)
        for held in self.held.values():
            low &= held
        return low

    def decision(self, where: tuple[int, int, int]) -> Decision:
        """Return what a window says."""
        window, row, profile = where
        return Decision(
            decided_by=JUDGED_METRICS[row] if row < self.score.shape[1] - 1 else TOGETHER,
            window_days=int(self.days[window, profile]),
            window_score=round(float(self.score[where]), 2),
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
        near = np.where(able, self.score[:, :, profile] / self.threshold[:, :, profile], -1.0)
        # Together before a metric by itself, where both came as close.
        window, row = np.unravel_index(int(np.argmax(near[:, ::-1])), near.shape)
        return int(window), near.shape[1] - 1 - int(row), profile
