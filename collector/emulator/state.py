"""Holds an emulator's whole state, and a call as the endpoints see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from collector.emulator.accounts import Account, Accounts
from collector.emulator.answers import SocialAnswers
from collector.emulator.config import Clock, EmulatorConfig
from collector.emulator.errors import NOT_LINKED, Json, Problem, parameters, refuse, relink
from collector.emulator.faults import Fault, Faults
from collector.emulator.pins import PinBook
from collector.emulator.record import Record


class Emulator:
    """Everything behind the endpoints; tests in the same process may read and change it."""

    def __init__(self, config: EmulatorConfig) -> None:
        self.config = config
        self.clock = Clock(config.now)
        self.accounts = Accounts(config)
        self.faults = Faults(config.seed)
        self.record = Record()
        self.social = SocialAnswers(config)
        self.pins = PinBook(config.seed)
        self.history_answers: dict[tuple[int, str], tuple[float, bytes]] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request. `keyed` is whether it has a Profile-Key, which changes the shape of some answers."""

    account: Account
    keyed: bool
    now: float
    endpoint: str
    raw_body: bytes
    query: Mapping[str, str]
    fault: Fault | None = None

    def body(self) -> Json:
        """Return the JSON object of the request.

        Raises:
            RefusalError: not a JSON object (400).
        """
        try:
            return msgspec.json.decode(self.raw_body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise refuse(parameters(f"The body is not a JSON object: {error}")) from error

    def number(self, name: str, default: int, largest: int, smallest: int = 1) -> int:
        """Return a whole number from the query.

        Raises:
            RefusalError: not a number between `smallest` and `largest` (400).
        """
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and smallest <= int(text) <= largest):
            raise refuse(parameters(f"{name} must be a number from {smallest} to {largest}."))
        return int(text)

    def time(self, name: str, default: float) -> float:
        """Return a time from the query, in seconds since the epoch.

        Raises:
            RefusalError: not a time in UTC (400).
        """
        text = self.query.get(name)
        if text is None:
            return default
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise refuse(parameters(f"{name} must be a time like 2026-07-08T12:30:00Z.")) from None

    def link_problem(self) -> Problem | None:
        """Return why the account cannot reach Pinterest, None if it can."""
        fault = self.fault
        if fault is not None and fault.fault == "relink":
            return relink(fault.code or 161)
        unlinked = fault is not None and fault.fault == "unlinked"
        return NOT_LINKED if unlinked or not self.account.linked else None
