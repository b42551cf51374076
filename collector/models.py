"""The values that travel between the modules: frozen, typed, and free of behaviour."""

from datetime import date, datetime
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What a poll came to; the failure classes of ``docs/operations.md``."""

    OK = "ok"
    UNCHANGED = "unchanged"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    SUSPENDED = "suspended"
    UNLINKED = "unlinked"
    KEY_INVALID = "key_invalid"
    UPSTREAM_ERROR = "upstream_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    PAYLOAD_INVALID = "payload_invalid"


class ProfileState(StrEnum):
    """Whether a profile is polled, and if not, who has to act."""

    ACTIVE = "active"
    PAUSED = "paused"
    UNLINKED = "unlinked"
    SUSPENDED = "suspended"
    KEY_INVALID = "key_invalid"


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
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


class DayMetrics(msgspec.Struct, frozen=True, kw_only=True):
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
    but the stamps; where ``seen_before`` is true, it is that of the answer stored last, and nothing more was read.
    """

    window: Metrics
    followers: int | None = None
    extra: str | None = None
    days: tuple[DayMetrics, ...] = ()
    problems: tuple[Problem, ...] = ()
    last_updated: datetime | None = None
    next_update: datetime | None = None
    digest: int | None = None
    seen_before: bool = False


class Claim(msgspec.Struct, frozen=True):
    """A profile whose poll is ours until ``lease_until``; that instant is also the fencing token of its result.

    ``known_answer`` is the digest of the answer stored last, if that was today; ``has_days`` tells
    whether any day of the profile was ever stored.
    """

    profile_id: int
    name: str
    key_ciphertext: bytes
    state: ProfileState
    consecutive_failures: int
    lease_until: datetime
    known_answer: int | None
    has_days: bool


class PollRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one poll, as it is written.

    ``state`` None leaves the profile's state alone. ``next_poll_in`` is in seconds from the moment of writing; None is
    "not until somebody acts". ``analytics`` is there when there was data.
    """

    profile_id: int
    lease_until: datetime
    outcome: Outcome
    duration_seconds: float
    next_poll_in: float | None
    state: ProfileState | None = None
    http_status: int | None = None
    code: int | None = None
    detail: str | None = None
    excerpt: str | None = None
    analytics: AccountAnalytics | None = None
    settled_through: date | None = None
    settle_days: int | None = None
    rate_limit_max: int | None = None
    rate_limit_count: int | None = None


class Written(msgspec.Struct, frozen=True):
    """What a poll changed in the database."""

    profile_id: int
    rows_new: int
    rows_changed: int
