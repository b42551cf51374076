"""The generator that the detector's constants are chosen on: log-linear means, gamma noise, Poisson counts."""

from dataclasses import dataclass

import numpy as np

from bench.detect.world import DAYS, HEAD, TAIL, WARM_UP, Flags, Floats, Indices, World

# Shares of a profile's events, in the order of `JUDGED_METRICS`.
SHARES = np.array([1.0, 20.0, 0.35, 0.3])[:, None]
HOLIDAYS = (47, 59, 88, 178, 242, 268, 298, 304)


@dataclass(frozen=True)
class Maker:
    """Draws the parts of accounts' log means, (accounts, days) each, and the counts from their sum."""

    rng: np.random.Generator
    accounts: int
    days: int = DAYS

    def base(self, deviation: float = 0.08, phi: float = 0.5) -> Floats:
        return self.rhythm() + self.autocorrelated(phi, deviation)

    def autocorrelated(self, phi: float, deviation: float) -> Floats:
        noise = np.empty((self.accounts, self.days))
        noise[:, 0] = self.rng.normal(0, deviation, self.accounts)
        for day in range(1, self.days):
            fresh = self.rng.normal(0, deviation * np.sqrt(1 - phi**2), self.accounts)
            noise[:, day] = phi * noise[:, day - 1] + fresh
        return noise

    def rhythm(self) -> Floats:
        week = np.zeros((self.accounts, 7))
        week[:, 5:] = self.rng.uniform(-0.5, 0.4, self.accounts)[:, None]
        week += self.rng.normal(0, 0.05, (self.accounts, 7))
        return week[:, np.arange(self.days) % 7]

    def spikes(self, a_year: float) -> Floats:
        return self.spikes_on(self.rng.random((self.accounts, self.days)) < a_year / 365)

    def spikes_on(self, viral: Flags) -> Floats:
        """Return viral days: a jump to 2 to 6 times the usual, which falls to a third within 1.5 to 4.5 days."""
        lifted = np.zeros((self.accounts, self.days))
        for account, day in zip(*np.nonzero(viral), strict=True):
            fade = np.exp(-np.arange(self.days - day) / self.rng.uniform(1.5, 4.5))
            lifted[account, day:] = np.maximum(lifted[account, day:], np.log1p(self.rng.uniform(1, 5) * fade))
        return lifted

    def starts(self, head: int = HEAD) -> Indices:
        return self.rng.integers(head, self.days - TAIL, self.accounts)

    def world(
        self,
        logs: Floats,
        *,
        volume: float = 300.0,
        dispersion: Floats | float = 15.0,
        starts: Indices | None = None,
        countries: tuple[str, ...] | None = None,
    ) -> World:
        """Draw counts of ``volume`` engagements a day; half of the noise is common to an account's metrics."""
        means = np.exp(logs)[:, None, :] * volume * SHARES[None]
        each = np.broadcast_to(np.asarray(dispersion, dtype=np.float64), (self.accounts,))
        shape = 2 * each[:, None, None]
        noise = self.rng.gamma(shape, 1 / shape, (self.accounts, 1, self.days))
        noise = noise * self.rng.gamma(shape, 1 / shape, means.shape)
        counts = self.rng.poisson(means * noise).astype(np.float64)
        return World(
            counts,
            means,
            np.repeat(each[:, None], means.shape[1], axis=1),
            self.starts() if starts is None else starts,
            np.full(self.accounts, WARM_UP),
            ("US",) * self.accounts if countries is None else countries,
        )

    def usual(self, volume: float) -> World:
        """Return the world of the targets: weekday rhythm, trend, AR(1) noise, viral spikes, holidays; r = 12."""
        logs = self.rhythm() + self.autocorrelated(0.5, 0.1) + self.spikes(3)
        logs += self.rng.uniform(-0.3, 0.4, self.accounts)[:, None] * np.linspace(0, 1, self.days)
        logs[:, HOLIDAYS] += self.rng.normal(-0.3, 0.15, (self.accounts, len(HOLIDAYS)))
        return self.world(logs, volume=volume, dispersion=12.0)
