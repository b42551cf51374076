"""Holds the posts that an emulator accepted, their states over time, and the idempotency keys they used up. No HTTP."""

from dataclasses import dataclass, field
from typing import Any

from collector.emulator.accounts import Account
from collector.emulator.config import iso_seconds
from collector.emulator.errors import Problem
from collector.emulator.traffic import uniforms

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 20
_PIN_ID_DIGITS = 17


@dataclass(slots=True)
class Pin:
    """One post to Pinterest; times are seconds since the epoch. `failure` is set if it never becomes a pin."""

    id: str
    pin_id: str
    profile: str
    ref_id: str
    text: str
    title: str | None
    media_urls: tuple[str, ...]
    notes: str | None
    idempotency_key: str | None
    created: float
    due: float
    processing_seconds: float = 0.0
    failure: Problem | None = None
    deleted: bool = False

    @property
    def url(self) -> str:
        return f"https://www.pinterest.com/pin/{self.pin_id}/"

    @property
    def scheduled(self) -> bool:
        return self.due > self.created

    def status(self, now: float) -> str:
        """Return the name of its state at the moment `now`, as `/history` shows it."""
        if self.deleted:
            return "deleted"
        if self.failure is not None:
            return "error"
        if now < self.due:
            return "pending"
        return "processing" if now < self.due + self.processing_seconds else "success"

    def post_ids(self, now: float) -> list[dict[str, Any]]:
        if self.status(now) not in {"success", "deleted"} or now < self.due:
            return []
        return [{"status": "success", "id": self.pin_id, "postUrl": self.url, "platform": "pinterest"}]

    def history_row(self, now: float) -> dict[str, Any]:
        failures = [] if self.failure is None else [{**self.failure.body(), "platform": "pinterest"}]
        return {
            "created": iso_seconds(self.created),
            "errors": failures,
            "id": self.id,
            "mediaUrls": self.media_urls,
            **({} if self.notes is None else {"notes": self.notes}),
            "platforms": ["pinterest"],
            "post": self.text,
            "postIds": self.post_ids(now),
            "profileTitle": self.profile,
            "refId": self.ref_id,
            "scheduleDate": iso_seconds(self.due),
            "status": self.status(now),
            "type": "scheduled" if self.scheduled else "now",
        }

    def native_row(self) -> dict[str, Any]:
        return {
            "id": self.pin_id,
            "created": iso_seconds(self.due),
            "title": self.title,
            "description": self.text,
            "postUrl": self.url,
        }


@dataclass(slots=True)
class _Shelf:
    pins: dict[str, Pin] = field(default_factory=dict)
    burnt_keys: set[str] = field(default_factory=set)


class PinBook:
    """All posts by profile, in the order of arrival."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._shelves: dict[int, _Shelf] = {}

    def burn(self, account: Account, key: str) -> bool:
        """Use up an idempotency key; return False if it was used before."""
        burnt = self._shelf(account).burnt_keys
        fresh = key not in burnt
        burnt.add(key)
        return fresh

    def new_ids(self) -> tuple[str, str]:
        """Return a new Ayrshare id and a new Pinterest id."""
        self._issued += 1
        letters = uniforms(self._seed, "post", self._issued) + uniforms(self._seed, "post", self._issued, "more")
        post_id = "".join(_LETTERS[int(u * len(_LETTERS))] for u in letters[:_ID_LENGTH])
        digits = uniforms(self._seed, "pin", self._issued) + uniforms(self._seed, "pin", self._issued, "more")
        return post_id, "9" + "".join(str(int(u * 10)) for u in digits[:_PIN_ID_DIGITS])

    def add(self, account: Account, pin: Pin) -> None:
        self._shelf(account).pins[pin.id] = pin

    def find(self, account: Account, post_id: str) -> Pin | None:
        return self._shelf(account).pins.get(post_id)

    def find_by_pin_id(self, account: Account, pin_id: str) -> Pin | None:
        return next((pin for pin in self._shelf(account).pins.values() if pin.pin_id == pin_id), None)

    def newest_first(self, account: Account) -> list[Pin]:
        return list(reversed(self._shelf(account).pins.values()))

    def _shelf(self, account: Account) -> _Shelf:
        return self._shelves.setdefault(account.index, _Shelf())
