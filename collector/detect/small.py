"""What NumPy's own functions do, several times as fast for few values. Pure."""

import numpy as np

from collector.detect.model import Flags, Floats


def bounded(values: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Return ``values`` within bounds, as np.clip does."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def any_of(flags: Flags) -> bool:
    """Return whether any is true, as np.any does."""
    return bool(np.count_nonzero(flags))
