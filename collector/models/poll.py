"""A poll: its claim, its record, and what that changed."""

from datetime import date, datetime

import msgspec

from collector.models.analytics import AccountAnalytics, SeenAnswer
from collector.models.outcome import Outcome
from collector.models.profile import ProfileState


class RateLimit(msgspec.Struct, frozen=True):
    """How much of its five-minute window a profile has used; None where Ayrshare did not say."""

    maximum: int | None
    count: int | None


class Claim(msgspec.Struct, frozen=True):
    """A profile whose poll is ours until ``lease_until``; that instant is also the fencing token of its result.

    ``known_answer`` is the digest of the answer stored last, if that was today; ``last_day`` is the newest day that
    was ever stored of the profile. ``claimed_at`` is the database's time, which decides about dates, and
    ``clock_offset_seconds`` how far it is ahead of this machine's. ``name_wanted`` tells that Ayrshare was not asked
    for the account's name yet.
    """

    profile_id: int
    name: str
    key_ciphertext: bytes
    state: ProfileState
    consecutive_failures: int
    lease_until: datetime
    known_answer: int | None
    last_day: date | None
    claimed_at: datetime
    clock_offset_seconds: float = 0.0
    name_wanted: bool = False


class PollRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one poll, as it is written.

    ``state`` None leaves the profile's state alone. ``next_poll_in`` is in seconds from the moment of writing; None is
    "not until somebody acts". ``analytics`` is there when there was data. No day after ``known_through`` is stored.
    ``account_name`` is what Ayrshare calls the Pinterest account, if it was asked and knows.
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
    analytics: AccountAnalytics | SeenAnswer | None = None
    known_through: date | None = None
    settled_through: date | None = None
    settle_days: int | None = None
    rate_limit_max: int | None = None
    rate_limit_count: int | None = None
    name_asked: bool = False
    account_name: str | None = None


class Written(msgspec.Struct, frozen=True):
    """What a poll changed in the database; its outcome is ``unchanged`` where good data changed nothing.

    ``rows_kept`` are settled days that came without numbers which they have, and keep; ``rows_withdrawn`` provisional
    ones that lost such numbers to the ledger. ``first_changed`` is the oldest day that is new or different.
    ``detail`` is what is stored of the poll for the operator. ``other_account`` tells that it replaced most settled
    days, so that the profile is marked.
    """

    profile_id: int
    outcome: Outcome
    rows_new: int
    rows_changed: int
    rows_kept: int = 0
    rows_withdrawn: int = 0
    detail: str | None = None
    first_changed: date | None = None
    other_account: bool = False
