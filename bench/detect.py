"""Counts false alarms and found drops in made-up counts: of the detector, of vendors' rules, and of an oracle.

The detector does not know how the counts are made. ``--quick`` takes a tenth of the accounts.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from collector.detect.detector import BATCH
from collector.detect.evaluate import evaluate
from collector.models import JUDGED_METRICS, Sensitivity

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FIRST_DAY = date(2025, 3, 3)
DAYS = 365
ACCOUNTS = 40 if "--quick" in sys.argv else 400
WARM_UP = 35
# What remains of the usual in a drop, by name.
DROPS = {"-60 %": 0.4, "-40 %": 0.6, "to zero": 0.0}
SHARES = np.array([1.0, 20.0, 0.35, 0.3])[:, None]
HOLIDAYS = (47, 59, 88, 178, 242, 268, 298, 304)


@dataclass(frozen=True)
class World:
    """True means (accounts, metrics, days), from which counts are drawn."""

    name: str
    means: Floats
    dispersion: Floats
    seed: int

    def counts(self, left: Floats | None = None) -> Floats:
        """Draw counts, the means multiplied by ``left``; half of the noise is common to an account's metrics."""
        rng = np.random.default_rng(self.seed)
        accounts, metrics, days = self.means.shape
        shape = 2 * self.dispersion[:, None, None]
        noise = rng.gamma(shape, 1 / shape, (accounts, 1, days)) * rng.gamma(
            shape, 1 / shape, (accounts, metrics, days)
        )
        drawn = rng.poisson(self.means * noise * (1.0 if left is None else left))
        return drawn.astype(np.float64)


def autocorrelated(rng: np.random.Generator, accounts: int, phi: float, deviation: float) -> Floats:
    noise = np.empty((accounts, DAYS))
    noise[:, 0] = rng.normal(0, deviation, accounts)
    for day in range(1, DAYS):
        noise[:, day] = phi * noise[:, day - 1] + rng.normal(0, deviation * np.sqrt(1 - phi**2), accounts)
    return noise


def rhythm(rng: np.random.Generator, accounts: int) -> Floats:
    weekend = rng.uniform(-0.5, 0.4, accounts)
    week = np.zeros((accounts, 7))
    week[:, 5:] = weekend[:, None]
    week += rng.normal(0, 0.05, (accounts, 7))
    return week[:, np.arange(DAYS) % 7]


def spikes(rng: np.random.Generator, accounts: int, a_year: float) -> Floats:
    """Return viral days: a jump to 2 to 6 times the usual, which falls to a third within 1.5 to 4.5 days."""
    lifted = np.zeros((accounts, DAYS))
    for account, day in zip(*np.nonzero(rng.random((accounts, DAYS)) < a_year / 365), strict=True):
        fade = np.exp(-np.arange(DAYS - day) / rng.uniform(1.5, 4.5))
        lifted[account, day:] = np.maximum(lifted[account, day:], np.log1p(rng.uniform(1, 5) * fade))
    return lifted


def world(name: str, volume: float, logs: Floats, dispersion: Floats | float, seed: int) -> World:
    accounts = len(logs)
    each = np.full(accounts, dispersion) if isinstance(dispersion, float) else dispersion
    return World(name, np.exp(logs)[:, None, :] * volume * SHARES[None], each, seed)


def usual(volume: float, seed: int, accounts: int = ACCOUNTS) -> World:
    """Return the world of the targets: weekday rhythm, trend, AR(1) noise, viral spikes, holidays; r = 12."""
    rng = np.random.default_rng(seed)
    logs = rhythm(rng, accounts) + autocorrelated(rng, accounts, 0.5, 0.1) + spikes(rng, accounts, 3)
    logs += rng.uniform(-0.3, 0.4, accounts)[:, None] * np.linspace(0, 1, DAYS)
    logs[:, HOLIDAYS] += rng.normal(-0.3, 0.15, (accounts, len(HOLIDAYS)))
    return world(f"{volume:,.0f} a day", volume, logs, 12.0, seed)


def other_regimes() -> list[World]:
    """Return other regimes, which real accounts show too; some of them were known when the constants were chosen."""
    accounts, time_ = ACCOUNTS // 4, np.linspace(0, 1, DAYS)
    rng = np.random.default_rng(99)

    def base(deviation: float = 0.08, phi: float = 0.5) -> Floats:
        return rhythm(rng, accounts) + autocorrelated(rng, accounts, phi, deviation)

    def made(name: str, logs: Floats, dispersion: Floats | float = 15.0, volume: float = 300.0) -> World:
        return world(name, volume, logs, dispersion, len(name))

    dead = base()
    dead[:, np.arange(DAYS) % 7 >= 5] -= 4.0
    christmas = base() + 0.35 * np.sin(2 * np.pi * (time_ + 0.1))
    christmas[:, 293:304] -= 0.5
    campaigns, shifts = base(), base()
    for account in range(accounts):
        for start in rng.integers(40, DAYS, 3):
            campaigns[account, start : start + rng.integers(7, 15)] += np.log(3)
        shifts[account, rng.integers(60, 300) :] += rng.uniform(0.3, 1.0)
    silent = np.where(rng.random((accounts, DAYS)) < 0.25, -3.0, 0.0)
    heavy = base() + 0.12 * rng.standard_t(3, (accounts, DAYS))
    return [
        made("r from 4 to 30, by account", base(), rng.uniform(4, 30, accounts)),
        made("heavy tails, t(3)", heavy),
        made("wandering level, AR(0.95)", base(0.25, 0.95), 30.0),
        made("calm, r = 200", base(0.05), 200.0, 3000.0),
        made("level shifts up", shifts),
        made("decay of 60 % in the year", base() + np.log(0.4) * time_),
        made("growth of 200 % in the year", base() + np.log(3) * time_),
        made("season with Christmas week", christmas),
        made("weekend-dead", dead),
        made("campaigns at 3 x", campaigns),
        made("intermittent: a quarter of the days", base() + silent, 8.0, 60.0),
        made("viral every fortnight", base() + spikes(rng, accounts, 26)),
        made("5 a day", base(), 8.0, 5.0),
    ]


def onsets(alarms: Flags, quiet: int = 7) -> Flags:
    """Return the first day of each alarm (accounts, days); an alarm is over after ``quiet`` days without one."""
    began = np.zeros_like(alarms)
    for day in range(WARM_UP, alarms.shape[1]):
        began[:, day] = alarms[:, day] & ~alarms[:, max(WARM_UP, day - quiet) : day].any(axis=1)
    return began


def a_year(alarms: float, accounts: int) -> float:
    return alarms / (accounts * (DAYS - WARM_UP) / 365)


def caught(alarms: Flags, starts: npt.NDArray[np.int64], within: int) -> float:
    """Return the share of drops in whose first ``within`` days an alarm began."""
    return float(np.mean([alarms[account, start : start + within].any() for account, start in enumerate(starts)]))


def trailing(values: Floats, days: int, ago: int = 0) -> Floats:
    """Return sums over the ``days`` up to each day, or up to ``ago`` days before it; NaN where there are not enough."""
    summed = np.full(values.shape, np.nan)
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    first = days + ago
    summed[:, first - 1 :] = total[:, days : total.shape[1] - ago] - total[:, : total.shape[1] - first]
    return summed


def day_rule(counts: Floats) -> Flags:
    low: Flags = counts < 0.7 * trailing(counts, 1, 1)
    return low


def week_rule(counts: Floats) -> Flags:
    low: Flags = trailing(counts, 7) < 0.7 * trailing(counts, 7, 7)
    return low


def fortnight_rule(counts: Floats) -> Flags:
    low: Flags = trailing(counts, 14) < 0.5 * trailing(counts, 14, 14)
    return low


def deviation_rule(counts: Floats) -> Flags:
    mean = trailing(counts, 28, 1) / 28
    variance = np.maximum(trailing(counts**2, 28, 1) / 28 - mean**2, 0.0)
    low: Flags = counts < mean - 3 * np.sqrt(variance)
    return low


def median_rule(counts: Floats) -> Flags:
    """Apply a rule: weekday median and MAD of up to ten weeks, two of three days, at least -30 %, at least 10 a day."""
    low = np.zeros(counts.shape, dtype=np.bool_)
    for day in range(WARM_UP, counts.shape[1]):
        before = counts[:, day % 7 + 7 * max(0, day // 7 - 10) : day : 7]
        median = np.median(before, axis=1)
        mad = 1.4826 * np.median(np.abs(before - median[:, None]), axis=1)
        today = counts[:, day]
        low[:, day] = (today < median - 2 * mad) & (today < 0.7 * median) & (median >= 10)
    return np.asarray(low & (trailing(low.astype(float), 3) >= 2))


def truth_scores(means: Floats, dispersion: Floats, counts: Floats) -> Floats:
    """Score windows of 1 to 7 days of (accounts, days) against the true means and dispersion."""
    best = np.zeros(counts.shape)
    for days in range(1, 8):
        observed, expected = trailing(counts, days) + 0.5, trailing(means, days)
        size = dispersion[:, None] * expected**2 / trailing(means**2, days)
        observed = np.minimum(observed, expected)
        deviance = observed * np.log(observed / expected) - (observed + size) * np.log(
            (observed + size) / (expected + size)
        )
        best = np.fmax(best, np.sqrt(np.maximum(2 * deviance, 0.0)))
    return best


def oracle_threshold(scores: Floats, alarms: float) -> float:
    low, high = 2.0, 8.0
    for _ in range(20):
        middle = (low + high) / 2
        many = onsets(scores >= middle).sum() > alarms
        low, high = (middle, high) if many else (low, middle)
    return high


@dataclass(frozen=True)
class Case:
    """A world with and without its drops, which begin on the days ``starts``."""

    world: World
    clean: Floats
    starts: npt.NDArray[np.int64]
    dropped: dict[str, Floats]


def case(made: World) -> Case:
    starts = np.random.default_rng(5).integers(120, DAYS - 14, len(made.means))
    dropped = {}
    for name, left in DROPS.items():
        factor = np.where(np.arange(DAYS) < starts[:, None], 1.0, left)
        dropped[name] = made.counts(factor[:, None, :])
    return Case(made, made.counts(), starts, dropped)


def ours(sensitivity: Sensitivity, counts: Floats) -> tuple[Flags, int]:
    """Return the days on which a profile's drops were detected, (accounts, days), and the number of all episodes."""
    history = evaluate(counts, FIRST_DAY, sensitivity)
    began = np.zeros((len(counts), DAYS), dtype=np.bool_)
    for account, episodes in enumerate(history.episodes):
        for episode in episodes:
            began[account, (episode.detected_day - FIRST_DAY).days] = True
    return began, sum(map(len, history.episodes))


def joined(counts: Floats, sensitivity: Sensitivity) -> int:
    """Count a profile's episodes, those that overlap in time as one."""
    number = 0
    for episodes in evaluate(counts, FIRST_DAY, sensitivity).episodes:
        last = FIRST_DAY
        for episode in sorted(episodes, key=lambda one: one.first_day):
            number += episode.first_day > last
            last = max(last, episode.last_day)
    return number


def line(name: str, false: float, separately: float | None, found: Callable[[str], Flags], about: Case) -> None:
    shares = "".join(f"{100 * caught(found(drop), about.starts, within):8.1f}" for drop in DROPS for within in (3, 7))
    every = "       -" if separately is None else f"{separately:8.2f}"
    print(f"{name:42}{false:8.2f}{every}{shares}", flush=True)


def heading(text: str) -> None:
    print(
        f"\n{text}\n{'':42}{'alarms':>8}{'all':>8}"
        + "".join(f"{drop + suffix:>8}" for drop in ("-60", "-40", "zero") for suffix in (" 3d", " 7d"))
    )


def our_line(sensitivity: Sensitivity, about: Case, name: str) -> float:
    began, every = ours(sensitivity, about.clean)
    distinct_alarms = float(joined(about.clean, sensitivity))
    accounts = len(began)
    found = {drop: ours(sensitivity, counts)[0] for drop, counts in about.dropped.items()}
    line(name, a_year(distinct_alarms, accounts), a_year(every, accounts), found.__getitem__, about)
    return distinct_alarms


def compare(about: Case) -> None:
    heading(f"{about.world.name}, {len(about.clean)} accounts x {DAYS} days; shares in %")
    for sensitivity in Sensitivity:
        alarms = our_line(sensitivity, about, f"this detector, {sensitivity}")
        if sensitivity == Sensitivity.NORMAL:
            usual_alarms = alarms
    accounts = len(about.clean)

    def truth(counts: Floats) -> Floats:
        means, dispersion = about.world.means, about.world.dispersion
        each = [truth_scores(means[:, metric], dispersion, counts[:, metric]) for metric in range(len(JUDGED_METRICS))]
        return np.asarray(np.maximum.reduce(each))

    clean = truth(about.clean)
    threshold = oracle_threshold(clean, usual_alarms)
    found = {drop: truth(counts) >= threshold for drop, counts in about.dropped.items()}
    false = a_year(float(onsets(clean >= threshold).sum()), accounts)
    line("oracle, all four metrics", false, None, found.__getitem__, about)
    rules = {"day -30 %": day_rule, "7 days -30 %": week_rule, "14 days -50 %": fortnight_rule}
    rules |= {"mean - 3 standard deviations": deviation_rule, "weekday median/MAD, 2 of 3": median_rule}
    for name, rule in rules.items():
        caught_by = {drop: onsets(rule(counts[:, 0]), 1) for drop, counts in about.dropped.items()}
        alarms = a_year(float(onsets(rule(about.clean[:, 0]), 1).sum()), accounts)
        line(f"{name} (engagement)", alarms, None, caught_by.__getitem__, about)


def timings() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(12, 200 / 12, (10_000, len(JUDGED_METRICS), 90))).astype(np.float32)
    started = time.process_time()
    for start in range(0, len(counts), BATCH):
        evaluate(counts[start : start + BATCH], FIRST_DAY)
    print(f"\n10,000 profiles x 4 metrics x 90 days: {time.process_time() - started:.2f} s of CPU")
    started = time.process_time()
    for profile in range(10):
        evaluate(counts[profile : profile + 1], FIRST_DAY)
    print(f"one profile: {100 * (time.process_time() - started):.1f} ms")


def main() -> None:
    for seed, volume in enumerate((20.0, 200.0, 2000.0), start=1):
        compare(case(usual(volume, seed)))
    heading("other regimes, normal sensitivity")
    for made in other_regimes():
        our_line(Sensitivity.NORMAL, case(made), made.name)
    timings()


if __name__ == "__main__":
    main()
