"""Made-up accounts: what they are made of, and what becomes of them in a drop. Knows no generator and no detector."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from collector.models.drop import JUDGED_METRICS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

FIRST_DAY = date(2025, 3, 3)
DAYS = 365
# Alarms count from here on: nothing can be known of a series before.
WARM_UP = 35
# Days at the end in which no drop begins, and the first day on which one may.
TAIL, HEAD = 30, 120

# What remains of the usual in a drop of all metrics, by name. SLOW loses a share of what was left each day.
STEPS = {"-60 %": 0.4, "-40 %": 0.6, "zero": 0.0}
SLOW, SLOW_LEFT = "-5 %/day", 0.95
# A drop of 60 % in one metric, which is another one from account to account.
ALONE = "alone"
CLEAN = "clean"
DROPS = (*STEPS, SLOW)


@dataclass(frozen=True)
class World:
    """Accounts with counts (accounts, metrics, days), NaN before an account began and after its data ended.

    ``means`` (of the same shape) and ``dispersion`` (accounts, metrics) are what the counts were drawn from, for the
    oracle; None where nobody knows. Drops begin on the days ``starts``. Alarms count from ``counted_from`` on.
    ``countries`` are those whose holidays the accounts keep, one an account, and ``first_days`` the dates of the first
    column.
    """

    counts: Floats
    means: Floats | None
    dispersion: Floats | None
    starts: Indices
    counted_from: Indices
    countries: tuple[str, ...]
    first_days: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        if not self.first_days:
            object.__setattr__(self, "first_days", (FIRST_DAY,) * self.accounts)

    def sample(self, accounts: int) -> "World":
        """Return a world of the first accounts only."""
        return replace(
            self,
            counts=self.counts[:accounts],
            means=None if self.means is None else self.means[:accounts],
            dispersion=None if self.dispersion is None else self.dispersion[:accounts],
            starts=self.starts[:accounts],
            counted_from=self.counted_from[:accounts],
            countries=self.countries[:accounts],
            first_days=self.first_days[:accounts],
        )

    @property
    def accounts(self) -> int:
        return len(self.counts)

    @property
    def days(self) -> int:
        return int(self.counts.shape[2])

    @property
    def years(self) -> float:
        """Client-years in which alarms count."""
        counted = np.arange(self.days) >= self.counted_from[:, None]
        return float((counted & ~np.isnan(self.counts[:, 0])).sum() / 365)


def fallen_metric(accounts: int) -> Indices:
    """Return which metric falls in each account's drop of one metric."""
    return np.arange(accounts) % len(JUDGED_METRICS)


def dropped(world: World, seed: int) -> dict[str, Floats]:
    """Return the counts with each drop, and without.

    Each event of a day is kept with the same probability. So the days before a drop are those of the clean series, and
    drops can be put into any counts, whatever made them.
    """
    rng = np.random.default_rng([seed, 5])
    since = (np.arange(world.days) - world.starts[:, None])[:, None, :]
    counts = {CLEAN: world.counts}
    for name, left in STEPS.items():
        counts[name] = _thinned(world.counts, np.where(since < 0, 1.0, left), rng)
    counts[SLOW] = _thinned(world.counts, SLOW_LEFT ** np.maximum(since + 1, 0), rng)
    metrics = world.counts.shape[1]
    if metrics == len(JUDGED_METRICS):
        falls = np.arange(metrics)[None, :, None] == fallen_metric(world.accounts)[:, None, None]
        counts[ALONE] = _thinned(world.counts, np.where(falls & (since >= 0), STEPS["-60 %"], 1.0), rng)
    return counts


def _thinned(counts: Floats, left: Floats, rng: np.random.Generator) -> Floats:
    known = ~np.isnan(counts)
    events = np.where(known, counts, 0).astype(np.int64)
    kept = rng.binomial(events, np.broadcast_to(left, counts.shape))
    return np.where(known, kept, np.nan)
