"""Remembers the boards of accounts for a while, so that a form that is opened again asks Ayrshare once."""

import time
from collections.abc import Awaitable, Callable

from collector.models.pin import Board

_FRESH_SECONDS = 600.0
_MOST = 1000

Ask = Callable[[str], Awaitable[list[Board]]]


class Boards:
    """The boards of profiles by their names; ``ask`` is called for those that are not known."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, list[Board]]] = {}

    async def of(self, profile: str) -> list[Board]:
        """Return the boards of a profile; none where Ayrshare names none. Raises what ``ask`` raises."""
        asked_at, found = self._known.get(profile, (float("-inf"), []))
        if self._clock() - asked_at < _FRESH_SECONDS:
            return found
        found = await self._ask(profile)
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[profile] = (self._clock(), found)
        return found
