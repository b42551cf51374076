"""The values that travel between the modules: frozen, typed, and free of behaviour."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

import msgspec


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


class ProfileState(StrEnum):
    """Whether a profile is polled, and if not, who has to act."""

    ACTIVE = "active"
    PAUSED = "paused"
    UNLINKED = "unlinked"
    SUSPENDED = "suspended"
    KEY_INVALID = "key_invalid"


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
    ones that lost such numbers to the ledger. ``detail`` is what is stored of the poll for the operator.
    ``other_account`` tells that it replaced most settled days, so that the profile is marked.
    """

    profile_id: int
    outcome: Outcome
    rows_new: int
    rows_changed: int
    rows_kept: int = 0
    rows_withdrawn: int = 0
    detail: str | None = None
    other_account: bool = False


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
    failures in a row that more would only use it up, or a refusal that is not believed while the fleet gets it.
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


class UnknownPin(msgspec.Struct, frozen=True):
    """A pin to be looked for in its profile's history; ``checks`` is how many found it absent.

    ``token`` is the pin's, to which an attempt adds its number. The attempts nobody knows the end of began between
    ``first_sent_at`` and ``last_sent_at``. ``due`` tells whether this check is one of the planned ones.
    ``lane_failed_pins`` is how many posts of the profile failed since one went out.
    """

    pin_id: int
    attempt: int
    token: str
    checks: int
    first_sent_at: datetime
    last_sent_at: datetime
    due: bool
    description: str = ""
    title: str | None = None
    refusals: int = 0
    lane_failed_pins: int = 0


class UnknownPins(msgspec.Struct, frozen=True):
    """The unknown pins of one profile, which one answer of Ayrshare settles."""

    profile_id: int
    profile: str
    key_ciphertext: bytes
    pins: tuple[UnknownPin, ...]


class HistoryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of Ayrshare's history came to: the pin's ``state`` now, and when to check again (None: no more).

    ``absent`` tells that the history would have the pin and does not; ``finding`` is the answer in words, about the
    attempt ``found_attempt``. ``quota_used_up`` puts the next check off until the quota begins anew;
    ``refused`` is one more refusal after which the pin is sent again, ``post_failed`` any post that failed, and
    ``failing_seconds`` for how long the lane pauses after many of them in a row.
    """

    pin_id: int
    attempt: int
    state: PinState
    absent: bool
    next_seconds: float | None
    finding: str
    found_attempt: int
    publication: Publication = Publication()
    code: int | None = None
    quota_used_up: bool = False
    refused: bool = False
    post_failed: bool = False
    failing_seconds: float | None = None


class PostedPin(msgspec.Struct, frozen=True):
    """A row of Ayrshare's history that carries a note; ``state`` None is "not decided yet"."""

    notes: str
    status: str
    state: PinState | None
    publication: Publication
    code: int | None = None
    detail: str | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Ayrshare's list of a profile's posts, or as much of it as was shown.

    ``newest`` and ``oldest`` are the times of the list's ends if all of it is in order, the newest first, else None.
    ``count`` is how many posts Ayrshare says there are, ``as_of`` when the list was made; None where it did not tell.
    ``whole`` is certain: nothing was left out. ``live_ids`` are Pinterest's of all its pins, those without notes too.
    """

    pins: tuple[PostedPin, ...] = ()
    live_ids: frozenset[str] = frozenset()
    rows: int = 0
    count: int | None = None
    whole: bool = False
    newest: datetime | None = None
    oldest: datetime | None = None
    as_of: datetime | None = None


class Board(msgspec.Struct, frozen=True):
    """A board of a Pinterest account; its id is a number in digits."""

    board_id: str
    name: str


class NativePin(msgspec.Struct, frozen=True):
    """A pin as Pinterest has it, whoever made it."""

    pinterest_pin_id: str | None
    created_at: datetime
    title: str
    description: str
    pin_url: str | None


class NativePins(msgspec.Struct, frozen=True):
    """A page of an account's pins; ``cursor`` asks for the next one."""

    pins: tuple[NativePin, ...]
    cursor: str | None


JUDGED_METRICS: Final = ("engagement", "impression", "outbound_click", "save")
"""What the detector judges, in the order of its arrays."""


class Sensitivity(StrEnum):
    """How small a drop is worth an alarm to the client."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class CloseReason(StrEnum):
    """Why an episode ended."""

    RECOVERED = "recovered"
    NEW_NORMAL = "new_normal"
    DEEPENED = "deepened"
    DATA_ENDED = "data_ended"
    ACCOUNT_CHANGED = "account_changed"


class Unmet(StrEnum):
    """The first condition of a drop that did not hold."""

    VOLUME = "volume"
    GAPS = "gaps"
    SCORE = "score"
    LOSS = "loss"
    NEWEST_DAY = "newest_day"
    ONE_DAY = "one_day"
    OPEN_ALREADY = "open_already"


TOGETHER: Final = "together"
SILENCE: Final = "silence"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict rests on: ``window_days`` of a metric, of all ``together``, or of ``silence`` that is too long.

    An alarm needs a ``window_score`` of ``threshold``, in standard deviations, and a ``window_loss`` of ``least_loss``,
    as shares of the expected. ``also_fell`` are other metrics that fell with the one that is told, with commas.
    """

    decided_by: str = ""
    window_days: int = 0
    window_score: float = 0.0
    threshold: float = 0.0
    window_loss: float = 0.0
    least_loss: float = 0.0
    also_fell: str = ""


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A drop of a profile, reported for one metric: engagement where all fell together, else the one that fell most.

    ``detected_day`` is the newest settled day that the decision needed. ``observed``, ``expected`` and
    ``expected_low`` are means a day over the days from ``first_day`` to ``last_day`` that have a number;
    a mean below ``expected_low`` over as many days, up to a week, raises the alarm.
    ``score`` is the largest of the episode, in standard deviations, of the metric or of the profile's together.
    ``closed_on`` is None while the drop lasts. ``usual_since`` is of a drop that is not closed though its newest days,
    at least three, are back near the expected: the first of them, after ``last_day``.
    """

    metric: str
    first_day: date
    detected_day: date
    last_day: date
    observed: float
    expected: float
    expected_low: float
    score: float
    lost_share: float
    usual_since: date | None = None
    closed_on: date | None = None
    close_reason: CloseReason | None = None
    decision: Decision = Decision()


class JudgedDays(msgspec.Struct, frozen=True):
    """Days between which a profile could be judged, or ``profiles`` without known drops: those have no id."""

    profile_id: int | None
    first_day: date
    last_day: date
    profiles: int = 1


class Action(StrEnum):
    """What an import does with a line."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class ColumnChange(msgspec.Struct, frozen=True):
    """A column that an import changes, its values as a person reads them; an empty one is none."""

    column: str
    old: str
    new: str


class Planned(msgspec.Struct, frozen=True):
    """What an import does with the thing of this name, or why it does not."""

    name: str
    action: Action
    changes: tuple[ColumnChange, ...] = ()
    reason: str | None = None


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


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An event that people are told of; without a profile it concerns the whole fleet.

    ``detail`` is what is known besides, in the words of whoever found it: a sentence, an error, a number of days.
    """

    id: int
    kind: NoticeKind
    profile_id: int | None
    profile: str | None
    client: str | None
    happened_at: datetime
    detail: str
