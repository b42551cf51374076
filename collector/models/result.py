"""The results of a pin: its numbers, the claim to ask for them, and what asking came to."""

from datetime import datetime
from enum import StrEnum

import msgspec

from collector.models.outcome import Failure


class PinNumbers(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pin's totals since it went out; None is "no number". ``extra`` is a JSON object of those without a column."""

    impression: int | None = None
    save: int | None = None
    pin_click: int | None = None
    outbound_click: int | None = None
    extra: str | None = None

    @property
    def engagement(self) -> int | None:
        """The sum of what is known of saves and clicks, as Pinterest counts engagement."""
        known = [each for each in (self.save, self.pin_click, self.outbound_click) if each is not None]
        return sum(known) if known else None


class Ending(StrEnum):
    """Why a pin is not asked about any more."""

    COMPLETE = "complete"
    NOT_FOUND = "not_found"
    FAILED = "failed"


class Brought(StrEnum):
    """What an answer about a pin brought, where it was no failure of the call."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"


class ResultClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A published pin that is ours to ask about; ``claimed_until`` is the fence of the result.

    ``known`` is what is stored of it, ``claimed_at`` the database's time, and ``refusals`` the answers of 429 that its
    profile got today (UTC). One of the two ids of the pin may be missing.
    """

    profile_id: int
    pin_id: int
    profile: str
    key_ciphertext: bytes
    ayrshare_id: str | None
    pinterest_pin_id: str | None
    published_at: datetime
    claimed_at: datetime
    claimed_until: datetime
    failures: int
    refusals: int
    known: PinNumbers


class ResultRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What asking about a pin came to, as it is written.

    ``next_in`` is in seconds from the moment of writing; None is never, for ``ended``. ``numbers`` are all that is
    known now, ``changed`` tells whether that is news, and ``week_old`` that they are the pin's after a week.
    """

    profile_id: int
    pin_id: int
    claimed_until: datetime
    outcome: Brought | Failure
    next_in: float | None
    ended: Ending | None
    failures: int
    error: str | None
    changed: bool
    week_old: bool
    numbers: PinNumbers
