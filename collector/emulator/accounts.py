"""Holds the profiles of an emulator: their identities, permissions and request counts.

Identities are computed, never listed: a key contains its index, so ten thousand profiles cost nothing until they call.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b, sha1
from typing import NamedTuple

from collector.emulator.config import DAY_SECONDS, EmulatorConfig
from collector.emulator.errors import (
    KEY_EMPTY,
    KEY_UNKNOWN,
    QUOTA_USED_UP,
    RATE_LIMITED,
    SUSPENDED,
    TITLE_IN_USE,
    refuse,
)

PRIMARY = "primary"
_PREFIX = "client-"
_PRIMARY_INDEX = -1
_KEY_BYTES = 20
_QUOTA_RESET_SECONDS = 420


class Identity(NamedTuple):
    """What Ayrshare returns about a profile at its creation."""

    title: str
    ref_id: str
    profile_key: str


@dataclass(slots=True)
class Account:
    """The state of one profile. The title `primary` stands for calls without a Profile-Key."""

    index: int
    identity: Identity
    linked: bool = True
    suspended: bool = False
    window_start: float = 0.0
    window_count: int = 0
    refusals_start: float = 0.0
    refusals: int = 0
    quota_month: tuple[int, int] = (0, 0)
    quota_used: int = 0

    @property
    def title(self) -> str:
        return self.identity.title

    def spend(self, now: float, config: EmulatorConfig) -> None:
        """Count one request against the limits.

        Raises:
            RefusalError: suspended (403) or over the limit (429).
        """
        if self.suspended:
            raise refuse(SUSPENDED)
        if not 0 <= now - self.window_start < config.rate_window_seconds:
            self.window_start, self.window_count = now, 0
        self.window_count += 1
        if config.rate_limit and self.window_count > config.rate_limit:
            self._count_refusal(now, config)
            raise refuse(RATE_LIMITED)

    def insist_on_quota(self, now: float, config: EmulatorConfig) -> None:
        """Refuse what the monthly quota does not allow, which is not only posting.

        Raises:
            RefusalError: used up (429, code 106).
        """
        month = _quota_month(now)
        if self.quota_month != month:
            self.quota_month, self.quota_used = month, 0
        if config.monthly_quota and self.quota_used >= config.monthly_quota:
            raise refuse(QUOTA_USED_UP)

    def _count_refusal(self, now: float, config: EmulatorConfig) -> None:
        if not 0 <= now - self.refusals_start < DAY_SECONDS:
            self.refusals_start, self.refusals = now, 0
        self.refusals += 1
        self.suspended = self.refusals >= config.refusals_until_suspended


def _quota_month(now: float) -> tuple[int, int]:
    """Return the year and the month whose quota counts; a new one begins seven minutes late."""
    moment = datetime.fromtimestamp(now - _QUOTA_RESET_SECONDS, UTC)
    return moment.year, moment.month


def profile_identity(index: int, *, seed: int, profiles: int) -> Identity:
    """Return title, refId and profile key of profile `index` (from 0) of an emulator with `profiles` profiles."""
    width = max(3, len(str(profiles)))
    return Identity(f"{_PREFIX}{index + 1:0{width}d}", _ref_id(seed, index), _profile_key(seed, index))


class Accounts:
    """Finds accounts by key or title, and creates them when they are first needed."""

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self._by_key: dict[str, Account] = {}
        self._created: list[str] = []
        self._primary = Account(_PRIMARY_INDEX, Identity(PRIMARY, _ref_id(config.seed, _PRIMARY_INDEX), ""))

    def __len__(self) -> int:
        return self._config.profiles + len(self._created)

    def by_key(self, key: str | None) -> Account | None:
        """Return the account of a `Profile-Key` header (the primary one without it), None for an unknown key."""
        if key is None:
            return self._primary
        return self._by_key.get(key) or self._admit(_index_of(key), key)

    def require(self, key: str | None) -> Account:
        """Return what `by_key` does, but refuse an unknown key.

        Raises:
            RefusalError: unknown or empty key.
        """
        account = self.by_key(key)
        if account is None:
            raise refuse(KEY_UNKNOWN if key else KEY_EMPTY)
        return account

    def by_title(self, title: str) -> Account | None:
        if title == PRIMARY:
            return self._primary
        index = self._index_of_title(title)
        return None if index is None else self.by_key(_profile_key(self._config.seed, index))

    def create(self, title: str) -> Account:
        """Create a profile that is not linked to Pinterest.

        Raises:
            RefusalError: title in use.
        """
        if self.by_title(title) is not None:
            raise refuse(TITLE_IN_USE)
        self._created.append(title)
        account = self._account(len(self) - 1)
        account.linked = False
        self._by_key[account.identity.profile_key] = account
        return account

    def page(self, start: int, stop: int) -> Iterator[Account]:
        """Yield accounts in order of creation, without storing those that were never called."""
        for index in range(start, min(stop, len(self))):
            yield self._by_key.get(_profile_key(self._config.seed, index)) or self._account(index)

    def _admit(self, index: int, key: str) -> Account | None:
        if not 0 <= index < len(self) or _profile_key(self._config.seed, index) != key:
            return None
        account = self._account(index)
        self._by_key[key] = account
        return account

    def _account(self, index: int) -> Account:
        config = self._config
        identity = profile_identity(index, seed=config.seed, profiles=config.profiles)
        if index >= config.profiles:
            identity = identity._replace(title=self._created[index - config.profiles])
        title = identity.title
        return Account(index, identity, title not in config.unlinked_titles, title in config.suspended_titles)

    def _index_of_title(self, title: str) -> int | None:
        if title in self._created:
            return self._config.profiles + self._created.index(title)
        digits = title.removeprefix(_PREFIX)
        if not (digits.isascii() and digits.isdigit()):
            return None
        index = int(digits) - 1
        known = 0 <= index < self._config.profiles and self._account(index).title == title
        return index if known else None


def _ref_id(seed: int, index: int) -> str:
    return sha1(f"{seed}:{index}".encode(), usedforsecurity=False).hexdigest()


def _profile_key(seed: int, index: int) -> str:
    tail = blake2b(f"{seed}:key:{index}".encode(), digest_size=_KEY_BYTES - 4).digest()
    head = (index ^ int.from_bytes(tail[:4])).to_bytes(4) if index >= 0 else b"\0\0\0\0"
    text = base64.b32encode(head + tail).decode()
    return "-".join(text[start : start + 8] for start in range(0, len(text), 8))


def _index_of(key: str) -> int:
    try:
        raw = base64.b32decode(key.replace("-", ""))
    except (binascii.Error, ValueError):
        return -1
    return int.from_bytes(raw[:4]) ^ int.from_bytes(raw[4:8]) if len(raw) == _KEY_BYTES else -1
