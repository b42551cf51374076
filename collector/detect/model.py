"""Defines what the detector takes and returns. Pure values."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from collector.models.drop import Episode

if TYPE_CHECKING:
    from collector.detect.check import Checks

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Small = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


class Silence(IntEnum):
    """Why a day was not judged; ``NONE`` where it was."""

    NONE = 0
    NO_NUMBER = 1
    TOO_LITTLE_HISTORY = 2
    TOO_LITTLE_VOLUME = 3
    RELEARNING = 4

    @property
    def text(self) -> str:
        return ("", "no number for this day", "too little history", "too little volume", "relearning")[self]


@dataclass(frozen=True, slots=True)
class History:
    """Verdicts on days from ``first_day`` on; arrays of (profiles, metrics, days).

    ``expected`` and ``expected_low`` (the lower bound of the normal band of a single day) are counts a day, NaN for
    days that were not judged. ``score`` (profiles, metrics) is that of the newest day, in standard deviations, larger
    is lower. ``silence`` holds values of `Silence`. ``ready_on`` is for each profile the day on which engagement will
    be judged, None where it is or was. ``episodes`` has a tuple for each profile, oldest first. ``checks`` are of the
    newest day, None without any.
    """

    first_day: date
    expected: Singles
    expected_low: Singles
    score: Singles
    silence: Small
    ready_on: tuple[date | None, ...]
    episodes: tuple[tuple[Episode, ...], ...]
    checks: "Checks | None"
