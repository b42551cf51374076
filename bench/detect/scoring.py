"""Turns alarms on known drops into figures: false alarms, shares told in time and rightly named, false recoveries."""

from dataclasses import dataclass, field

import numpy as np

from bench.detect.ours import Verdicts, judge
from bench.detect.world import ALONE, CLEAN, DROPS, Flags, Floats, Indices, World, fallen_metric
from collector.models.drop import Sensitivity

# Days within which a drop should be told, and a recovery must not be.
SPANS = (3, 7, 10, 14)
_NEVER, _FOLLOWED = 56, 56


@dataclass(frozen=True)
class Figures:
    """Shares are fractions; ``engagement`` and ``told`` are by drop and days. NaN where a figure makes no sense.

    ``alarms`` a client-year, with no country known; ``alarms_with_country`` with each client's own. ``named``: of the
    drops of all metrics told within a fortnight, those first told of engagement. ``alone``: of the drops of one metric,
    those told of that metric within a week. ``recovered``: of lasting drops that were told, those that were closed as
    recovered. ``never``: of lasting drops of 40 %, those not told in eight weeks. ``sold``: alarms a client-year of a
    rule at the threshold that vendors ship.
    """

    alarms: float
    years: float
    told: dict[tuple[str, int], float]
    engagement: dict[tuple[str, int], float] = field(default_factory=dict)
    named: float = np.nan
    alone: float = np.nan
    recovered: float = np.nan
    never: float = np.nan
    warning: str = ""
    sold: float = np.nan
    alarms_with_country: float = np.nan


def caught(alarms: Flags, starts: Indices, within: int) -> Flags:
    """Return in which accounts one of ``alarms`` (accounts, days) is in the first ``within`` days of the drop."""
    since = np.arange(alarms.shape[1]) - starts[:, None]
    return np.asarray((alarms & (since >= 0) & (since < within)).any(axis=1))


def told_shares(alarms: dict[str, Flags], starts: Indices) -> dict[tuple[str, int], float]:
    """Return the shares of drops told in time, by drop and days."""
    return {(drop, days): float(caught(alarms[drop], starts, days).mean()) for drop in DROPS for days in SPANS}


def ours(world: World, counts: dict[str, Floats], sensitivity: Sensitivity = Sensitivity.NORMAL) -> Figures:
    """Measure this detector on a world with its drops, judged at once."""
    together, warning = judge(np.concatenate(list(counts.values())), world.first_days * len(counts), sensitivity)
    verdicts = {name: _part(together, number, world.accounts) for number, name in enumerate(counts)}
    detected = {name: each.detected for name, each in verdicts.items()}
    of_countries, _ = judge(world.counts, world.first_days, sensitivity, world.countries)
    named, alone = _naming(detected, world.starts)
    told, recovered = verdicts["-60 %"].recovered(world.starts, SPANS[-1], _FOLLOWED)
    long_enough = world.starts <= world.days - _NEVER
    told_at_all = {name: np.asarray(each.any(axis=1)) for name, each in detected.items()}
    never = ~caught(told_at_all["-40 %"], world.starts, _NEVER)
    return Figures(
        alarms=verdicts[CLEAN].alarms(world.counted_from) / world.years,
        years=world.years,
        told=told_shares(told_at_all, world.starts),
        engagement=told_shares({name: each[:, 0] for name, each in detected.items()}, world.starts),
        named=named,
        alone=alone,
        recovered=recovered / told if told else np.nan,
        never=float(never[long_enough].mean()) if long_enough.any() else np.nan,
        warning=warning,
        alarms_with_country=of_countries.alarms(world.counted_from) / world.years,
    )


def _part(together: Verdicts, number: int, accounts: int) -> Verdicts:
    span = slice(number * accounts, (number + 1) * accounts)
    return Verdicts(together.detected[span], together.episodes[span], together.first_days[span])


def _naming(detected: dict[str, Flags], starts: Indices) -> tuple[float, float]:
    first = [_first_told(detected[drop], starts) for drop in ("-60 %", "-40 %")]
    of_engagement = np.concatenate([told[:, 0] for told in first])[np.concatenate([told.any(axis=1) for told in first])]
    named = float(of_engagement.mean()) if len(of_engagement) else np.nan
    if ALONE not in detected:
        return np.nan, np.nan
    accounts = len(starts)
    fell = detected[ALONE][np.arange(accounts), fallen_metric(accounts)]
    return named, float(caught(fell, starts, 7).mean())


def _first_told(detected: Flags, starts: Indices) -> Flags:
    """Return which metrics (accounts, metrics) were told on the first day on which any was, of the first fortnight."""
    since = np.arange(detected.shape[2]) - starts[:, None]
    inside = detected & ((since >= 0) & (since < SPANS[-1]))[:, None, :]
    any_metric = inside.any(axis=1)
    first = any_metric.argmax(axis=1)
    told: Flags = inside[np.arange(len(starts)), :, first]
    return told
