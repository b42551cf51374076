"""Makes the emulated numbers: what an account shows for a day, at a given age of that day. Pure: no clock, no I/O."""

import math
import struct
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from statistics import NormalDist

Counts = dict[str, int]
Metrics = dict[str, float]

PIN_METRICS = ("IMPRESSION", "SAVE", "PIN_CLICK", "OUTBOUND_CLICK")
VIDEO_METRICS = (
    "VIDEO_START",
    "VIDEO_MRC_VIEW",
    "VIDEO_10S_VIEW",
    "QUARTILE_95_PERCENT_VIEW",
    "VIDEO_V50_WATCH_TIME",
)
FINAL_AGE_DAYS = 3

_UNIFORMS = struct.Struct("<16I")
_SCALE = 2.0**-32
_NORMAL = NormalDist()
_SMALL_MEAN = 12.0
# Lowest fraction of the final value at age 0, 1 and 2, and how far above it a day may lie. The bands do not overlap,
# so a day only ever grows.
_RESTATED = ((0.30, 0.15, "ESTIMATE"), (0.70, 0.12, "PROCESSING"), (0.90, 0.07, "PROCESSING"))


@dataclass(frozen=True, slots=True)
class Drop:
    """Metrics (all when `metrics` is empty) multiplied by `factor` on the days (ordinals) from `since` to `until`."""

    since: int
    until: int
    factor: float
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """Days (ordinals) from `since` to `until` that Pinterest does not show."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes an account's numbers other than they would be."""

    drops: tuple[Drop, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def hides(self, day: int) -> bool:
        return any(gap.since <= day <= gap.until for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class Character:
    """The constants of one account: its volume (impressions a day), rhythm, trend, ratios and extras."""

    volume: float
    dispersion: float
    weekend: float
    trend: float
    trend_days: float
    phase: float
    save_ratio: float
    pin_click_ratio: float
    outbound_ratio: float
    followers: int
    has_video: bool
    has_board: bool


def uniforms(*parts: object) -> list[float]:
    """Return 16 numbers between 0 and 1 (exclusive) that depend only on `parts`."""
    digest = blake2b(repr(parts).encode()).digest()
    return [(value + 0.5) * _SCALE for value in _UNIFORMS.unpack(digest)]


def character(seed: int, index: int) -> Character:
    """Describe account `index`; its position alone decides whether it has video metrics or a board."""
    u = uniforms(seed, "account", index)
    volume = math.exp(math.log(600) + 1.25 * _NORMAL.inv_cdf(u[0]))
    return Character(
        volume=min(20_000.0, max(20.0, volume)),
        dispersion=10.0 + 40.0 * u[1],
        weekend=0.65 + 0.8 * u[2],
        trend=0.05 + 0.2 * u[3],
        trend_days=180.0 + 370.0 * u[4],
        phase=u[5],
        save_ratio=0.004 + 0.02 * u[6],
        pin_click_ratio=0.01 + 0.04 * u[7],
        outbound_ratio=0.002 + 0.012 * u[8],
        followers=int(50 + 4.0 * volume * u[9]),
        has_video=index % 2 == 1,
        # With has_video: all four combinations in turn.
        has_board=index // 2 % 2 == 1,
    )


def final_counts(seed: int, index: int, day: int, account: Character) -> Counts:
    """Draw a day's settled counts: negative binomial around the account's rhythm."""
    u = uniforms(seed, "day", index, day)
    spread = account.dispersion
    impressions = _negative_binomial(_expected(account, day), spread, u[0], u[1])
    saves = min(impressions, _negative_binomial(impressions * account.save_ratio, spread, u[2], u[3]))
    left = impressions - saves
    pin_clicks = min(left, _negative_binomial(impressions * account.pin_click_ratio, spread, u[4], u[5]))
    left -= pin_clicks
    outbound = min(left, _negative_binomial(impressions * account.outbound_ratio, spread, u[6], u[7]))
    counts = {"IMPRESSION": impressions, "SAVE": saves, "PIN_CLICK": pin_clicks, "OUTBOUND_CLICK": outbound}
    if account.has_video:
        counts |= _video_counts(impressions, u)
    return counts


def shown_counts(seed: int, index: int, day: int, age: int, account: Character, drops: tuple[Drop, ...] = ()) -> Counts:
    """Return what Pinterest would say about `day` when it is `age` days old."""
    counts = final_counts(seed, index, day, account)
    for drop in drops:
        if drop.since <= day <= drop.until:
            counts = _dropped(counts, drop)
    if age >= FINAL_AGE_DAYS:
        return counts
    low, spread, _ = _RESTATED[max(0, age)]
    fraction = low + spread * uniforms(seed, "restated", index, day)[0]
    return {name: int(value * fraction) for name, value in counts.items()}


def data_status(age: int) -> str:
    return "READY" if age >= FINAL_AGE_DAYS else _RESTATED[max(0, age)][2]


def with_rates(counts: Counts) -> Metrics:
    """Add ENGAGEMENT = SAVE + PIN_CLICK + OUTBOUND_CLICK, and X_RATE = X / IMPRESSION (0 without impressions)."""
    impressions = counts["IMPRESSION"]
    engagement = counts["SAVE"] + counts["PIN_CLICK"] + counts["OUTBOUND_CLICK"]
    metrics: Metrics = {"IMPRESSION": impressions}
    for name in ("ENGAGEMENT", *PIN_METRICS[1:]):
        value = engagement if name == "ENGAGEMENT" else counts[name]
        metrics[name] = value
        metrics[name + "_RATE"] = value / impressions if impressions else 0
    if "VIDEO_START" in counts:
        metrics |= {name: counts[name] for name in VIDEO_METRICS}
        starts = counts["VIDEO_START"]
        metrics["VIDEO_AVG_WATCH_TIME"] = counts["VIDEO_V50_WATCH_TIME"] / starts if starts else 0
    return metrics


def followers(account: Character, day: int) -> int:
    """Return a count that grows by one per cent a month since 2024."""
    months = (day - date(2024, 1, 1).toordinal()) / 30.0
    return int(account.followers * (1.0 + 0.01 * max(0.0, months)))


def _expected(account: Character, day: int) -> float:
    # Ordinal 1 was a Monday, hence day % 7 is 6 on Saturdays and 0 on Sundays.
    weekend = account.weekend if day % 7 in (0, 6) else 1.0
    wave = math.sin(2.0 * math.pi * (day / account.trend_days + account.phase))
    return account.volume * weekend * (1.0 + account.trend * wave)


def _negative_binomial(mean: float, dispersion: float, u_rate: float, u_count: float) -> int:
    """Draw a Poisson count around a gamma rate; the gamma by Wilson and Hilferty's cube of a normal."""
    if mean <= 0.0:
        return 0
    root = 1.0 - 1.0 / (9.0 * dispersion) + _NORMAL.inv_cdf(u_rate) / (3.0 * math.sqrt(dispersion))
    return _poisson(mean * max(0.0, root) ** 3, u_count)


def _poisson(mean: float, u: float) -> int:
    if mean > _SMALL_MEAN:
        return max(0, round(mean + math.sqrt(mean) * _NORMAL.inv_cdf(u)))
    count, term = 0, math.exp(-mean)
    cumulated = term
    while u > cumulated and count < 10 * _SMALL_MEAN:
        count += 1
        term *= mean / count
        cumulated += term
    return count


def _video_counts(impressions: int, u: list[float]) -> Counts:
    starts = int(impressions * (0.3 + 0.3 * u[8]))
    watched_milliseconds = int(starts * (3_000 + 5_000 * u[12]))
    return {
        "VIDEO_START": starts,
        "VIDEO_MRC_VIEW": int(starts * (0.5 + 0.3 * u[9])),
        "VIDEO_10S_VIEW": int(starts * 0.2 * u[10]),
        "QUARTILE_95_PERCENT_VIEW": int(starts * (0.1 + 0.3 * u[11])),
        "VIDEO_V50_WATCH_TIME": watched_milliseconds,
    }


def _dropped(counts: Counts, drop: Drop) -> Counts:
    names = drop.metrics or counts.keys()
    return {name: int(value * drop.factor) if name in names else value for name, value in counts.items()}
