"""Opens drops: decides whether the newest days are too low to be chance, and which metric tells of it. Pure."""

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Opening
from collector.detect.model import Flags, Floats
from collector.detect.profiles import Profiles
from collector.detect.series import JOINT, with_joint
from collector.detect.window import Window, low_quantile, scores


def open_drops(profiles: Profiles, day: int, window: Window, judged: Flags) -> Floats:
    """Open drops, and return scores (metrics, profiles): of the metric, or of the joint series if that is larger."""
    found = scores(window)
    free = judged & ~profiles.ledger.in_drop
    able = window.judgeable
    able[:JOINT] = True
    low = _lows(window, found, profiles) & with_joint(free, np.asarray(free.any(axis=0))) & able
    for profile in np.flatnonzero(low.any(axis=(0, 1))):
        # The joint series first: a metric that falls with the others belongs to their drop.
        for row in np.flatnonzero(low[:, :, profile].any(axis=0))[::-1]:
            best = int(np.argmax(np.where(low[:, row, profile], found[:, row, profile], -1.0)))
            _open(profiles, day, window, (best, int(row), int(profile)), free[:, profile])
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
        _open_alone(profiles, day, window, where, low)


def _open_joint(
    profiles: Profiles, day: int, window: Window, where: tuple[int, int, int], low: Floats, free: Flags
) -> None:
    best, _, profile = where
    ledger = profiles.ledger
    first = day - _start(window, where)
    members = np.flatnonzero(free)
    expected = window.expected[best, :, profile]
    shares = window.observed[best, :, profile] / expected
    # The first metric leads if it fell like the profile, else the one that fell most.
    fallen = int(members[0 if shares[members[0]] <= low[best] else np.argmin(shares[members])])
    leader = ledger.recent_leader(profile, day)
    # A second drop only if a smaller metric leads the first: saves may fall alone, and then so does all engagement.
    if leader is None or expected[fallen] > expected[leader]:
        leader = fallen
        ledger.start(Opening(profile, leader, first, day, low), float(1 - shares[leader]))
    for metric in members:
        if metric != leader and shares[metric] < 1 - tuning.JOIN_SHARE * profiles.least_loss[profile]:
            ledger.join(int(metric), ledger.open[leader, profile], first, day, float(1 - shares[metric]))


def _open_alone(profiles: Profiles, day: int, window: Window, where: tuple[int, int, int], low: Floats) -> None:
    _, metric, profile = where
    ledger = profiles.ledger
    first = day - _start(window, where)
    lost = float(1 - window.observed[where] / window.expected[where])
    leader = ledger.recent_leader(profile, day)
    if leader is None:
        ledger.start(Opening(profile, metric, first, day, low), lost)
    else:
        ledger.join(metric, ledger.open[leader, profile], first, day, lost)


def _start(window: Window, where: tuple[int, int, int]) -> int:
    """Return how many days ago the drop began: on the first day that is nearer to the newest two than to usual."""
    best, row, profile = where
    counts, means = window.counts[:, row, profile], window.means[:, row, profile]
    newest = np.nansum(counts[-2:]) / means[-2:].sum()
    halfway = (1 + min(newest, 1.0)) / 2
    for ago in range(int(tuning.WINDOWS[best]) - 1, 0, -1):
        if counts[-1 - ago] < halfway * means[-1 - ago]:
            return ago
    return 0
