"""Judges counts of profiles: verdicts on their days, and episodes. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from collector.detect.ledger import Opening
from collector.detect.model import PRESETS, History
from collector.detect.noise import WINDOWS
from collector.detect.watch import Watch
from collector.models import JUDGED_METRICS, Episode, Sensitivity

Kind = TypeVar("Kind", bound=np.generic)


def evaluate(
    counts: npt.NDArray[np.floating],
    first_day: date,
    sensitivity: Sequence[Sensitivity] | Sensitivity = Sensitivity.NORMAL,
) -> History:
    """Judge every day of ``counts`` (profiles, metrics in the order of `JUDGED_METRICS`, days from ``first_day``).

    NaN is a day without a number, or not settled. ``sensitivity`` is one for all or one a profile. The verdict on a day
    depends on the days up to it only, so the same call judges the newest day and replays a history. A thousand or two
    profiles at once are fastest.
    """
    profiles, metrics, days = counts.shape
    flat = np.ascontiguousarray(counts.reshape(profiles * metrics, days).T, dtype=np.float64)
    sensitivities = [sensitivity] * profiles if isinstance(sensitivity, Sensitivity) else sensitivity
    state = Watch(flat, first_day, [PRESETS[each] for each in sensitivities], metrics)
    state.run()

    def shaped(verdicts: npt.NDArray[Any], dtype: type[Kind]) -> npt.NDArray[Kind]:
        return verdicts.T.reshape(profiles, metrics, days).astype(dtype)

    return History(
        first_day=first_day,
        expected=shaped(state.expected, np.float32),
        expected_low=shaped(state.low, np.float32),
        score=shaped(state.score, np.float32),
        silence=shaped(state.silence, np.uint8),
        episodes=_episodes(state, profiles, metrics),
    )


def _episodes(state: Watch, profiles: int, metrics: int) -> tuple[tuple[Episode, ...], ...]:
    found: list[list[Episode]] = [[] for _ in range(profiles)]
    for opening in state.ledger.openings:
        profile, metric = divmod(opening.series, metrics)
        found[profile].append(_episode(state, opening, JUDGED_METRICS[metric]))
    return tuple(tuple(episodes) for episodes in found)


def _episode(state: Watch, opening: Opening, metric: str) -> Episode:
    span = slice(opening.first, opening.last + 1)
    counts, expected = state.counts[span, opening.series], state.expected[span, opening.series]
    known = ~np.isnan(counts) & ~np.isnan(expected)
    if not known.any():
        known = ~np.isnan(counts)
        expected = np.full(len(counts), state.expected[opening.detected, opening.series])
    observed, usual = float(counts[known].mean()), float(expected[known].mean())
    window = max(int(np.searchsorted(WINDOWS, known.sum(), side="right")) - 1, 0)

    def day(index: int) -> date:
        return state.first_day + timedelta(days=int(index))

    return Episode(
        metric=metric,
        first_day=day(opening.first),
        detected_day=day(opening.detected),
        last_day=day(opening.last),
        observed=observed,
        expected=usual,
        expected_low=float(opening.low[window]) * usual,
        score=opening.score,
        lost_share=1 - observed / usual,
        usual_since=None if opening.usual_since is None else day(opening.usual_since),
        closed_on=None if opening.closed is None else day(opening.closed),
        close_reason=opening.reason,
    )
