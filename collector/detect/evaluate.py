"""Judges counts of profiles: verdicts on their days, and episodes. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from collector.detect import tuning
from collector.detect.ledger import Opening
from collector.detect.model import History
from collector.detect.profiles import Profiles
from collector.detect.series import FIRST, Series
from collector.detect.unusual import unusual
from collector.detect.walk import Walk
from collector.models.drop import JUDGED_METRICS, Episode, Sensitivity

Kind = TypeVar("Kind", bound=np.generic)


def evaluate(
    counts: npt.NDArray[np.floating],
    first_day: date,
    sensitivity: Sequence[Sensitivity] | Sensitivity = Sensitivity.NORMAL,
    countries: Sequence[str | None] = (),
    thresholds: Sequence[float | None] = (),
) -> History:
    """Judge every day of ``counts`` (profiles, metrics in the order of `JUDGED_METRICS`, days from ``first_day``).

    ``countries`` are those of the profiles, whose holidays count; none are given: those of many countries do.
    ``thresholds`` of profiles take the place of those of their sensitivities, None does not.
    NaN is a day without a number, or not settled. ``sensitivity`` is one for all or one a profile. The verdict on a day
    depends on the days up to it only, so the same call judges the newest day and replays a history. A thousand or two
    profiles at once are fastest.
    """
    sensitivities = [sensitivity] * len(counts) if isinstance(sensitivity, Sensitivity) else sensitivity
    days = {country: unusual(country, first_day, counts.shape[2]) for country in {*countries} or {None}}
    series = Series(
        np.ascontiguousarray(counts.transpose(2, 1, 0), dtype=np.float64),
        first_day,
        np.stack([days[country] for country in countries or [None] * len(counts)], axis=1),
    )
    walk = Walk(series, Profiles(sensitivities, thresholds, series.known), first_day)
    walk.run()

    def shaped(verdicts: npt.NDArray[Any], dtype: type[Kind]) -> npt.NDArray[Kind]:
        return verdicts.transpose(2, 1, 0).astype(dtype)

    episodes: list[list[Episode]] = [[] for _ in range(len(counts))]
    for drop in walk.profiles.ledger.openings:
        episodes[drop.profile].append(_episode(walk, drop))
    return History(
        first_day=first_day,
        expected=shaped(walk.expected, np.float32),
        expected_low=shaped(walk.low, np.float32),
        score=walk.score.T.astype(np.float32),
        silence=shaped(walk.silence, np.uint8),
        ready_on=tuple(_ready_on(walk, profile) for profile in range(len(counts))),
        episodes=tuple(map(tuple, episodes)),
        checks=walk.checks,
    )


def _ready_on(walk: Walk, profile: int) -> date | None:
    """Return the day on which a profile will be judged for the first time, or again; None where it is."""
    days, series = len(walk.series.counts), walk.series
    trained = int(series.trained[FIRST, profile])
    if trained == days:
        trained = max(int(series.born[FIRST, profile]) + tuning.TRAINING_DAYS - 1, days)
    return walk.first_day + timedelta(days=trained + tuning.WEEK) if trained + tuning.WEEK >= days else None


def _episode(walk: Walk, drop: Opening) -> Episode:
    span = (slice(drop.first, drop.last + 1), *drop.series)
    counts, expected = walk.series.counts[span], walk.expected[span]
    known = ~np.isnan(counts) & ~np.isnan(expected)
    if not known.any():
        known = ~np.isnan(counts)
        expected = np.full(len(counts), walk.expected[drop.detected, *drop.series])
    observed, usual = float(counts[known].mean()), float(expected[known].mean())
    window = max(int(np.searchsorted(tuning.WINDOWS, known.sum(), side="right")) - 1, 0)

    def day(index: int) -> date:
        return walk.first_day + timedelta(days=int(index))

    return Episode(
        metric=JUDGED_METRICS[drop.metric],
        first_day=day(drop.first),
        detected_day=day(drop.detected),
        last_day=day(drop.last),
        observed=observed,
        expected=usual,
        expected_low=float(drop.low[window]) * usual,
        score=drop.score,
        lost_share=1 - observed / usual,
        usual_since=None if drop.usual_since is None else day(drop.usual_since),
        closed_on=None if drop.closed is None else day(drop.closed),
        close_reason=drop.reason,
        decision=msgspec.structs.replace(
            drop.decision,
            also_fell=",".join(JUDGED_METRICS[metric] for metric in sorted(drop.members - {drop.metric})),
        ),
    )
