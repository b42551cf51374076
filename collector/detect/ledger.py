"""Records which drops are open, which series belong to them, and which days must not be learned from. Pure."""

from dataclasses import dataclass, field

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.models.drop import CloseReason, Decision

FREE = -1


@dataclass(slots=True)
class Opening:
    """An episode of a profile, reported for one metric, in terms of day indices.

    ``low`` (4) are the shares of the expected below which a window raises an alarm: longer windows vary less.
    ``members`` are all metrics that ever belonged to it.
    """

    profile: int
    metric: int
    first: int
    detected: int
    low: Floats
    decision: Decision
    members: set[int] = field(default_factory=set)
    last: int = -1
    usual_since: int | None = None
    closed: int | None = None
    reason: CloseReason | None = None
    score: float = 0.0

    @property
    def series(self) -> tuple[int, int]:
        """Where the metric is in arrays of (metrics, profiles)."""
        return self.metric, self.profile


class Ledger:
    """The drops of profiles; ``usable`` (days, metrics, profiles) are the days to learn from.

    A drop is reported for one metric, its leader; the metrics of the profile that fell with it are its members.
    ``leader`` (metrics, profiles) is the leader of the drop that a metric belongs to, `FREE` outside of drops;
    ``in_drop`` tells which belong to one, and ``leading`` which are the leader of one.
    ``opened`` and ``detected`` are days, and ``lost`` the share that a metric lost, of the drop that it belongs to.
    """

    def __init__(self, usable: Flags) -> None:
        shape = usable.shape[1:]
        self.usable = usable
        self.openings: list[Opening] = []
        self.open: dict[tuple[int, int], Opening] = {}
        self.leader = np.full(shape, FREE)
        self.in_drop, self.leading = np.zeros((2, *shape), dtype=np.bool_)
        self.opened, self.detected = np.zeros((2, *shape), dtype=np.int64)
        self.lost = np.zeros(shape)

    def recent_leader(self, profile: int, day: int) -> int | None:
        """Return the leader of a profile's drop that was detected within the week."""
        for metric in range(len(self.leader)):
            opening = self.open.get((metric, profile))
            if opening is not None and day - opening.detected < tuning.WEEK:
                return metric
        return None

    def start(self, opening: Opening, lost: float) -> None:
        """Open a drop, whose metric lost the share ``lost``."""
        self.open[opening.series] = opening
        self.openings.append(opening)
        self.join(opening.metric, opening, opening.first, opening.detected, lost)

    def join(self, metric: int, drop: Opening, first: int, day: int, lost: float) -> None:
        """Add a metric of the profile to a drop."""
        series = metric, drop.profile
        drop.members.add(metric)
        self.leader[series] = drop.metric
        self.in_drop[series], self.leading[series] = True, metric == drop.metric
        self.opened[series], self.detected[series], self.lost[series] = first, day, lost
        self.usable[first : day + 1, *series] = False

    def leave(self, metric: int, profile: int, day: int, *, recovered: bool) -> None:
        """Remove a metric from its drop; if it recovered, its last week is learned from after all."""
        self.leader[metric, profile] = FREE
        self.in_drop[metric, profile] = self.leading[metric, profile] = False
        if recovered:
            self.usable[day + 1 - tuning.WEEK : day + 1, metric, profile] = True

    def close(self, drop: Opening, day: int, reason: CloseReason, last: int) -> Indices:
        """Close a drop; return the metrics that belong to it."""
        del self.open[drop.series]
        drop.closed, drop.reason, drop.last = day, reason, max(drop.detected, last)
        return np.flatnonzero(self.leader[:, drop.profile] == drop.metric)
