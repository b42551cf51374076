"""The regimes: kinds of accounts that agencies have, by name. Each makes its own world from a random generator."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.detect.calendars import country_of, holiday_effects, sales_effects
from bench.detect.generator import Maker
from bench.detect.heldout import heldout
from bench.detect.world import DAYS, TAIL, Floats, World

Make = Callable[[np.random.Generator, int], World]

# Busy days of every other dormant account before it fell silent, and days after its return that it needs to be known.
_BUSY, _RELEARNED = 60, 56


@dataclass(frozen=True)
class Regime:
    """``weight``: its accounts, as a share of those of a regime with targets. ``heldout``: made by the other generator.

    Regimes with the same ``stream`` are drawn from the same numbers.
    """

    name: str
    make: Make
    stream: int
    weight: float = 0.25
    heldout: bool = False


def _from_logs(logs: Callable[[Maker], Floats], volume: float = 300.0, dispersion: float = 15.0) -> Make:
    def make(rng: np.random.Generator, accounts: int) -> World:
        maker = Maker(rng, accounts)
        return maker.world(logs(maker), volume=volume, dispersion=dispersion)

    return make


def _usual(volume: float) -> Make:
    return lambda rng, accounts: Maker(rng, accounts).usual(volume)


def _heldout(volume: float) -> Make:
    return lambda rng, accounts: heldout(rng, accounts, volume)


def _dormant(silent: int, after: int) -> Make:
    """Return accounts that fall between ``after`` days from the end of ``silent`` days and a week later."""

    def make(rng: np.random.Generator, accounts: int) -> World:
        returned = _BUSY + silent
        maker = Maker(rng, accounts, returned + after + 7 + TAIL)
        logs = maker.base()
        logs[:, _BUSY:returned] = -np.inf
        logs[1::2, :returned] = -np.inf
        starts = returned + after + rng.integers(0, 7, accounts)
        world = maker.world(logs, volume=200.0, starts=starts)
        return replace(world, counted_from=np.full(accounts, returned + _RELEARNED - 21))

    return make


def _young(silent: int, after: int) -> Make:
    """Return the dormant accounts as if they had begun on the day of their return."""

    def make(rng: np.random.Generator, accounts: int) -> World:
        world = _dormant(silent, after)(rng, accounts)
        assert world.means is not None
        born = np.arange(world.days) >= _BUSY + silent
        return replace(world, counts=np.where(born, world.counts, np.nan), means=np.where(born, world.means, 0.0))

    return make


def _by_account(rng: np.random.Generator, accounts: int) -> World:
    maker = Maker(rng, accounts)
    return maker.world(maker.base(), dispersion=rng.uniform(4, 30, accounts))


def _hurdles(rng: np.random.Generator, accounts: int) -> World:
    """Return accounts with wholly silent days in runs; the share of silent days differs from account to account."""
    maker = Maker(rng, accounts)
    share, stay = rng.uniform(0.1, 0.5, accounts), rng.uniform(0.1, 0.6, accounts)
    silent = np.zeros((accounts, DAYS), dtype=np.bool_)
    for day in range(1, DAYS):
        begins = share * (1 - stay) / (1 - share)
        silent[:, day] = rng.random(accounts) < np.where(silent[:, day - 1], stay, begins)
    return maker.world(np.where(silent, -np.inf, maker.base()), volume=120.0, dispersion=10.0)


def _national_holidays(rng: np.random.Generator, accounts: int) -> World:
    maker = Maker(rng, accounts)
    logs = maker.base() + holiday_effects(rng, accounts, DAYS)
    sells = np.arange(accounts) % 2 == 0
    logs += np.where(sells[:, None], sales_effects(rng, accounts, DAYS), 0.0)
    return maker.world(logs, countries=tuple(country_of(account) for account in range(accounts)))


def _drop_inside_a_spike(rng: np.random.Generator, accounts: int) -> World:
    """Return accounts whose drop begins within the first four days of a viral one."""
    maker = Maker(rng, accounts)
    starts = maker.starts()
    viral = rng.random((accounts, DAYS)) < 3 / 365
    viral[np.arange(accounts), starts - rng.integers(0, 4, accounts)] = True
    return maker.world(maker.base() + maker.spikes_on(viral), starts=starts)


def _christmas(maker: Maker) -> Floats:
    logs = maker.base() + 0.35 * np.sin(2 * np.pi * (np.linspace(0, 1, DAYS) + 0.1))
    logs[:, 293:304] -= 0.5
    return logs


def _weekend_dead(maker: Maker) -> Floats:
    logs = maker.base()
    logs[:, np.arange(DAYS) % 7 >= 5] -= 4.0
    return logs


def _campaigns(maker: Maker) -> Floats:
    logs = maker.base()
    for account in range(maker.accounts):
        for start in maker.rng.integers(40, DAYS, 3):
            logs[account, start : start + maker.rng.integers(7, 15)] += np.log(3)
    return logs


def _shifts(maker: Maker) -> Floats:
    logs = maker.base()
    for account in range(maker.accounts):
        logs[account, maker.rng.integers(60, 300) :] += maker.rng.uniform(0.3, 1.0)
    return logs


def _intermittent(maker: Maker) -> Floats:
    return maker.base() + np.where(maker.rng.random((maker.accounts, DAYS)) < 0.25, -3.0, 0.0)


def _heavy_tails(maker: Maker) -> Floats:
    return maker.base() + 0.12 * maker.rng.standard_t(3, (maker.accounts, DAYS))


def _trend(times: float) -> Callable[[Maker], Floats]:
    return lambda maker: maker.base() + np.log(times) * np.linspace(0, 1, DAYS)


REGIMES = (
    Regime("20 a day", _usual(20), 1, weight=1.0),
    Regime("200 a day", _usual(200), 2, weight=1.0),
    Regime("2,000 a day", _usual(2000), 3, weight=1.0),
    Regime("dormant, falls after 8 weeks", _dormant(90, _RELEARNED), 4),
    Regime("the same, but young", _young(90, _RELEARNED), 4),
    Regime("dormant, falls after 300 days", _dormant(90, 300), 5),
    Regime("asleep for a year", _dormant(365, _RELEARNED), 6),
    Regime("intermittent, 1 day of 4", _from_logs(_intermittent, 60.0, 8.0), 7),
    Regime("hurdles, silent runs", _hurdles, 8),
    Regime("holidays of 5 countries, sales", _national_holidays, 9),
    Regime("viral every fortnight", _from_logs(lambda maker: maker.base() + maker.spikes(26)), 10),
    Regime("drop inside a spike", _drop_inside_a_spike, 11),
    Regime("steps, a viral day a month", _from_logs(lambda maker: maker.base() + maker.spikes(12)), 12),
    Regime("wandering level, AR(0.95)", _from_logs(lambda maker: maker.base(0.25, 0.95), dispersion=30.0), 13),
    Regime("heavy tails, t(3)", _from_logs(_heavy_tails), 14),
    Regime("r from 4 to 30, by account", _by_account, 15),
    Regime("calm, r = 200", _from_logs(lambda maker: maker.base(0.05), 3000.0, 200.0), 16),
    Regime("level shifts up", _from_logs(_shifts), 17),
    Regime("decay of 60 % in the year", _from_logs(_trend(0.4)), 18),
    Regime("growth of 200 % in the year", _from_logs(_trend(3.0)), 19),
    Regime("season, Christmas week", _from_logs(_christmas), 20),
    Regime("weekend-dead", _from_logs(_weekend_dead), 21),
    Regime("campaigns at 3 x", _from_logs(_campaigns), 22),
    Regime("5 a day", _from_logs(lambda maker: maker.base(), 5.0, 8.0), 23),
    Regime("held out, 20 a day", _heldout(20), 24, heldout=True, weight=0.5),
    Regime("held out, 200 a day", _heldout(200), 25, heldout=True, weight=0.5),
    Regime("held out, 2,000 a day", _heldout(2000), 26, heldout=True, weight=0.5),
)
