"""Knows which faults are switched on, for which profile and how often; `wire` applies them to a connection. No I/O."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec

from collector.emulator.errors import Shape
from collector.emulator.traffic import PIN_METRICS, VIDEO_METRICS, Changes, Drop, Gap

FaultName = Literal[
    "latency",
    "status",
    "hang",
    "reset_before",
    "reset_after",
    "truncated",
    "wrong_json",
    "html",
    "huge",
    "unlinked",
    "relink",
    "suspended",
    "bad_key",
    "unauthorized",
    "rate_limited",
    "quota",
    "gateway",
    "no_days",
    "no_numbers",
    "frozen_stamp",
    "escaped",
    "bloated",
    "odd_numbers",
    "other_pin",
    "post_error",
    "processing",
    "short_history",
    "drop",
    "gap",
    "relinked",
]
FAULT_NAMES: tuple[str, ...] = get_args(FaultName)
EVERYTHING = "*"


class FaultRequestError(ValueError):
    """The body of a request for a fault is invalid; the message says why."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault as asked for over HTTP.

    `endpoint` is a path (`/post`) or a method and a path (`DELETE /post`). `times` ends the fault after that many
    requests. `seconds` is the length of `latency`, `hang` and `processing`. `after_work` lets `status`, `html`,
    `hang`, `wrong_json` and `huge` do the work first: the pin is published, the answer is lost. `status`, `code`,
    `message` and `shape` describe the error of those faults that answer with one. `gateway` is a 403 in JSON that
    is not Ayrshare's, with `message` in it; `escaped` is an error whose `message` is in JSON escapes. `no_days`
    empties `daily`, `no_numbers` says of each day that it has no number. `frozen_stamp` puts `stamp` into
    `lastUpdated`, `bloated` adds bad days up to `size_bytes`. `odd_numbers` and `other_pin` are of `/analytics/post`:
    numbers that are none, and the answer about another pin. `since` and `until` are the first and the last day of
    `drop`, and of `gap`, which are days that are not shown; `factor` and `metrics` belong to `drop`, `rows` (at
    most so many are shown) and `counts_all` (`count` is of all) to `short_history`, `size_bytes` to `huge`,
    `retry_after` (seconds) to `rate_limited`, `retry_available` to `post_error`. `relinked` has the numbers and the
    name of another account.
    """

    fault: FaultName
    profile: str = EVERYTHING
    endpoint: str = EVERYTHING
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    code: int | None = None
    message: str | None = None
    shape: Shape | None = None
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    retry_available: bool = False
    after_work: bool = False
    rows: Annotated[int, msgspec.Meta(ge=0)] = 50
    counts_all: bool = True
    stamp: Any = "2021-01-01T00:00:00.000Z"
    size_bytes: Annotated[int, msgspec.Meta(ge=1)] = 50_000_000
    since: date | None = None
    until: date | None = None
    factor: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """The faults of one request: a delay, and at most one other."""

    latency_seconds: float = 0.0
    fault: Fault | None = None


@dataclass(slots=True)
class _Entry:
    fault: Fault
    left: int | None
    hits: int = 0


_NOTHING = Drawn()
_NO_CHANGES = Changes()
# They change the numbers for good, and leave the connection and the answer alone.
_OF_THE_NUMBERS = frozenset({"drop", "gap", "relinked"})


@dataclass(slots=True)
class Faults:
    """The faults that are switched on, oldest first."""

    seed: int
    _entries: list[_Entry] = field(default_factory=list)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - it must be repeatable

    def add(self, fault: Fault) -> None:
        self._entries.append(_Entry(fault, fault.times))

    def clear(self, profile: str | None = None) -> int:
        """Switch off the faults of one profile (as written when they were added), or all; return how many."""
        kept = [entry for entry in self._entries if profile is not None and entry.fault.profile != profile]
        gone = len(self._entries) - len(kept)
        self._entries = kept
        return gone

    def as_json(self) -> list[dict[str, Any]]:
        return [{**msgspec.to_builtins(entry.fault), "hits": entry.hits, "left": entry.left} for entry in self._entries]

    def draw(self, profile: str, endpoint: str) -> Drawn:
        """Choose the faults of a request: every latency that matches, and the first other fault that applies."""
        if not self._entries:
            return _NOTHING
        latency = 0.0
        for entry in self._matching(profile, endpoint):
            if entry.fault.fault in _OF_THE_NUMBERS or not self._strikes(entry):
                continue
            if entry.fault.fault != "latency":
                return Drawn(latency, entry.fault)
            latency += entry.fault.seconds or 0.0
        return Drawn(latency)

    def changes(self, profile: str, endpoint: str) -> Changes:
        """Return what changes the numbers of a profile for good."""
        if not self._entries:
            return _NO_CHANGES
        faults = [entry.fault for entry in self._matching(profile, endpoint)]
        return Changes(
            tuple(
                Drop(*_days(fault), fault.factor, frozenset(fault.metrics)) for fault in faults if fault.fault == "drop"
            ),
            tuple(Gap(*_days(fault)) for fault in faults if fault.fault == "gap"),
        )

    def relinked(self, profile: str, endpoint: str) -> bool:
        """Return whether another Pinterest account is linked to the profile."""
        return any(entry.fault.fault == "relinked" for entry in self._matching(profile, endpoint))

    def standing(self, profile: str) -> frozenset[str]:
        """Return the names of the faults that apply to every request of a profile, for lists that show its state."""
        return frozenset(
            entry.fault.fault
            for entry in self._entries
            if entry.fault.profile in {EVERYTHING, profile}
            and entry.fault.endpoint == EVERYTHING
            and entry.fault.times is None
            and entry.fault.probability == 1.0
        )

    def _matching(self, profile: str, endpoint: str) -> list[_Entry]:
        names = {EVERYTHING, endpoint, endpoint.partition(" ")[2]}
        return [
            entry
            for entry in self._entries
            if entry.left != 0 and entry.fault.profile in {EVERYTHING, profile} and entry.fault.endpoint in names
        ]

    def _strikes(self, entry: _Entry) -> bool:
        if entry.fault.probability < 1.0 and self._random.random() >= entry.fault.probability:
            return False
        entry.hits += 1
        if entry.left is not None:
            entry.left -= 1
        return True


def _days(fault: Fault) -> tuple[int, int]:
    """Return the ordinals of the first and the last day of a fault of the numbers."""
    return (fault.since or date.min).toordinal(), (fault.until or date.max).toordinal()


def parse_fault(body: bytes, endpoints: Iterable[str]) -> Fault:
    """Parse a request for a fault; `endpoints` are the known ones, as `METHOD /path`.

    Raises:
        FaultRequestError: malformed, unknown fault or endpoint, or fields that do not go together.
    """
    try:
        fault = msgspec.json.decode(body, type=Fault)
    except msgspec.DecodeError as error:
        raise FaultRequestError(f"{error}. Known faults: {', '.join(FAULT_NAMES)}.") from error
    names = {EVERYTHING} | {name for known in endpoints for name in (known, known.partition(" ")[2])}
    if fault.endpoint not in names:
        raise FaultRequestError(f"Unknown endpoint {fault.endpoint!r}. Known: {', '.join(sorted(names))}.")
    counts = {*PIN_METRICS, *VIDEO_METRICS}
    if not counts.issuperset(fault.metrics):
        raise FaultRequestError(f"'metrics' must be counts, of which there are {', '.join(sorted(counts))}.")
    if fault.fault in {"latency", "processing"} and fault.seconds is None:
        raise FaultRequestError(f"{fault.fault!r} needs 'seconds'.")
    if fault.fault in _OF_THE_NUMBERS and (fault.times is not None or fault.probability < 1.0):
        raise FaultRequestError(f"{fault.fault!r} changes the numbers for good; it has no 'times' or 'probability'.")
    return fault
