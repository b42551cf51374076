"""What Ayrshare says of a profile's days."""

from datetime import date, datetime

import msgspec


class Metrics(msgspec.Struct, frozen=True, gc=False):
    """The nine metrics of a day or of a window. Counts are whole numbers, rates fractions; None is "no number"."""

    impression: int | None = None
    engagement: int | None = None
    engagement_rate: float | None = None
    save: int | None = None
    save_rate: float | None = None
    pin_click: int | None = None
    pin_click_rate: float | None = None
    outbound_click: int | None = None
    outbound_click_rate: float | None = None


class DayMetrics(msgspec.Struct, frozen=True, gc=False):
    """One UTC day of one profile. ``extra`` is a JSON object of the numbers without a column, keys sorted, or None."""

    day: date
    data_status: str | None = None
    extra: str | None = None
    metrics: Metrics = Metrics()


class Problem(msgspec.Struct, frozen=True):
    """Something in an answer that was left out; ``reason`` is a short constant, ``detail`` is for the operator."""

    reason: str
    detail: str


class AccountAnalytics(msgspec.Struct, frozen=True, kw_only=True):
    """What ``POST /analytics/social`` says of one profile.

    ``window`` holds the sums over the window that Ayrshare chose, ``days`` its days in ascending order without
    duplicates. ``last_updated`` and ``next_update`` are Ayrshare's cache stamps (aware, UTC). ``digest`` stands for all
    but the stamps.
    """

    window: Metrics
    followers: int | None = None
    extra: str | None = None
    days: tuple[DayMetrics, ...] = ()
    problems: tuple[Problem, ...] = ()
    last_updated: datetime | None = None
    next_update: datetime | None = None
    digest: int | None = None


class SeenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that says what the one stored last said; nothing of it was read but Ayrshare's cache stamps."""

    last_updated: datetime | None
    next_update: datetime | None
