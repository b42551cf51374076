"""The states of a profile."""

from enum import StrEnum


class ProfileState(StrEnum):
    """Whether a profile is polled, and if not, who has to act."""

    ACTIVE = "active"
    PAUSED = "paused"
    UNLINKED = "unlinked"
    SUSPENDED = "suspended"
    KEY_INVALID = "key_invalid"
