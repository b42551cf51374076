"""The metrics of a profile taken together: what all of them tell is told sooner than by any of them. Pure."""

import numpy as np

from collector.detect.model import Flags, Floats
from collector.detect.noise import LEAST_MEAN


def combine(counts: Floats, means: Floats, spread: Floats, free: Flags, metrics: int) -> tuple[Floats, Floats]:
    """Return counts and means (days, profiles) of one series for the ``metrics`` series of each profile.

    ``counts`` and ``means`` are (days, n), ``spread`` and ``free`` (n); only free series are taken. The relative
    residuals are averaged, each with its precision for a weight, and the mean is the number of events whose counting
    noise would be the average's. What the metrics have in common is left to the noise that is learned of the result.
    A day on which none has a number is NaN.
    """
    known = ~np.isnan(counts) & free
    # The precision of a relative residual is mean * part.
    part = np.where(known, 1 / (1 + spread * means), 0.0)
    weights = _by_profile(part * means, metrics)
    some = weights > 0
    events = weights**2 / np.where(some, _by_profile(part**2 * means, metrics), 1.0)
    ratio = _by_profile(np.where(known, part * counts, 0.0), metrics) / np.where(some, weights, 1.0)
    return np.where(some, ratio * events, np.nan), np.where(some, events, LEAST_MEAN)


def _by_profile(values: Floats, metrics: int) -> Floats:
    added: Floats = np.einsum("dpm->dp", values.reshape(len(values), -1, metrics))
    return added
