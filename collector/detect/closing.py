"""Closes drops: recovered, new normal, fallen further, or without data; and tells which open ones are past. Pure."""

import numpy as np

from collector.detect import tuning
from collector.detect.ledger import Opening
from collector.detect.model import Flags, Floats
from collector.detect.profiles import Profiles
from collector.detect.series import JOINT, Series
from collector.detect.small import bounded
from collector.detect.window import Window
from collector.models.drop import CloseReason


def close_deepened(series: Series, profiles: Profiles, day: int, window: Window, judged: Flags) -> bool:
    """Close drops in which a metric's last two days fell far below the drop itself: that is another drop."""
    ledger = profiles.ledger
    if not ledger.open:
        return False
    observed, expected = window.observed[0, :JOINT], window.expected[0, :JOINT]
    share = observed / expected
    # The first windows of a drop include days from before it; the loss is known a day later.
    young = ledger.in_drop & (day - ledger.detected <= 1) & judged
    ledger.lost = np.where(young, np.maximum(ledger.lost, 1 - share), ledger.lost)
    fallen = (share <= tuning.DEEPER * (1 - ledger.lost)) & (ledger.lost < tuning.ALL_LOST)
    enough = window.complete[0, :JOINT] & (expected >= tuning.DEEPER_EVENTS)
    deepened = ledger.in_drop & fallen & enough & judged & (ledger.opened <= day - int(tuning.WINDOWS[1]))
    drops = {(int(ledger.leader[series]), int(series[1])) for series in zip(*np.nonzero(deepened), strict=True)}
    for drop in sorted(drops):
        _close(series, profiles, ledger.open[drop], day, CloseReason.DEEPENED)
    return bool(drops)


def close_ended(series: Series, profiles: Profiles, day: int, window: Window, judged: Flags) -> None:
    """Close the drops that are over."""
    ledger = profiles.ledger
    if not ledger.open:
        return
    ledger.usable[day] &= ~ledger.in_drop
    fallen = np.flatnonzero(ledger.in_drop.any(axis=0))
    back = np.zeros_like(judged)
    back[:, fallen] = _recovered(window.of(fallen), ledger.lost[:, fallen])
    back &= judged & ledger.in_drop & (ledger.opened <= day - tuning.WEEK)
    for metric, profile in zip(*np.nonzero(back & ~ledger.leading), strict=True):
        ledger.leave(int(metric), int(profile), day, recovered=True)
    for which, reason in (
        (back, CloseReason.RECOVERED),
        (day - series.seen[day] >= tuning.ENDED_DAYS, CloseReason.DATA_ENDED),
        (day - ledger.opened >= tuning.NEW_NORMAL_DAYS, CloseReason.NEW_NORMAL),
    ):
        for metric, profile in zip(*np.nonzero(which & ledger.leading), strict=True):
            _close(series, profiles, ledger.open[int(metric), int(profile)], day, reason)


def end(series: Series, profiles: Profiles, expected: Floats) -> None:
    """Let open drops end with their last low day: the usual days after it must not be told as part of them."""
    for drop in profiles.ledger.open.values():
        at = (slice(None), *drop.series)
        counts, usual = series.counts[at], expected[at]
        later = np.arange(drop.detected + 1, len(counts))
        known = later[~np.isnan(counts[later]) & ~np.isnan(usual[later])]
        lost = float(profiles.ledger.lost[drop.series])
        days = _usual_days(counts[known], usual[known], lost) if len(known) else 0
        drop.last = int(series.seen[-1, *drop.series])
        if days:
            drop.usual_since = int(known[-days])
            drop.last = int(known[-days - 1]) if days < len(known) else drop.detected


def _close(series: Series, profiles: Profiles, drop: Opening, day: int, reason: CloseReason) -> None:
    last = int(series.seen[day, *drop.series])
    if reason in {CloseReason.RECOVERED, CloseReason.DEEPENED}:
        last = day - (tuning.WEEK if reason == CloseReason.RECOVERED else int(tuning.WINDOWS[0]))
    members = profiles.ledger.close(drop, day, reason, last)
    for metric in members:
        recovered = reason == CloseReason.RECOVERED and metric == drop.metric
        profiles.ledger.leave(int(metric), drop.profile, day, recovered=recovered)
    if reason == CloseReason.RECOVERED and day - drop.first <= tuning.SHORT_DAYS:
        series.noise.doubt(drop.metric, drop.profile)
        series.noise.doubt(JOINT, drop.profile)
    if reason == CloseReason.NEW_NORMAL:
        which = np.zeros(series.trained.shape, dtype=np.bool_)
        which[members, drop.profile] = True
        span = slice(max(0, day + 1 - tuning.RELEVEL_DAYS), day + 1)
        series.baseline.relevel(which, series.counts[span][:, which], series.weekdays[span])


def _recovered(window: Window, lost_share: Floats) -> Flags:
    """Return which metrics are back: the week, its newest three days and most of its days lost little.

    Little is a third of ``lost_share``. A viral day refills a week, but not most of its days.
    """
    observed, expected = window.observed[:, :JOINT], window.expected[:, :JOINT]
    least = _least_share(lost_share)
    counts, means = window.counts[:, :JOINT], window.means[:, :JOINT]
    days = (counts >= least * means).sum(axis=0) >= tuning.BACK_DAYS * (~np.isnan(counts)).sum(axis=0)
    share = observed / expected
    return np.asarray(window.complete[-1, :JOINT] & days & (share[-1] >= least) & (share[1] >= least))


def _usual_days(counts: Floats, means: Floats, lost_share: float) -> int:
    """Return how many of the newest days are usual again, 0 where they are too few or too low to say so.

    A day is usual when it is nearer to its mean than to what a drop that lost ``lost_share`` leaves of it.
    """
    usual = counts >= (1 - lost_share / 2) * means
    days = int(np.argmin(usual[::-1])) if not usual.all() else len(usual)
    least = _least_share(np.array(lost_share))
    back = days >= tuning.LEAST_USUAL and counts[-days:].sum() >= least * means[-days:].sum()
    return days if back else 0


def _least_share(lost_share: Floats) -> Floats:
    return np.asarray(1 - bounded(lost_share / 3, *tuning.BACK))
