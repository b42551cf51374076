"""What people are told of."""

from datetime import datetime
from enum import StrEnum

import msgspec


class NoticeKind(StrEnum):
    """What people are told of by e-mail and webhooks."""

    DROP_OPENED = "drop_opened"
    DROP_RECOVERED = "drop_recovered"
    FLEET_DROP = "fleet_drop"
    PROFILE_UNLINKED = "profile_unlinked"
    PROFILE_SUSPENDED = "profile_suspended"
    KEY_INVALID = "key_invalid"
    DATA_STALE = "data_stale"
    DAYS_AT_RISK = "days_at_risk"
    PIN_FAILED = "pin_failed"
    PIN_UNKNOWN = "pin_unknown"
    REPORT_READY = "report_ready"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An event that people are told of; without a profile it concerns the whole fleet.

    ``detail`` is what is known besides, in the words of whoever found it: a sentence, an error, a number of days,
    a file.
    """

    id: int
    kind: NoticeKind
    profile_id: int | None
    profile: str | None
    client: str | None
    happened_at: datetime
    detail: str
