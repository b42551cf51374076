"""The profiles of a walk: how sensitively each is judged, and its drops. Pure."""

from collections.abc import Sequence

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Ledger
from collector.detect.model import Flags
from collector.models.drop import Sensitivity

_ROUNDING = 1e-9


class Profiles:
    """``threshold`` (rows, profiles) of metrics and the joint series, ``least_loss`` (profiles), and drops.

    No window can be a drop that has more than the share ``most_left`` (4, 1, profiles) of what was expected, nor a
    cumulative sum below ``least_slow`` (profiles).
    """

    def __init__(self, sensitivities: Sequence[Sensitivity], thresholds: Sequence[float | None], known: Flags) -> None:
        threshold, self.least_loss = np.array([tuning.PRESETS[each] for each in sensitivities]).T
        if thresholds:
            own = np.array([np.nan if each is None else each for each in thresholds])
            threshold = np.where(np.isnan(own), threshold, own)
        # The joint series of a profile with one metric is that metric, judged by the lower threshold.
        alone = np.full((known.shape[1] + 1, 1), tuning.ALONE)
        alone[-1] = 0.0
        self.threshold = threshold + alone
        # A loss that is rounded otherwise in the checks must not be missed.
        self.most_left = 1 - self.least_loss - tuning.WINDOW_LOSS[:-1] + _ROUNDING
        self.least_slow = tuning.CUSUM_SCORE * (self.threshold[-1] + tuning.WINDOW_THRESHOLD[-1, 0]) - _ROUNDING
        self.ledger = Ledger(known.copy())
