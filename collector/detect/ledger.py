"""Records which drops are open, which series belong to them, and which days must not be learned from. Pure."""

from dataclasses import dataclass

import numpy as np

from collector.detect.model import LONGEST_WINDOW, Flags, Floats, Indices
from collector.models import CloseReason

FREE = -1
# A series that falls within so many days of its profile's drop belongs to that drop.
_TOGETHER_DAYS = 7


@dataclass(slots=True)
class Opening:
    """An episode of a series in terms of day indices.

    ``low`` (4) are the shares of the expected below which a window raises an alarm: longer windows vary less.
    """

    series: int
    first: int
    detected: int
    low: Floats
    last: int = -1
    usual_since: int | None = None
    closed: int | None = None
    reason: CloseReason | None = None
    score: float = 0.0


class Ledger:
    """The drops of series, ``metrics`` of which make a profile; ``usable`` (days, n) are the days to learn from.

    A drop is reported for one series, its leader; the series of the profile that fell with it are its members.
    ``leader`` (n) is the leader of the drop that a series belongs to, `FREE` outside of drops. ``opened`` and
    ``detected`` (n) are days, and ``lost`` (n) the share that a series lost, of the drop that it belongs to.
    """

    def __init__(self, metrics: int, usable: Flags) -> None:
        series = usable.shape[1]
        self.metrics = metrics
        self.usable = usable
        self.openings: list[Opening] = []
        self.open: dict[int, Opening] = {}
        self.leader = np.full(series, FREE)
        self.opened, self.detected = np.zeros(series, dtype=np.int64), np.zeros(series, dtype=np.int64)
        self.lost = np.zeros(series)

    @property
    def in_drop(self) -> Flags:
        """Which series (n) belong to a drop."""
        return np.asarray(self.leader != FREE)

    @property
    def leading(self) -> Flags:
        """Which series (n) are the leader of a drop."""
        return np.asarray(self.leader == np.arange(len(self.leader)))

    def recent_leader(self, profile: int, day: int) -> int | None:
        """Return the leader of a profile's drop that was detected in the last days."""
        for series in range(profile * self.metrics, (profile + 1) * self.metrics):
            opening = self.open.get(series)
            if opening is not None and day - opening.detected < _TOGETHER_DAYS:
                return series
        return None

    def start(self, series: int, first: int, day: int, low: Floats, lost: float) -> None:
        """Open a drop that the series leads."""
        opening = Opening(series, first, day, low)
        self.open[series] = opening
        self.openings.append(opening)
        self.join(series, series, first, day, lost)

    def join(self, series: int, leader: int, first: int, day: int, lost: float) -> None:
        """Add a series to the drop of ``leader``."""
        self.leader[series] = leader
        self.opened[series], self.detected[series], self.lost[series] = first, day, lost
        self.usable[first : day + 1, series] = False

    def leave(self, series: int, day: int, *, recovered: bool) -> None:
        """Remove a series from its drop; if it recovered, its last week is learned from after all."""
        self.leader[series] = FREE
        if recovered:
            self.usable[day + 1 - LONGEST_WINDOW : day + 1, series] = True

    def close(self, leader: int, day: int, reason: CloseReason, last: int) -> Indices:
        """Close the drop of a leader; return its members, the leader first."""
        opening = self.open.pop(leader)
        opening.closed, opening.reason, opening.last = day, reason, max(opening.detected, last)
        others = np.flatnonzero((self.leader == leader) & (np.arange(len(self.leader)) != leader))
        return np.concatenate([[leader], others])
