"""Records the requests to an emulator, for tests that check what a client did."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class AcceptedPost:
    """One `POST /post` that leads (or led) to a pin; `time` is ISO, UTC."""

    profile: str
    id: str
    pin_id: str
    notes: str | None
    idempotency_key: str | None
    time: str
    post: str


@dataclass(slots=True)
class Record:
    """Counts since the start or the last `clear`; a profile is named by its title."""

    requests: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)
    max_in_flight: int = 0
    max_in_flight_by_profile: dict[str, int] = field(default_factory=dict)
    posts: list[AcceptedPost] = field(default_factory=list)
    _in_flight: int = 0
    _in_flight_by_profile: Counter[str] = field(default_factory=Counter)

    def enter(self, endpoint: str, profile: str | None) -> None:
        self.requests[endpoint] += 1
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        if profile is not None:
            self.profiles[profile] += 1
            busy = self._in_flight_by_profile[profile] = self._in_flight_by_profile[profile] + 1
            if busy > self.max_in_flight_by_profile.get(profile, 0):
                self.max_in_flight_by_profile[profile] = busy

    def leave(self, profile: str | None) -> None:
        self._in_flight -= 1
        if profile is not None:
            self._in_flight_by_profile[profile] -= 1

    def answered(self, profile: str | None, status: int) -> None:
        self.statuses[status] += 1
        if status == HTTPStatus.TOO_MANY_REQUESTS and profile is not None:
            self.rate_limited[profile] += 1

    def clear(self) -> None:
        """Reset everything but the requests that are still being answered."""
        self.requests.clear()
        self.profiles.clear()
        self.statuses.clear()
        self.rate_limited.clear()
        self.posts.clear()
        self.max_in_flight = self._in_flight
        self.max_in_flight_by_profile.clear()

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "profiles": self.profiles,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "rate_limited": self.rate_limited,
            "max_in_flight": self.max_in_flight,
            "max_in_flight_by_profile": self.max_in_flight_by_profile,
            "posts": [_camel_key(asdict(post)) for post in self.posts],
        }


def _camel_key(post: dict[str, Any]) -> dict[str, Any]:
    return {"idempotencyKey" if name == "idempotency_key" else name: value for name, value in post.items()}
