"""Does in one process the work that every replica could do, so that it is done once.

It saves work and is no lock: a leader that was taken for dead may still be at it when the next one begins, so what is
led must bear to be done twice.
"""

import time
from collections.abc import Awaitable, Callable

import structlog

from collector.store.leader import LeaderStore

log = structlog.get_logger(__name__)

KEEP_SECONDS = 2.0
# A leader that dies is followed within this and one round, well within ten seconds.
LEASE_SECONDS = 6.0


class Leader:
    """Keeps the leases of this process, as long as :meth:`keep` is called every ``KEEP_SECONDS``."""

    def __init__(self, store: LeaderStore) -> None:
        self._store = store
        self._works: list[str] = []
        self._led: frozenset[str] = frozenset()
        self._until = 0.0

    def led(
        self, work: str, do: Callable[[], Awaitable[object]], *, pause: float = 0.0
    ) -> Callable[[], Awaitable[None]]:
        """Return what does ``do`` where this process leads the work, once in ``pause`` seconds, and nothing elsewhere.

        It is to be called often, so that a new leader begins soon.
        """
        self._works.append(work)
        not_before = 0.0

        async def do_if_leading() -> None:
            nonlocal not_before
            if self._leads(work) and time.monotonic() >= not_before:
                await do()
                not_before = time.monotonic() + pause

        return do_if_leading

    async def keep(self) -> None:
        """Renew what is led, and lead what nobody does."""
        until = time.monotonic() + LEASE_SECONDS
        led = await self._store.lead(self._works, seconds=LEASE_SECONDS)
        if won := led - self._led:
            log.info("this process leads", work=", ".join(sorted(won)))
        if lost := self._led - led:
            log.warning("another process leads", work=", ".join(sorted(lost)))
        self._led, self._until = led, until

    def _leads(self, work: str) -> bool:
        return work in self._led and time.monotonic() < self._until
