"""Configures an emulator, and holds its clock, which tests may shift."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """Everything that decides an answer; two emulators with equal configurations show equal numbers.

    `days` is the length of the analytics window, `cache_seconds` the time from `lastUpdated` to `nextUpdate`.
    A `rate_limit` or a `monthly_quota` of 0 switches the limit off. `now` gives seconds since the epoch.
    """

    profiles: int = 10
    seed: int = 1
    days: int = 30
    include_today: bool = False
    cache_seconds: float = 900.0
    api_key: str = "emulated-api-key"
    rate_limit: int = 300
    rate_window_seconds: float = 300.0
    refusals_until_suspended: int = 1_000
    monthly_quota: int = 0
    history_cache_seconds: float = 60.0
    unlinked_titles: frozenset[str] = frozenset()
    suspended_titles: frozenset[str] = frozenset()
    now: Callable[[], float] = field(default=time.time)


class Clock:
    """The emulator's time: the configured clock plus an offset in seconds."""

    def __init__(self, source: Callable[[], float]) -> None:
        self._source = source
        self.offset_seconds = 0.0

    def now(self) -> float:
        return self._source() + self.offset_seconds


def day_of(seconds: float) -> int:
    """Return the UTC day of a moment, as `date.toordinal` counts days."""
    return EPOCH_ORDINAL + int(seconds // DAY_SECONDS)


def iso_millis(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
