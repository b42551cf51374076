"""Remembers the boards of accounts for a while, so that a form that is opened again and again asks Ayrshare once."""

import time
from collections.abc import Awaitable, Callable

from collector.errors import CollectorError
from collector.models.pin import Board

_FRESH_SECONDS = 600.0
# A profile that is refused may be mended meanwhile.
_REFUSED_SECONDS = 60.0
_MOST = 1000

Ask = Callable[[str], Awaitable[list[Board]]]


class Boards:
    """The boards of profiles by their names; ``ask`` is called for those that are not known."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, list[Board] | CollectorError]] = {}

    async def of(self, profile: str) -> list[Board]:
        """Return the boards of a profile; none where Ayrshare names none. Raises what ``ask`` raised last."""
        fresh_until, found = self._known.get(profile, (float("-inf"), []))
        if self._clock() >= fresh_until:
            found = await self._keep(profile)
        if isinstance(found, CollectorError):
            raise found.with_traceback(None)
        return found

    async def _keep(self, profile: str) -> list[Board] | CollectorError:
        found: list[Board] | CollectorError
        try:
            found, seconds = await self._ask(profile), _FRESH_SECONDS
        except CollectorError as error:
            found, seconds = error, _REFUSED_SECONDS
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[profile] = (self._clock() + seconds, found)
        return found
