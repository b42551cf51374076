"""Separates drops of the whole fleet from those of single clients. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from collector.detect import tuning
from collector.detect.model import Flags, Floats, Indices
from collector.models.drop import Episode, JudgedDays

_LEAST_PROFILES = 8
LEAST_FIRING = 4
_LEAST_SHARE = 0.3
# Drops that begin within so many days belong together: the same fall is noticed sooner in one series than in another.
_TOGETHER_DAYS = 4
_USUAL_DAYS = 56


@dataclass(frozen=True, slots=True)
class FleetEpisode:
    """Days on which a large share of healthy profiles were in drops that began together; ``share`` is the largest."""

    first_day: date
    last_day: date
    profiles: int
    share: float

    def is_open(self, newest: date) -> bool:
        """Return whether it lasts on the fleet's newest settled day; profiles may be a day behind."""
        return self.last_day >= newest - timedelta(days=1)


class Span(NamedTuple):
    """Days of a profile's drop, from its detection to its last day."""

    profile_id: int
    first_day: date
    last_day: date


def find_fleet_drops(drops: Iterable[Span], judged: Sequence[JudgedDays], since: date) -> tuple[FleetEpisode, ...]:
    """Find the fleet's drops from ``since`` on; drops of profiles that are not ``judged`` do not count."""
    profile_ids = (span.profile_id for span in judged if span.profile_id is not None)
    rows = {profile_id: row for row, profile_id in enumerate(profile_ids)}
    days = max(0, max(((span.last_day - since).days + 1 for span in judged), default=0))
    healthy, firing = (np.zeros((len(rows), days), dtype=np.bool_) for _ in range(2))
    number = np.zeros(days, dtype=np.int64)
    for span in judged:
        number[_days(span, since)] += span.profiles
        if span.profile_id is not None:
            healthy[rows[span.profile_id], _days(span, since)] = True
    for drop in drops:
        if drop.profile_id in rows:
            firing[rows[drop.profile_id], _days(drop, since)] = True
    return _fleet_episodes(firing, healthy, number, since)


def _days(span: Span | JudgedDays, since: date) -> slice:
    return slice(max((span.first_day - since).days, 0), max((span.last_day - since).days + 1, 0))


def _fleet_episodes(firing: Flags, healthy: Flags, number: Indices, first_day: date) -> tuple[FleetEpisode, ...]:
    """Find the days on which the fleet fell, from ``firing`` and ``healthy`` (profiles, days from ``first_day``).

    ``number`` (days) is how many profiles were healthy; those that never fired may be left out of the others.
    The fleet fell on a day when the drops that began in the last four days are at least 4, and at least 30 % of at
    least 8 healthy profiles, and at least four times the usual share (the median of the 56 days before). Its drop ends
    when fewer than half of that share are left.
    """
    days = firing.shape[1]
    firing = firing & healthy
    began = firing & ~np.pad(firing, ((0, 0), (1, 0)))[:, :-1]
    recent = np.zeros_like(firing)
    for ago in range(min(_TOGETHER_DAYS, days)):
        recent[:, ago:] |= began[:, : days - ago]
    fallen = (recent & healthy).sum(axis=0)
    share = fallen / np.maximum(number, 1)
    still = firing.sum(axis=0) / np.maximum(number, 1)
    found: list[FleetEpisode] = []
    day = 0
    while day < days:
        enough = number[day] >= _LEAST_PROFILES and fallen[day] >= LEAST_FIRING and share[day] >= _LEAST_SHARE
        if not enough or share[day] < 4 * _usual(share, day):
            day += 1
            continue
        start = int(np.argmax(began[:, max(0, day - _TOGETHER_DAYS + 1) : day + 1].any(axis=0)))
        start += max(0, day - _TOGETHER_DAYS + 1)
        end = day
        while end + 1 < days and still[end + 1] >= share[day] / 2:
            end += 1
        largest = day + int(np.argmax(still[day : end + 1]))
        affected = int(firing[:, largest].sum())
        span = (first_day + timedelta(days=start), first_day + timedelta(days=end))
        found.append(FleetEpisode(*span, profiles=affected, share=float(still[largest])))
        # Sooner, what began with this one would be taken for the beginning of another.
        day = end + _TOGETHER_DAYS
    return tuple(found)


def _usual(share: Floats, day: int) -> float:
    return float(np.median(share[max(0, day - _USUAL_DAYS) : day])) if day else 0.0


def cause_of(episode: Episode, fleet: Sequence[FleetEpisode]) -> FleetEpisode | None:
    """Return the fleet's drop that an episode began with, if it was detected within four days of that drop's first day.

    Small counts show the same fall later: up to seven days are allowed if the episode's first day is not after the
    fleet's. A drop of the fleet is known three days after it began, so the result is final a week after the episode
    was detected.
    """
    return next((each for each in fleet if _began_with(episode, each.first_day)), None)


def _began_with(episode: Episode, day: date) -> bool:
    days_late = (episode.detected_day - day).days
    return abs(days_late) <= _TOGETHER_DAYS or (0 < days_late <= tuning.WEEK and episode.first_day <= day)
