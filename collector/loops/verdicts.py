"""Remembers the last profiles' verdicts, to tell the refusal of one profile from one of the whole fleet.

Kept in the process, for it is about the last minutes only: a restart begins with belief and learns within ten polls.
Pure: the clock is an argument.
"""

from collections import Counter
from typing import Final

import msgspec

from collector.models.outcome import Failure

_PROFILES: Final = 50
_SECONDS: Final = 3600.0
_FEWEST_PROFILES: Final = 10
_FEWEST_REFUSED: Final = 5
_LARGE_SHARE: Final = 0.2
# So many refusals in a row concern the profile, whatever else the fleet is told.
MOST_DOUBTS: Final = 6


class _Verdict(msgspec.Struct, frozen=True):
    failure: Failure | None
    received_at: float


class Verdicts:
    """The verdicts on the last 50 profiles of the last hour, the newest of each; None is a success."""

    def __init__(self) -> None:
        self._latest: dict[int, _Verdict] = {}

    def add(self, profile_id: int, failure: Failure | None, now: float) -> None:
        self._latest.pop(profile_id, None)
        self._latest[profile_id] = _Verdict(failure, now)
        while len(self._latest) > _PROFILES or next(iter(self._latest.values())).received_at < now - _SECONDS:
            del self._latest[next(iter(self._latest))]

    def clear(self) -> None:
        self._latest.clear()

    def suspicious(self) -> bool:
        """Tell whether so many got the same refusal that it is hardly about each of them."""
        failures = Counter(verdict.failure for verdict in self._latest.values())
        del failures[None]
        most = max(failures.values(), default=0)
        profiles = len(self._latest)
        return profiles >= _FEWEST_PROFILES and most >= max(_FEWEST_REFUSED, _LARGE_SHARE * profiles)
