"""Tells what befell the whole fleet from what befell one client. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from collector.detect.model import Episode, Flags, Floats, History

_LEAST_PROFILES = 8
LEAST_FIRING = 4
_LEAST_SHARE = 0.3
# Onsets within so many days belong together: the same fall is noticed sooner in one series than in another.
_TOGETHER_DAYS = 4
_USUAL_DAYS = 56
_LARGEST_FACTOR = 0.43
_FACTOR_PROFILES = 10


@dataclass(frozen=True, slots=True)
class FleetEpisode:
    """Days on which a large share of healthy profiles were in drops that began together; ``share`` is the largest."""

    first_day: date
    last_day: date
    profiles: int
    share: float


def fleet_episodes(firing: Flags, healthy: Flags, first_day: date) -> tuple[FleetEpisode, ...]:
    """Find the days on which the fleet fell, from ``firing`` and ``healthy`` (profiles, days from ``first_day``).

    A day is the fleet's when the drops that began in its last four days are at least 4, and at least 30 % of at least 8
    healthy profiles, and at least four times the usual share (the median of the 56 days before). It ends when fewer
    than half of that share are left.
    """
    days = firing.shape[1]
    firing = firing & healthy
    began = firing & ~np.pad(firing, ((0, 0), (1, 0)))[:, :-1]
    recent = np.zeros_like(firing)
    for ago in range(min(_TOGETHER_DAYS, days)):
        recent[:, ago:] |= began[:, : days - ago]
    number = healthy.sum(axis=0)
    fallen = (recent & healthy).sum(axis=0)
    share = fallen / np.maximum(number, 1)
    still = firing.sum(axis=0) / np.maximum(number, 1)
    found: list[FleetEpisode] = []
    day = 0
    while day < days:
        usual = float(np.median(share[max(0, day - _USUAL_DAYS) : day])) if day else 0.0
        if number[day] < _LEAST_PROFILES or fallen[day] < LEAST_FIRING or share[day] < max(_LEAST_SHARE, 4 * usual):
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
        day = end + 1
    return tuple(found)


def inhibit(episodes: Sequence[Episode], fleet: Sequence[FleetEpisode]) -> tuple[Episode, ...]:
    """Mark the client episodes that were detected within four days of the beginning of a fleet episode."""
    spread = timedelta(days=_TOGETHER_DAYS)
    return tuple(
        replace(episode, inhibited=any(abs(episode.detected_day - each.first_day) <= spread for each in fleet))
        for episode in episodes
    )


def common_factor(counts: npt.NDArray[np.floating], history: History, healthy: Flags) -> Floats:
    """Return the logarithm (days) of what healthy profiles had in common: the median of observed over expected.

    ``counts`` are those of the days of ``history``, ``healthy`` (profiles, days); 0 with fewer than 10 profiles to
    compare. Only falls of 8 to 35 % are taken: within, they are chance; beyond, they must be told (`fleet_episodes`).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(healthy[:, None] & ~history.firing, np.log((counts + 0.5) / (history.expected + 0.5)), np.nan)
    by_profile = ratio[:, 0]
    factor = np.zeros(by_profile.shape[1])
    enough = np.flatnonzero((~np.isnan(by_profile)).sum(axis=0) >= _FACTOR_PROFILES)
    if len(enough):
        median = np.nanmedian(by_profile[:, enough], axis=0)
        factor[enough] = np.where(median < np.log(0.92), np.maximum(median, -_LARGEST_FACTOR), 0.0)
    return factor
