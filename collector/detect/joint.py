"""The metrics of a profile taken together: what all of them tell is told sooner than by any of them. Pure."""

import numpy as np

from collector.detect.model import Flags, Floats


def combine(counts: Floats, means: Floats, spread: Floats, free: Flags, metrics: int) -> tuple[Floats, Floats]:
    """Return counts and means (days, profiles) of one series for the ``metrics`` series of each profile.

    ``counts`` and ``means`` are (days, n), ``spread`` and ``free`` (n); only free series are taken. The relative
    residuals are averaged, each with its precision for a weight, and the mean is the number of events whose counting
    noise would be the average's. What the metrics have in common is left to the noise that is learned of the result.
    A day on which none has a number is NaN.
    """
    shape = (len(counts), -1, metrics)
    known = (~np.isnan(counts) & free).reshape(shape)
    precision = np.where(known, (1 / (1 / means + spread)).reshape(shape), 0.0)
    weight = precision / np.maximum(precision.sum(axis=2, keepdims=True), 1e-9)
    ratio = (weight * np.where(known, (counts / means).reshape(shape), 0.0)).sum(axis=2)
    counting = (weight**2 / means.reshape(shape)).sum(axis=2)
    some = known.any(axis=2)
    events = 1 / np.where(some, counting, 1.0)
    return np.where(some, ratio * events, np.nan), np.where(some, events, 1e-3)
