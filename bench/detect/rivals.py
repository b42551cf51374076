"""What one would use instead, as scores (accounts, days) of daily counts: the larger, the lower the day. And an oracle.

A rival's alarm is a score of at least its threshold, after a week without one. The threshold is chosen so that the
rival has as many false alarms as this detector; then the drops that both find can be compared.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.detect.scoring import Figures, told_shares
from bench.detect.world import CLEAN, DROPS, WARM_UP, Flags, Floats, Indices, World
from bench.environments import python_of

_QUIET = 7
Score = Callable[[Floats], Floats]


def onsets(alarms: Flags, counted_from: Indices | int = 0) -> Flags:
    """Return the first day of each alarm (accounts, days); it is over after a week without one."""
    days = np.arange(alarms.shape[1])
    last = np.maximum.accumulate(np.where(alarms, days, -_QUIET - 1), axis=1)
    before = np.pad(last[:, :-1], ((0, 0), (1, 0)), constant_values=-_QUIET - 1)
    counted = days >= np.asarray(counted_from).reshape(-1, 1)
    return np.asarray(alarms & (days - before > _QUIET) & counted)


def matched(clean: Floats, counted_from: Indices, alarms: float) -> float:
    """Return the lowest threshold for which scores of days without drops make at most so many alarms.

    A threshold that is far too low makes one endless alarm, so they are tried from the highest on.
    """
    scores = np.unique(clean[np.isfinite(clean)])
    best, step = np.inf, max(len(scores) // 20_000, 1)
    for place in _growing(len(scores), step):
        threshold = float(scores[-1 - place])
        if onsets(clean >= threshold, counted_from).sum() > alarms:
            return best
        best = threshold
    return best


def _growing(number: int, first: int) -> list[int]:
    """Return places from the top, each about 3 % further down than the one before."""
    places, place = [], 0
    while place < number:
        places.append(place)
        place += max(first, place // 32)
    return places


def measured(scores: dict[str, Floats], world: World, alarms: float) -> Figures:
    """Measure scores of a world with its drops at as many false alarms a client-year as ``alarms``."""
    threshold = matched(scores[CLEAN], world.counted_from, alarms * world.years)
    told = {name: onsets(each >= threshold) for name, each in scores.items()}
    false = onsets(scores[CLEAN] >= threshold, world.counted_from).sum()
    return Figures(float(false) / world.years, world.years, told_shares(told, world.starts))


@dataclass(frozen=True)
class Rule:
    """A score of engagement; ``sold`` is the threshold that vendors ship."""

    name: str
    score: Score
    sold: float | None = None

    def scores(self, counts: Floats) -> Floats:
        """Return scores of (accounts, metrics, days)."""
        engagement = counts[:, 0]
        return np.where(np.isnan(engagement), -np.inf, self.score(np.nan_to_num(engagement)))


def trailing(values: Floats, days: int, ago: int = 0) -> Floats:
    """Return sums over the ``days`` up to each day, or up to ``ago`` days before it; NaN where there are not enough."""
    summed = np.full(values.shape, np.nan)
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    first = days + ago
    summed[:, first - 1 :] = total[:, days : total.shape[1] - ago] - total[:, : total.shape[1] - first]
    return summed


def _lost(days: int) -> Score:
    """Return a score: the share that the last ``days`` lost of those before."""

    def score(counts: Floats) -> Floats:
        before = trailing(counts, days, days)
        lost = np.full(counts.shape, -np.inf)
        np.divide(before - trailing(counts, days), before, out=lost, where=before > 0)
        return lost

    return score


def median_score(counts: Floats) -> Floats:
    """Score by weekday median and MAD of up to ten weeks; two of three days, at least -30 %, at least 10 a day."""
    scores = np.full(counts.shape, -np.inf)
    for day in range(WARM_UP, counts.shape[1]):
        before = counts[:, day % 7 + 7 * max(0, day // 7 - 10) : day : 7]
        median = np.median(before, axis=1)
        mad = np.maximum(1.4826 * np.median(np.abs(before - median[:, None]), axis=1), np.sqrt(np.maximum(median, 1)))
        today = counts[:, day]
        low = (today < 0.7 * median) & (median >= 10)
        scores[:, day] = np.where(low, (median - today) / mad, -np.inf)
    return second_of_three(scores)


def second_of_three(scores: Floats) -> Floats:
    """Return the second largest of each day's score and the two before it: what two of three days have reached."""
    padded = np.pad(scores, ((0, 0), (2, 0)), constant_values=-np.inf)
    return np.asarray(np.sort(np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1), axis=2)[:, :, 1])


# The CUSUM waits for a fall to 55 %. Its level is learned from four weeks that ended five days ago, its rhythm and its
# spread from eight; the spread is drawn to a usual one, which was worth 9 points of -40 % in a week.
_FALLEN, _LEVEL, _SPREAD, _AGO = 0.55, 28, 56, 5
_USUAL_SPREAD, _OWN = 0.1, 0.3
# Evidence beyond is not kept, so that an alarm ends some days after the counts are back.
_MOST_EVIDENCE = 25.0


def cusum_score(counts: Floats) -> Floats:
    """Score by a CUSUM of log likelihood ratios of negative binomials (Hoehle and Paul 2008), with robust means."""
    accounts, days = counts.shape
    evidence, scores = np.zeros(accounts), np.full(counts.shape, -np.inf)
    weekly = trailing(counts, 7) / 7
    shares = np.ones(counts.shape)
    np.divide(counts, weekly, out=shares, where=weekly > 0)
    rhythm = np.ones((accounts, 7))
    for day in range(_LEVEL + _AGO, days):
        past = day - _AGO
        for until in range(7, past) if day == _LEVEL + _AGO else (past,):
            rhythm[:, (until - 1) % 7] = np.maximum(np.median(shares[:, until - 1 :: -7][:, :8], axis=1), 0.02)
        usual = rhythm / rhythm.mean(axis=1, keepdims=True)
        first = max(0, past - _SPREAD)
        even = counts[:, first:past] / usual[:, np.arange(first, past) % 7]
        level = np.maximum(np.median(even[:, -_LEVEL:], axis=1), 0.1)
        spread = _OWN * _spread(even) + (1 - _OWN) * _USUAL_SPREAD
        mean = level * usual[:, day % 7]
        ratio = np.log((1 + spread * _FALLEN * mean) / (1 + spread * mean))
        gained = counts[:, day] * np.log(_FALLEN) - (counts[:, day] + 1 / spread) * ratio
        evidence = np.clip(evidence + gained, 0, _MOST_EVIDENCE)
        scores[:, day] = np.where(mean >= 1, evidence, -np.inf)
    return scores


def _spread(counts: Floats) -> Floats:
    """Return the relative variance of days (accounts, days) beyond Poisson's, from their median deviation."""
    median = np.maximum(np.median(counts, axis=1), 0.1)
    deviation = 1.4826 * np.median(np.abs(counts - median[:, None]), axis=1) / median
    return np.maximum(deviation**2 - 1 / median, 0.005)


RULES = (
    Rule("day -30 %", _lost(1), sold=0.3),
    Rule("7 days -30 %", _lost(7), sold=0.3),
    Rule("14 days -50 %", _lost(14), sold=0.5),
    Rule("weekday median/MAD, 2 of 3", median_score, sold=2.0),
    Rule("NB CUSUM", cusum_score),
)


def oracle_scores(world: World, counts: Floats) -> Floats:
    """Score windows of 1 to 7 days against the true means and dispersion; the largest score of all metrics."""
    assert world.means is not None
    assert world.dispersion is not None
    known = np.nan_to_num(counts)
    each = (
        _deviance(known[:, metric], world.means[:, metric], world.dispersion[:, metric])
        for metric in range(counts.shape[1])
    )
    return np.asarray(np.maximum.reduce(list(each)))


def _deviance(counts: Floats, means: Floats, dispersion: Floats) -> Floats:
    best = np.zeros(counts.shape)
    for days in range(1, 8):
        observed, expected = trailing(counts, days) + 0.5, trailing(means, days) + 0.5
        size = dispersion[:, None] * expected**2 / (trailing(means**2, days) + 0.25)
        observed = np.minimum(observed, expected)
        deviance = observed * np.log(observed / expected) - (observed + size) * np.log(
            (observed + size) / (expected + size)
        )
        best = np.fmax(best, np.sqrt(np.maximum(2 * deviance, 0.0)))
    return best


def beside(world: World, counts: dict[str, Floats], alarms: float) -> dict[str, Figures]:
    """Measure the oracle, where there is a truth, and the rules, at ``alarms`` a client-year."""
    figures = {}
    if world.means is not None:
        truth = {name: oracle_scores(world, each) for name, each in counts.items()}
        figures["oracle, all metrics"] = measured(truth, world, alarms)
    for rule in RULES:
        scores = {name: rule.scores(each) for name, each in counts.items()}
        figures[rule.name] = measured(scores, world, alarms)
        if rule.sold is not None:
            sold = onsets(scores[CLEAN] >= rule.sold, world.counted_from).sum() / world.years
            figures[rule.name] = replace(figures[rule.name], sold=float(sold))
    return figures


_AUTOETS = Path(__file__).with_name("autoets.py")


def autoets_python() -> Path:
    """Return the interpreter of the environment that AutoETS runs in, installed when missing."""
    return python_of(_AUTOETS.with_suffix(".txt"))


def autoets(world: World, counts: dict[str, Floats], alarms: float) -> Figures:
    """Measure AutoETS of engagement, with two of three days below the forecast. Takes a second an account."""
    with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
        source, target = Path(folder) / "counts.npz", Path(folder) / "scores.npz"
        engagement = {name: np.nan_to_num(counts[name][:, 0]) for name in (CLEAN, *DROPS)}
        np.savez(source, allow_pickle=False, starts=world.starts, **engagement)
        subprocess.run(
            [autoets_python(), _AUTOETS, source, target], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        found = {name: second_of_three(each) for name, each in np.load(target).items()}
        scores = {name: np.where(np.isnan(counts[name][:, 0]), -np.inf, each) for name, each in found.items()}
    return measured(scores, world, alarms)
