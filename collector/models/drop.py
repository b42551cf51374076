"""Drops of engagement, and what a verdict rests on."""

from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

JUDGED_METRICS: Final = ("engagement", "impression", "outbound_click", "save")
"""What the detector judges, in the order of its arrays."""


class Sensitivity(StrEnum):
    """How small a drop is worth an alarm to the client."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class CloseReason(StrEnum):
    """Why an episode ended."""

    RECOVERED = "recovered"
    NEW_NORMAL = "new_normal"
    DEEPENED = "deepened"
    DATA_ENDED = "data_ended"
    ACCOUNT_CHANGED = "account_changed"


class Unmet(StrEnum):
    """The first condition of a drop that did not hold."""

    VOLUME = "volume"
    GAPS = "gaps"
    SCORE = "score"
    LOSS = "loss"
    NEWEST_DAY = "newest_day"
    ONE_DAY = "one_day"
    OPEN_ALREADY = "open_already"


TOGETHER: Final = "together"

SILENCE: Final = "silence"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict rests on: ``window_days`` of a metric, of all ``together``, or of ``silence`` that is too long.

    An alarm needs a ``window_score`` of ``threshold``, in standard deviations, and a ``window_loss`` of ``least_loss``,
    as shares of the expected. ``also_fell`` are other metrics that fell with the one that is told, with commas.
    """

    decided_by: str = ""
    window_days: int = 0
    window_score: float = 0.0
    threshold: float = 0.0
    window_loss: float = 0.0
    least_loss: float = 0.0
    also_fell: str = ""


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A drop of a profile, reported for one metric: engagement where all fell together, else the one that fell most.

    ``detected_day`` is the newest settled day that the decision needed. ``observed``, ``expected`` and
    ``expected_low`` are means a day over the days from ``first_day`` to ``last_day`` that have a number;
    a mean below ``expected_low`` over as many days, up to a week, raises the alarm.
    ``score`` is the largest of the episode, in standard deviations, of the metric or of the profile's together.
    ``closed_on`` is None while the drop lasts. ``usual_since`` is of a drop that is not closed though its newest days,
    at least three, are back near the expected: the first of them, after ``last_day``.
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
    usual_since: date | None = None
    closed_on: date | None = None
    close_reason: CloseReason | None = None
    decision: Decision = Decision()


class JudgedDays(msgspec.Struct, frozen=True):
    """Days between which a profile could be judged, or ``profiles`` without known drops: those have no id."""

    profile_id: int | None
    first_day: date
    last_day: date
    profiles: int = 1
