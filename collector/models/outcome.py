"""What a call to Ayrshare, and a poll, came to."""

from enum import StrEnum


class Success(StrEnum):
    """What a poll that brought data came to: whether anything in it was new."""

    OK = "ok"
    UNCHANGED = "unchanged"


class Failure(StrEnum):
    """Why a call, and with it a poll, brought nothing; the failure classes of ``docs/operations.md``."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    UNAUTHORIZED = "unauthorized"
    SUSPENDED = "suspended"
    UNLINKED = "unlinked"
    KEY_INVALID = "key_invalid"
    UPSTREAM_ERROR = "upstream_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    PAYLOAD_INVALID = "payload_invalid"
    INTERNAL_ERROR = "internal_error"


Outcome = Success | Failure
