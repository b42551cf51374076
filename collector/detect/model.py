"""What the detector is told and what it says. Pure values."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Small = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

METRICS: Final = ("engagement", "impression", "outbound_click", "save")
LONGEST_WINDOW: Final = 7
"""Days that a decision looks at; the baseline is learned from the days before them."""


class Sensitivity(StrEnum):
    """How small a drop is worth an alarm to the client."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Preset:
    """``threshold`` in standard deviations, for all metrics together; ``least_loss``, a share, is worth an alarm."""

    threshold: float
    least_loss: float


PRESETS: Final = {
    Sensitivity.LOW: Preset(threshold=3.5, least_loss=0.40),
    Sensitivity.NORMAL: Preset(threshold=3.1, least_loss=0.30),
    Sensitivity.HIGH: Preset(threshold=2.65, least_loss=0.22),
}


class Silence(IntEnum):
    """Why nothing can be said about a day; ``NONE`` where it was judged."""

    NONE = 0
    NO_NUMBER = 1
    TOO_LITTLE_HISTORY = 2
    TOO_LITTLE_VOLUME = 3

    @property
    def text(self) -> str:
        return ("", "no number for this day", "too little history", "too little volume")[self]


class CloseReason(StrEnum):
    RECOVERED = "recovered"
    NEW_NORMAL = "new_normal"
    DEEPENED = "deepened"
    DATA_ENDED = "data_ended"


@dataclass(frozen=True, slots=True)
class Episode:
    """A drop of a profile, told of one metric: engagement where all fell together, else the one that fell most.

    ``detected_day`` is the newest settled day that the decision needed. ``observed``, ``expected`` and
    ``expected_low`` are means a day over the days from ``first_day`` to ``last_day`` that have a number;
    below ``expected_low`` a mean over as many days, up to a week, would have raised the alarm.
    ``score`` is the largest of the episode, in standard deviations, of the metric or of the profile's together.
    ``closed_on`` is None while the drop lasts.
    """

    metric: str
    first_day: date
    detected_day: date
    last_day: date
    observed: float
    expected: float
    expected_low: float
    score: float
    lost_share: float
    closed_on: date | None = None
    close_reason: CloseReason | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Verdicts on the days from ``first_day``; arrays of (profiles, metrics, days).

    ``expected`` and ``expected_low`` (the lower bound of the normal band of a single day) are counts a day, NaN
    where nothing can be said; ``score`` is in standard deviations, larger is lower; ``firing`` holds while an
    episode is open;
    ``silence`` holds values of `Silence`. ``episodes`` has a tuple for each profile, oldest first.
    """

    first_day: date
    expected: Singles
    expected_low: Singles
    score: Singles
    firing: Flags
    silence: Small
    episodes: tuple[tuple[Episode, ...], ...]
