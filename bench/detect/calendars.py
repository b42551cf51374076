"""Public holidays of five countries from March 2025 to July 2026, as dates, so that no library decides what is true."""

from datetime import date, timedelta

import numpy as np

from bench.detect.world import FIRST_DAY, Floats

_SHARED = ("2025-12-25", "2026-01-01", "2025-04-18", "2026-04-03")
_DATES = {
    "US": ("2025-05-26", "2025-07-04", "2025-09-01", "2025-11-27", "2025-11-28", "2026-05-25", "2026-07-03"),
    "GB": ("2025-04-21", "2025-05-05", "2025-05-26", "2025-08-25", "2025-12-26", "2026-04-06", "2026-05-04"),
    "DE": ("2025-04-21", "2025-05-01", "2025-05-29", "2025-06-09", "2025-10-03", "2025-12-26", "2026-05-01"),
    "FR": ("2025-05-01", "2025-05-08", "2025-05-29", "2025-06-09", "2025-07-14", "2025-08-15", "2025-11-11"),
    "BR": ("2025-03-04", "2025-04-21", "2025-05-01", "2025-06-19", "2025-11-20", "2026-02-17", "2026-05-01"),
}
COUNTRIES = tuple(_DATES)
BLACK_FRIDAY = (date(2025, 11, 28) - FIRST_DAY).days


def country_of(account: int) -> str:
    return COUNTRIES[account % len(COUNTRIES)]


def holidays(country: str, days: int) -> list[int]:
    """Return the indices of a country's holidays among ``days`` from `FIRST_DAY` on."""
    indices = ((date.fromisoformat(day) - FIRST_DAY).days for day in (*_SHARED, *_DATES[country]))
    return sorted(index for index in indices if 0 <= index < days)


def holiday_effects(rng: np.random.Generator, accounts: int, days: int) -> Floats:
    """Return log effects (accounts, days): what an account loses on its holidays, and less on a bridge day after."""
    effects = np.zeros((accounts, days))
    for account in range(accounts):
        depth = rng.uniform(0.3, 1.0)
        for day in holidays(country_of(account), days):
            effects[account, day] -= depth * rng.uniform(0.6, 1.3)
            bridge = day + 1
            if bridge < days and (FIRST_DAY + timedelta(days=bridge)).weekday() == 4:
                effects[account, bridge] -= depth * rng.uniform(0.2, 0.6)
    return effects


def sales_effects(rng: np.random.Generator, accounts: int, days: int) -> Floats:
    """Return log effects (accounts, days) of a sales week around Black Friday, and of the fall after it."""
    effects = np.zeros((accounts, days))
    for account in range(accounts):
        week = slice(BLACK_FRIDAY - int(rng.integers(0, 5)), BLACK_FRIDAY + 4)
        effects[account, week] += rng.uniform(0.4, 1.1)
        effects[account, BLACK_FRIDAY + 4 : BLACK_FRIDAY + 11] -= rng.uniform(0.0, 0.3)
    return effects
