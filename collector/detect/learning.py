"""Learns from days a week after they came, and only if they belong to no drop: those must not be expected. Pure."""

from dataclasses import dataclass

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Ledger
from collector.detect.model import Flags, Floats
from collector.detect.series import JOINT, Series, with_joint
from collector.detect.window import Window

_ASLEEP = np.log(tuning.DORMANT)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of a day's windows, to be learned from where ``usable``.

    ``joint`` and ``joint_mean`` (profiles) are the day's joint counts and their means.
    """

    error: Floats
    expected: Floats
    uneven: Floats
    usable: Flags
    joint: Floats
    joint_mean: Floats

    @classmethod
    def of(cls, window: Window, usual: Flags) -> "Errors":
        """Keep what a window says where it is ``usual`` (metrics, profiles)."""
        usable = (
            window.complete
            & (window.expected >= tuning.LEAST_EVENTS)
            & with_joint(usual, np.asarray(usual.any(axis=0)))
        )
        return cls(
            window.error, window.expected, window.uneven, usable, window.counts[-1, JOINT], window.means[-1, JOINT]
        )


class Learning:
    """Keeps a week's errors until they are learned from."""

    def __init__(self) -> None:
        self._errors: dict[int, Errors] = {}

    def keep(self, day: int, errors: Errors) -> None:
        self._errors[day] = errors

    def learn(self, series: Series, ledger: Ledger, late: int, means: Floats) -> None:
        """Learn from the day ``late``, whose ``means`` (metrics, profiles) these are."""
        counts = series.counts[late]
        take = ledger.usable[late] & series.known[late] & (series.trained < late) & ~ledger.in_drop
        series.learn_silence(late, take)
        take &= ~series.cusum.suspected & ~series.hidden[late] & (series.unusual[late] == 0)
        # The joint counts of that day were kept; there are none before anything was judged.
        errors = self._errors.pop(late, None)
        unknown = np.full(counts.shape[1], np.nan)
        joint, mean = (errors.joint, errors.joint_mean) if errors is not None else (unknown, unknown)
        scale = np.exp(series.baseline.level)
        spread = series.noise.spread[:JOINT]
        shared = series.noise.shared(np.where(np.isnan(mean), 1.0, mean))
        series.baseline.learn(counts, int(series.weekdays[late]), take, spread, shared)
        series.asleep |= take & (series.baseline.level < _ASLEEP)
        # A spike says nothing about the noise of other days.
        take &= ~series.baseline.fading
        taken = with_joint(take, take.any(axis=0) & ~np.isnan(joint))
        series.noise.learn(with_joint(counts, joint), with_joint(means, mean), with_joint(scale, mean), taken)
        if errors is not None:
            series.noise.learn_windows(errors.error, errors.expected, errors.uneven, errors.usable & taken)
