"""The profiles of a walk: how sensitively each is judged, and its drops. Pure."""

from collections.abc import Sequence

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Ledger
from collector.detect.model import Flags
from collector.models.drop import Sensitivity


class Profiles:
    """``threshold`` (rows, profiles) of metrics and the joint series, ``least_loss`` (profiles), and drops."""

    def __init__(self, sensitivities: Sequence[Sensitivity], thresholds: Sequence[float | None], known: Flags) -> None:
        threshold, self.least_loss = np.array([tuning.PRESETS[each] for each in sensitivities]).T
        if thresholds:
            own = np.array([np.nan if each is None else each for each in thresholds])
            threshold = np.where(np.isnan(own), threshold, own)
        # The joint series of a profile with one metric is that metric, judged by the lower threshold.
        alone = np.full((known.shape[1] + 1, 1), tuning.ALONE)
        alone[-1] = 0.0
        self.threshold = threshold + alone
        self.ledger = Ledger(known.copy())
