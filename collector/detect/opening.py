"""Opens drops: decides whether the newest days are too low to be chance, and which metric tells of it. Pure."""

import numpy as np

from collector.detect import tuning
from collector.detect.check import Checks
from collector.detect.ledger import Opening
from collector.detect.model import Flags, Floats, Indices
from collector.detect.profiles import Profiles
from collector.detect.series import FIRST, JOINT, Series, with_joint
from collector.detect.small import any_of, bounded
from collector.detect.window import Window, low_quantile
from collector.models.drop import SILENCE, Decision, Unmet


def open_drops(series: Series, profiles: Profiles, day: int, window: Window, judged: Flags, which: Indices) -> Checks:
    """Open drops of the profiles ``which``, and return what was checked of them."""
    window = window.of(which)
    free = (judged & ~profiles.ledger.in_drop)[:, which]
    checks = Checks.of(window, series.scores(day, window, which), profiles, which, free)
    low, score = checks.passed, checks.scores.score
    for place in np.flatnonzero(low.any(axis=(0, 1))):
        # The joint series first: a metric that falls with the others belongs to their drop.
        for row in np.flatnonzero(low[:, :, place].any(axis=0))[::-1]:
            best = int(np.argmax(np.where(low[:, row, place], score[:, row, place], -1.0)))
            _open(profiles, int(which[place]), day, window, checks, (best, int(row), int(place)))
    if any_of(series.run):
        _open_silent(series, profiles, day, judged)
    return checks


def _open(
    profiles: Profiles, profile: int, day: int, window: Window, checks: Checks, where: tuple[int, int, int]
) -> None:
    best, row, place = where
    ledger = profiles.ledger
    together = row == len(ledger.leader)
    if not together and ledger.in_drop[row, profile]:
        return
    means, spread = (each[:, row, place] for each in (checks.scores.expected, checks.scores.spread))
    low = low_quantile(means, spread, float(profiles.threshold[row, profile])) / means
    lost = checks.loss[best, :, place]
    free = np.flatnonzero(checks.held[Unmet.OPEN_ALREADY][:JOINT, place])
    members = free if together else np.unique([*free[free == FIRST], row])
    first, told = day - _start(window, where), _told(lost, members, float(lost[row]))
    leader = ledger.recent_leader(profile, day)
    # A second drop only where another metric fell first, and engagement now: saves may fall before all.
    if leader is None or told == FIRST != leader:
        drop = Opening(profile, told, first, day, low, checks.decision(where))
        ledger.start(drop, float(lost[told]))
    else:
        drop = ledger.open[leader, profile]
    for metric in members:
        enough = not together or lost[metric] > tuning.JOIN_SHARE * profiles.least_loss[profile]
        # Engagement that lost less than it would be told for may still be told by itself.
        if enough and metric not in {drop.metric, FIRST}:
            ledger.join(int(metric), drop, first, day, float(lost[metric]))


def _open_silent(series: Series, profiles: Profiles, day: int, judged: Flags) -> None:
    """Open drops where more days in a row are silent than the share of silent days makes likely."""
    run = series.run
    share, stay = (
        np.log(bounded(each, tuning.SILENT_LEAST, tuning.SILENT_MOST))
        for each in (series.silent_share, series.silent_stay)
    )
    usual = (series.silent_share >= tuning.SILENT_USUAL) & (run > 0)
    score = np.sqrt(np.where(usual, -2 * (share + (run - 1) * stay), 0.0))
    free = judged & ~profiles.ledger.in_drop
    unlikely = (score >= profiles.threshold + tuning.SILENT_RUN) | usual & (run >= tuning.WEEK)
    low = unlikely & with_joint(free, np.asarray(free.any(axis=0)))
    for profile in map(int, np.flatnonzero(low.any(axis=0))):
        metrics = np.flatnonzero(free[:, profile] & (run[:JOINT, profile] > 0))
        if not low[JOINT, profile]:
            metrics = metrics[low[metrics, profile]]
        if len(metrics):
            rows = low[:, profile]
            days = int(run[rows, profile].max())
            _start_silence(profiles, profile, metrics, day, days, float(score[rows, profile].max()))


def _start_silence(profiles: Profiles, profile: int, metrics: Indices, day: int, days: int, score: float) -> None:
    """Open a drop of metrics that were silent for the last ``days``, or add them to one that began lately."""
    ledger, first = profiles.ledger, day + 1 - days
    leader = ledger.recent_leader(profile, day)
    if leader is None:
        leader = int(metrics[0])
        decision = Decision(
            decided_by=SILENCE,
            window_days=days,
            window_score=round(score, 2),
            threshold=round(float(profiles.threshold[JOINT, profile]) + tuning.SILENT_RUN, 2),
            window_loss=1.0,
            least_loss=1 - tuning.SILENT,
        )
        bound = np.full(len(tuning.WINDOWS), tuning.SILENT)
        ledger.start(Opening(profile, leader, first, day, bound, decision), 1.0)
    for metric in metrics:
        if metric != leader:
            ledger.join(int(metric), ledger.open[leader, profile], first, day, 1.0)


def _told(lost: Floats, members: Indices, loss: float) -> int:
    """Return the metric that tells of a loss: engagement if it lost half as much, else the one that lost most."""
    if members[0] == FIRST and lost[FIRST] >= tuning.TOLD_SHARE * loss:
        return FIRST
    return int(members[np.argmax(lost[members])])


def _start(window: Window, where: tuple[int, int, int]) -> int:
    """Return how many days ago the drop began: on the first day that is nearer to the newest two than to usual."""
    best, row, place = where
    counts, means = window.counts[:, row, place], window.means[:, row, place]
    length = int(tuning.WINDOWS[best]) if best < len(tuning.WINDOWS) else tuning.WEEK
    newest = np.nansum(counts[-2:]) / means[-2:].sum()
    halfway = (1 + min(newest, 1.0)) / 2
    for ago in range(length - 1, 0, -1):
        if counts[-1 - ago] < halfway * means[-1 - ago]:
            return ago
    return 0
