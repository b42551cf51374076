"""A value that many ask for: one of them makes it, and the others get the same for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Of the time that passes, making it takes at most this share.
_SHARE = 0.1


class Recent(Generic[T]):
    """What ``make`` returned last, made anew for whoever asks ``seconds`` later, or later still where it takes long."""

    def __init__(self, make: Callable[[], Awaitable[T]], *, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._kept: tuple[T] | None = None
        self._until = 0.0
        self._making = asyncio.Lock()

    async def get(self) -> T:
        """Return the value. Raises what making it raises."""
        async with self._making:
            began = time.monotonic()
            if self._kept is None or began >= self._until:
                self._kept = (await self._make(),)
                now = time.monotonic()
                self._until = now + max(self._seconds, (now - began) / _SHARE)
            return self._kept[0]
