"""Joins the metrics of a profile into one series: together they show a drop sooner than any of them alone. Pure."""

import numpy as np

from collector.detect.model import Flags, Floats
from collector.detect.noise import LEAST_MEAN


def combine(counts: Floats, means: Floats, spread: Floats, free: Flags, metrics: int) -> tuple[Floats, Floats]:
    """Join the ``metrics`` series of each profile; return the counts and means (days, profiles) of the joint series.

    ``counts`` and ``means`` are (days, n), ``spread`` and ``free`` (n); only free series are used. The relative
    residuals are averaged, weighted by their precision. The joint mean is the number of events whose counting noise
    equals that of the average. Noise that the metrics share is learned later, from the joint series.
    A day on which no series has a number is NaN.
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
