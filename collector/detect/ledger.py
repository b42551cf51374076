"""Which drops are open in a walk over the days, which series they hold, which days must not be learned. Pure."""

from dataclasses import dataclass, field

import numpy as np

from collector.detect.model import LONGEST_WINDOW, Flags, Floats, Indices
from collector.models import CloseReason

FREE = -1
# What begins within so many days of a profile's drop is that drop.
_TOGETHER_DAYS = 7


@dataclass(slots=True)
class Opening:
    """An episode of a series in terms of day indices.

    ``low`` (4) are the bounds of an alarm as shares of the expected, one for each window: means of more days vary less.
    """

    series: int
    first: int
    detected: int
    low: Floats
    last: int = -1
    closed: int | None = None
    reason: CloseReason | None = None
    score: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The drops of series, ``metrics`` of which make a profile; ``usable`` (days, n) are the days to learn from.

    A drop is told of one series and holds all of its profile that fell with it: ``leader`` (n) is the series that a
    held one's drop is told of, its own number where it is told itself, and `FREE` outside of drops. ``opened`` and
    ``detected`` (n) are days, ``lost`` (n) is the share that a held series lost.
    """

    metrics: int
    usable: Flags
    openings: list[Opening] = field(init=False, default_factory=list)
    open: dict[int, Opening] = field(init=False, default_factory=dict)
    leader: Indices = field(init=False)
    opened: Indices = field(init=False)
    detected: Indices = field(init=False)
    lost: Floats = field(init=False)

    def __post_init__(self) -> None:
        series = self.usable.shape[1]
        self.leader = np.full(series, FREE)
        self.opened, self.detected = np.zeros(series, dtype=np.int64), np.zeros(series, dtype=np.int64)
        self.lost = np.zeros(series)

    @property
    def held(self) -> Flags:
        """Which series (n) are in a drop."""
        return np.asarray(self.leader != FREE)

    def told(self) -> Flags:
        """Return which series (n) a drop is told of."""
        return np.asarray(self.leader == np.arange(len(self.leader)))

    def recent(self, profile: int, day: int) -> int | None:
        """Return the series that the drop of a profile is told of, when it was detected in the last days."""
        for series in range(profile * self.metrics, (profile + 1) * self.metrics):
            opening = self.open.get(series)
            if opening is not None and day - opening.detected < _TOGETHER_DAYS:
                return series
        return None

    def tell(self, series: int, first: int, day: int, low: Floats, lost: float) -> None:
        """Open an episode of a series."""
        opening = Opening(series, first, day, low)
        self.open[series] = opening
        self.openings.append(opening)
        self.hold(series, series, first, day, lost)

    def hold(self, series: int, leader: int, first: int, day: int, lost: float) -> None:
        """Take a series for part of the drop that is told of ``leader``."""
        self.leader[series] = leader
        self.opened[series], self.detected[series], self.lost[series] = first, day, lost
        self.usable[first : day + 1, series] = False

    def release(self, series: int, day: int, *, recovered: bool) -> None:
        """Let a series go; the last week of one that recovered is learned from after all."""
        self.leader[series] = FREE
        if recovered:
            self.usable[day + 1 - LONGEST_WINDOW : day + 1, series] = True

    def shut(self, series: int, day: int, reason: CloseReason, last: int) -> Indices:
        """Close the episode that is told of a series; return the series that it still held, that one first."""
        opening = self.open.pop(series)
        opening.closed, opening.reason, opening.last = day, reason, max(opening.detected, last)
        others = np.flatnonzero((self.leader == series) & (np.arange(len(self.leader)) != series))
        return np.concatenate([[series], others])
