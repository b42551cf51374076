"""A pin, from the queue to its publication."""

from datetime import datetime
from enum import StrEnum

import msgspec


class PinState(StrEnum):
    """Where a pin is; ``unknown`` is sent, with nobody knowing what became of it."""

    QUEUED = "queued"
    SENDING = "sending"
    PUBLISHED = "published"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class PauseReason(StrEnum):
    """Why a profile's pins wait.

    A state of the profile, Pinterest's anti-spam block, a call that is not allowed, the month's quota of posts, so many
    failures in a row that more would only use it up, a refusal that is not believed while the fleet gets it, or the
    wait after answers of 429, which is the profile's and not of its lane.
    """

    PAUSED = "paused"
    UNLINKED = "unlinked"
    SUSPENDED = "suspended"
    KEY_INVALID = "key_invalid"
    SPAM_BLOCK = "spam_block"
    NOT_ALLOWED = "not_allowed"
    QUOTA = "quota"
    FAILING = "failing"
    FLEET_REFUSED = "fleet_refused"
    RATE_LIMITED = "rate_limited"


class Override(StrEnum):
    """What a caller can say, in words of its own, to have a pin taken all the same."""

    PAST = "past"
    CHECK_MEDIA = "check_media"


class PinProblem(msgspec.Struct, frozen=True):
    """What is wrong with a pin; ``field`` has a place in lists: ``media_urls[1]``. It is empty where none is at fault.

    With ``override`` the pin would be taken.
    """

    field: str
    message: str
    override: Override | None = None


class PinContent(msgspec.Struct, frozen=True, kw_only=True):
    """What is published. ``carousel`` is a JSON list of texts; a ``thumbnail_url`` makes the media a video."""

    media_urls: tuple[str, ...]
    description: str = ""
    title: str | None = None
    link: str | None = None
    board_id: str | None = None
    alt_texts: tuple[str, ...] = ()
    carousel: str | None = None
    thumbnail_url: str | None = None
    note: str | None = None


class NewPin(msgspec.Struct, frozen=True, kw_only=True):
    """A pin to be queued; ``publish_at`` None is at once. ``client_ref`` is the caller's own name for it.

    ``given`` are the names of what the caller said of it, None for all: a pin that is known keeps the rest.
    """

    profile: str
    client_ref: str
    content: PinContent
    publish_at: datetime | None = None
    given: tuple[str, ...] | None = None


class PinClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A pin that is ours to send, once; ``owner`` and ``attempt`` are the fence of its outcome.

    ``idempotency_key`` and ``token`` were committed with the claim; Ayrshare's history returns the token. ``due_at`` is
    when it could have been sent first: at the time that it is for, or when it was queued, if that was later.
    ``read_before`` tells that the profile's key and link have worked: a day of it is stored.
    """

    pin_id: int
    profile_id: int
    profile: str
    key_ciphertext: bytes
    owner: str
    attempt: int
    refusals: int
    lane_failures: int
    lane_failed_pins: int
    read_before: bool
    idempotency_key: str
    token: str
    due_at: datetime
    content: PinContent


class LostCall(msgspec.Struct, frozen=True):
    """A claimed pin that nobody is sending any more; ``owner`` and ``attempt`` are the fence of its outcome."""

    pin_id: int
    profile_id: int
    attempt: int
    owner: str


class Publication(msgspec.Struct, frozen=True):
    """Where a pin is live; what Ayrshare did not tell is None."""

    ayrshare_id: str | None = None
    pinterest_pin_id: str | None = None
    pin_url: str | None = None


class PinResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt, as it is written.

    ``state`` is what the pin is now: queued, published, failed or unknown. ``reason`` is a short constant, None when
    published. ``wait_seconds`` is how long the lane sends nothing, ``check_seconds`` when an unknown pin is looked for.
    ``pause`` takes the lane out of service: until the profile is active again where it is the profile's state, until
    the next month where it is the quota, else for ``wait_seconds``.
    """

    pin_id: int
    profile_id: int
    attempt: int
    owner: str
    state: PinState
    reason: str | None = None
    wait_seconds: float = 0.0
    check_seconds: float | None = None
    lane_failed: bool = False
    refused: bool = False
    pause: PauseReason | None = None
    publication: Publication = Publication()
    http_status: int | None = None
    code: int | None = None
    detail: str | None = None
    excerpt: str | None = None


class Board(msgspec.Struct, frozen=True):
    """A board of a Pinterest account; its id is a number in digits."""

    board_id: str
    name: str
