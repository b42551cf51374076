"""Unknown pins, and where they are looked for: Ayrshare's history, and Pinterest itself."""

from datetime import datetime

import msgspec

from collector.models.analytics import Problem
from collector.models.pin import PinState, Publication
from collector.models.result import PinNumbers


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


class NativePin(msgspec.Struct, frozen=True):
    """A pin as Pinterest has it, whoever made it; ``numbers`` only where they were asked for."""

    pinterest_pin_id: str | None
    created_at: datetime
    title: str
    description: str
    pin_url: str | None
    numbers: PinNumbers = PinNumbers()


class NativePins(msgspec.Struct, frozen=True):
    """A page of an account's pins; ``cursor`` asks for the next one, ``problems`` are of numbers that were left out."""

    pins: tuple[NativePin, ...]
    cursor: str | None
    problems: tuple[Problem, ...] = ()
