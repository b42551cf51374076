"""Opens drops: decides whether the newest days are too low to be chance, and which metric tells of it. Pure."""

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Opening
from collector.detect.model import Flags, Floats, Indices
from collector.detect.noise import bounded
from collector.detect.profiles import Profiles
from collector.detect.series import FIRST, JOINT, Series, with_joint
from collector.detect.window import Window, low_quantile, scores


def open_drops(series: Series, profiles: Profiles, day: int, window: Window, judged: Flags) -> Floats:
    """Open drops, and return scores (metrics, profiles): of the metric, or of the joint series if that is larger."""
    found = scores(window)
    slow = np.zeros_like(found[:1])
    slow[0, JOINT] = series.cusum.total / tuning.CUSUM_SCORE
    found = np.concatenate([found, slow])
    window = window.with_slow(series.cusum)
    free = judged & ~profiles.ledger.in_drop
    able = window.judgeable
    able[:JOINT] = True
    low = _lows(window, found, profiles) & with_joint(free, np.asarray(free.any(axis=0))) & able
    for profile in np.flatnonzero(low.any(axis=(0, 1))):
        # The joint series first: a metric that falls with the others belongs to their drop.
        for row in np.flatnonzero(low[:, :, profile].any(axis=0))[::-1]:
            best = int(np.argmax(np.where(low[:, row, profile], found[:, row, profile], -1.0)))
            _open(profiles, day, window, (best, int(row), int(profile)), free[:, profile])
    if series.run.any():
        _open_silent(series, profiles, day, judged)
    best_scores = found.max(axis=0)
    return np.asarray(np.maximum(best_scores[:JOINT], best_scores[JOINT]))


def _lows(window: Window, found: Floats, profiles: Profiles) -> Flags:
    """Return which windows are a drop; the newest day must have a number and be low itself."""
    newest = window.counts[-1] < tuning.LOW_DAY * window.means[-1]
    enough = window.complete & (window.expected >= tuning.LEAST_EXPECTED)
    lost = window.observed < (1 - profiles.least_loss - tuning.WINDOW_LOSS) * window.expected
    low = (found >= profiles.threshold + tuning.WINDOW_THRESHOLD) & lost & enough & newest
    days = (window.counts[-3:] < tuning.LOW_PAIR * window.means[-3:]).astype(np.int64)
    low[0] &= days[1:].sum(axis=0) >= 2  # noqa: PLR2004 -- a bad day beside a dull one is no drop
    low[1] &= days.sum(axis=0) >= 2  # noqa: PLR2004
    return np.asarray(low)


def _open(profiles: Profiles, day: int, window: Window, where: tuple[int, int, int], free: Flags) -> None:
    _, row, profile = where
    means = window.expected[:, row, profile]
    low = low_quantile(means, window.spread[:, row, profile], float(profiles.threshold[row, profile])) / means
    if row == len(free):
        _open_joint(profiles, day, window, where, low, free)
    elif not profiles.ledger.in_drop[row, profile]:
        _open_alone(profiles, day, window, where, low, free)


def _open_joint(
    profiles: Profiles, day: int, window: Window, where: tuple[int, int, int], low: Floats, free: Flags
) -> None:
    best, row, profile = where
    ledger = profiles.ledger
    first = day - _start(window, where)
    lost = 1 - window.observed[best, :, profile] / window.expected[best, :, profile]
    members = np.flatnonzero(free)
    told = _told(lost, members, float(lost[row]))
    leader = ledger.recent_leader(profile, day)
    # A second drop only where another metric fell first, and engagement now: saves may fall before all.
    if leader is None or told == FIRST != leader:
        leader = told
        ledger.start(Opening(profile, leader, first, day, low), float(lost[leader]))
    for metric in members:
        # Engagement that lost less than it would be told for may still be told by itself.
        if metric not in {leader, FIRST} and lost[metric] > tuning.JOIN_SHARE * profiles.least_loss[profile]:
            ledger.join(int(metric), ledger.open[leader, profile], first, day, float(lost[metric]))


def _open_alone(
    profiles: Profiles, day: int, window: Window, where: tuple[int, int, int], low: Floats, free: Flags
) -> None:
    best, metric, profile = where
    ledger = profiles.ledger
    first = day - _start(window, where)
    lost = 1 - window.observed[best, :, profile] / window.expected[best, :, profile]
    leader = ledger.recent_leader(profile, day)
    told = metric
    if free[FIRST]:
        told = _told(lost, np.array([FIRST, metric]), float(lost[metric]))
    if leader is None or told == FIRST != leader:
        ledger.start(Opening(profile, told, first, day, low), float(lost[told]))
        leader = told
    if metric != leader:
        ledger.join(metric, ledger.open[leader, profile], first, day, float(lost[metric]))


def _open_silent(series: Series, profiles: Profiles, day: int, judged: Flags) -> None:
    """Open drops where more days in a row are silent than the share of silent days makes likely."""
    run = series.run
    share, stay = (
        np.log(bounded(each, tuning.SILENT_LEAST, tuning.SILENT_MOST))
        for each in (series.silent_share, series.silent_stay)
    )
    usual = (series.silent_share >= tuning.SILENT_USUAL) & (run > 0)
    score = np.sqrt(np.where(usual, -2 * (share + (run - 1) * stay), 0.0))
    record = usual & (run >= tuning.WEEK) & (run > series.longest)
    free = judged & ~profiles.ledger.in_drop
    unlikely = (score >= profiles.threshold + tuning.SILENT_RUN) | record
    low = unlikely & with_joint(free, np.asarray(free.any(axis=0)))
    bound = np.full(len(tuning.WINDOWS), tuning.SILENT)
    for profile in map(int, np.flatnonzero(low.any(axis=0))):
        metrics = np.flatnonzero(free[:, profile] & (series.run[:JOINT, profile] > 0))
        if not low[JOINT, profile]:
            metrics = metrics[low[metrics, profile]]
        if not len(metrics):
            continue
        first = day + 1 - int(series.run[:, profile][low[:, profile]].max())
        leader = profiles.ledger.recent_leader(profile, day)
        if leader is None:
            leader = int(metrics[0])
            profiles.ledger.start(Opening(profile, leader, first, day, bound), 1.0)
        for metric in metrics:
            if metric != leader:
                profiles.ledger.join(int(metric), profiles.ledger.open[leader, profile], first, day, 1.0)


def _told(lost: Floats, members: Indices, loss: float) -> int:
    """Return the metric that tells of a loss: engagement if it lost half as much, else the one that lost most."""
    if members[0] == FIRST and lost[FIRST] >= tuning.TOLD_SHARE * loss:
        return FIRST
    return int(members[np.argmax(lost[members])])


def _start(window: Window, where: tuple[int, int, int]) -> int:
    """Return how many days ago the drop began: on the first day that is nearer to the newest two than to usual."""
    best, row, profile = where
    counts, means = window.counts[:, row, profile], window.means[:, row, profile]
    length = int(tuning.WINDOWS[best]) if best < len(tuning.WINDOWS) else tuning.WEEK
    newest = np.nansum(counts[-2:]) / means[-2:].sum()
    halfway = (1 + min(newest, 1.0)) / 2
    for ago in range(length - 1, 0, -1):
        if counts[-1 - ago] < halfway * means[-1 - ago]:
            return ago
    return 0
