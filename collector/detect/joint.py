"""Joins the metrics of a profile into one series: together they show a drop sooner than any of them alone. Pure."""

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats


def combine(counts: Floats, means: Floats, spread: Floats, free: Flags) -> tuple[Floats, Floats]:
    """Join the metrics of each profile; return the counts and means (days, profiles) of the joint series.

    ``counts`` and ``means`` are (days, metrics, profiles), ``spread`` and ``free`` (metrics, profiles); only free ones
    are used. The relative residuals are averaged, weighted by their precision. The joint mean is the number of events
    whose counting noise equals that of the average. Noise that the metrics share is learned later, from the joint
    series. A day on which no series has a number is NaN.
    """
    known = ~np.isnan(counts) & free
    # The precision of a relative residual is mean * part.
    part = np.where(known, 1 / (1 + spread * means), 0.0)
    weights = (part * means).sum(axis=1)
    some = weights > 0
    events = weights**2 / np.where(some, (part**2 * means).sum(axis=1), 1.0)
    ratio = np.where(known, part * counts, 0.0).sum(axis=1) / np.where(some, weights, 1.0)
    return np.where(some, ratio * events, np.nan), np.where(some, events, tuning.LEAST_MEAN)
