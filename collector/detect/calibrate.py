"""Chooses the threshold of a client, or of a profile, that keeps a budget of alarms on its own history."""

import asyncio
from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np

from collector.detect import tuning
from collector.detect.backtest import onsets
from collector.detect.detector import batches, counts_of
from collector.detect.evaluate import evaluate
from collector.detect.model import Indices, Silence
from collector.models.drop import Sensitivity
from collector.store.drop import DropStore, KnownDays

_YEAR_DAYS = 365.25


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold in standard deviations, and the alarms that it would have raised."""

    threshold: float
    alarms: int
    alarms_per_client_year: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried on ``profile_years`` of history.

    ``threshold`` is the lowest that keeps the budget; None if none does, or there is too little history to say.
    Drops that were real are alarms here too: the budget is kept with them.
    """

    sensitivity: Sensitivity
    budget: float
    profile_years: float
    tried: list[Tried]
    threshold: float | None


async def calibrate(
    store: DropStore, sensitivity: Sensitivity, *, client: str | None = None, profile: str | None = None
) -> Calibration:
    """Replay the history of a client or a profile with every threshold; nothing is stored."""
    profiles = [one for one in await store.history() if client == one.client or profile == one.name]
    days, alarms = 0, np.zeros(len(tuning.CALIBRATED), dtype=np.int64)
    since = min((one.first_day for one in profiles), default=date.min)
    for batch in batches(profiles):
        known = await store.known_days(batch.profile_ids, since, batch.newest, sensitivity)
        if known:
            judged, raised = await asyncio.to_thread(_replay, known, since)
            days, alarms = days + judged, alarms + raised
    return _chosen(sensitivity, days / _YEAR_DAYS, alarms.tolist())


def _replay(known: Sequence[KnownDays], since: date) -> tuple[int, Indices]:
    """Return how many days were judged, and the alarms by threshold."""
    counts, first_day = counts_of(known, since)
    sensitivities, countries = [one.sensitivity for one in known], [one.country for one in known]
    raised = np.zeros(len(tuning.CALIBRATED), dtype=np.int64)
    for place, threshold in enumerate(tuning.CALIBRATED):
        history = evaluate(counts, first_day, sensitivities, countries, [threshold] * len(known))
        raised[place] = sum(map(onsets, history.episodes))
    return int((history.silence[:, 0] == Silence.NONE).sum()), raised


def _chosen(sensitivity: Sensitivity, years: float, alarms: list[int]) -> Calibration:
    budget = tuning.BUDGETS[sensitivity]
    tried = [
        Tried(threshold=threshold, alarms=number, alarms_per_client_year=round(number / years, 2) if years else 0.0)
        for threshold, number in zip(tuning.CALIBRATED, alarms, strict=True)
    ]
    kept = [one.threshold for one in tried if one.alarms <= budget * years]
    enough = years >= tuning.CALIBRATED_YEARS
    return Calibration(
        sensitivity=sensitivity,
        budget=budget,
        profile_years=round(years, 2),
        tried=tried,
        threshold=min(kept, default=None) if enough else None,
    )
