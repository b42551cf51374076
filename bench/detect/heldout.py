"""A generator of another construction, on which nothing was chosen: funnels of beta-binomial counts.

Impressions are log-normal around a level that wanders. The other metrics are shares of them, with noise of their own.
"""

import numpy as np

from bench.detect.calendars import country_of, holiday_effects
from bench.detect.world import DAYS, HEAD, TAIL, WARM_UP, Floats, Indices, World

# Engagements of an impression; clicks and saves of an engagement.
_ENGAGED, _CLICKED, _SAVED = 0.05, 0.35, 0.3
# Standard deviation of a day's log impressions around its level; relative deviation of a day's shares.
_DAY_NOISE, _SHARE_NOISE = 0.2, 0.12


def heldout(rng: np.random.Generator, accounts: int, volume: float) -> World:
    """Return accounts with ``volume`` engagements a day on an average day."""
    logs = _level(rng, accounts) + _week(rng, accounts) + _calendar(rng, accounts) + _bursts(rng, accounts)
    impressions = np.exp(logs - logs.mean(axis=1, keepdims=True)) * volume / _ENGAGED
    shares = np.array([_ENGAGED, 1.0, _ENGAGED * _CLICKED, _ENGAGED * _SAVED])
    seen = rng.poisson(impressions * np.exp(rng.normal(-(_DAY_NOISE**2) / 2, _DAY_NOISE, logs.shape)))
    engaged = _part(rng, seen, _ENGAGED)
    counts = np.stack([engaged, seen, _part(rng, engaged, _CLICKED), _part(rng, engaged, _SAVED)], axis=1)
    of_impressions = np.expm1(_DAY_NOISE**2)
    steps = np.array([1, 0, 2, 2])
    return World(
        counts.astype(np.float64),
        impressions[:, None, :] * shares[None, :, None],
        np.repeat(1 / (of_impressions + steps * _SHARE_NOISE**2)[None], accounts, axis=0),
        rng.integers(HEAD, DAYS - TAIL, accounts),
        np.full(accounts, WARM_UP),
        tuple(country_of(account) for account in range(accounts)),
    )


def _level(rng: np.random.Generator, accounts: int) -> Floats:
    """Return a log level that wanders slowly, by another amount in each account."""
    phi, deviation = 0.97, rng.uniform(0.05, 0.25, accounts)
    level = np.empty((accounts, DAYS))
    level[:, 0] = rng.normal(0, deviation)
    for day in range(1, DAYS):
        level[:, day] = phi * level[:, day - 1] + rng.normal(0, deviation * np.sqrt(1 - phi**2))
    return level


def _week(rng: np.random.Generator, accounts: int) -> Floats:
    """Return a weekly profile of two harmonics, whose weights drift through the year."""
    angle = 2 * np.pi * np.arange(DAYS) / 7
    waves = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    weights = rng.normal(0, 0.15, (accounts, 4, 1)) + rng.normal(0, 0.004, (accounts, 4, DAYS)).cumsum(axis=2)
    return np.asarray((weights * waves[None]).sum(axis=1))


def _calendar(rng: np.random.Generator, accounts: int) -> Floats:
    """Return a season of the year, a dip at the end of each month, and the holidays of the account's country."""
    days = np.arange(DAYS)
    season = rng.uniform(0, 0.25, (accounts, 1)) * np.sin(2 * np.pi * (days / 365 + rng.random((accounts, 1))))
    month_end = np.where(days % 30.4 > 28.4, -1.0, 0.0) * rng.uniform(0, 0.15, (accounts, 1))
    return np.asarray(season + month_end + 0.6 * holiday_effects(rng, accounts, DAYS))


def _bursts(rng: np.random.Generator, accounts: int) -> Floats:
    """Return about four bursts a year with Pareto heights, which fade like a power of time."""
    lifted = np.ones((accounts, DAYS))
    for account, day in zip(*np.nonzero(rng.random((accounts, DAYS)) < 4 / 365), strict=True):
        height = min(0.5 * (1 + rng.pareto(1.5)), 10.0)
        lifted[account, day:] += height * (1 + np.arange(DAYS - day) / rng.uniform(1, 3)) ** -1.6
    return np.log(lifted)


def _part(rng: np.random.Generator, whole: Indices, share: float) -> Indices:
    """Draw a part of each day's events; the day's share is a beta variable around ``share``."""
    precision = (1 - share) / (share * _SHARE_NOISE**2) - 1
    day_share = rng.beta(share * precision, (1 - share) * precision, whole.shape)
    return np.asarray(rng.binomial(whole, day_share), dtype=np.int64)
