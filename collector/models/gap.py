"""Days that are not there, and why."""

from datetime import date
from enum import StrEnum

import msgspec


class Whose(StrEnum):
    """Where the reason of a gap lies; ``API`` is Ayrshare and the way to it."""

    US = "us"
    API = "api"
    CLIENT = "client"
    PINTEREST = "pinterest"
    UNKNOWN = "unknown"


class GapReason(StrEnum):
    """Why a day is not there. Those that are failures of a poll have the failure's name."""

    NOT_RUNNING = "not_running"
    NOT_POLLED = "not_polled"
    PAUSED = "paused"
    UNAUTHORIZED = "unauthorized"
    KEY_UNREADABLE = "key_unreadable"
    INTERNAL_ERROR = "internal_error"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    UPSTREAM_ERROR = "upstream_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    PAYLOAD_INVALID = "payload_invalid"
    FLEET_REFUSED = "fleet_refused"
    UNLINKED = "unlinked"
    SUSPENDED = "suspended"
    KEY_INVALID = "key_invalid"
    NOT_GIVEN = "not_given"
    LOG_GONE = "log_gone"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why one day is not there; it held from ``cause_first`` to ``cause_last``, while Ayrshare served the day."""

    day: date
    whose: Whose
    reason: GapReason
    cause_first: date
    cause_last: date
    detail: str | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Days in a row of one profile that are not there, for one reason.

    ``lost`` days are never coming. Of others, ``days_left`` is how many days remain until the first of them is.
    """

    profile: str
    client: str
    first_day: date
    last_day: date
    days: int
    lost: bool
    days_left: int | None
    whose: Whose
    reason: GapReason
    why: str
