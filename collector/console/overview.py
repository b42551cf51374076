"""Keeps the fleet's sums in memory while somebody looks, so that the page of 10,000 profiles opens at once."""

import asyncio
from datetime import UTC, date, datetime

import msgspec

from collector.store.overview import COUNTS, ClientSummary, FleetDay, OverviewStore
from collector.store.pool import Database

REFRESH_SECONDS = 5.0
# Nobody is looking any more.
_FORGET_SECONDS = 600.0
# Of the time that passes, making overviews takes at most this share.
_SHARE = 0.05


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet as it was at ``made_at``; ``settled`` is None as long as nothing is."""

    made_at: datetime
    settled: date | None
    clients: list[ClientSummary]
    days: list[FleetDay]

    @property
    def profiles(self) -> int:
        return sum(each.profiles for each in self.clients)

    def sums(self) -> list["Sum"]:
        """Return the fleet's week, a value for each of `COUNTS`."""
        return [
            Sum(
                metric,
                week=sum(each.week[place] for each in self.clients),
                compared=sum(each.compared[place] for each in self.clients),
                before=sum(each.before[place] for each in self.clients),
            )
            for place, metric in enumerate(COUNTS)
        ]


class Sum(msgspec.Struct, frozen=True):
    """A metric's sum over a week, and over what can be compared with the week before."""

    metric: str
    week: int
    compared: int
    before: int

    @property
    def change(self) -> float | None:
        return change(self.compared, self.before)


def change(now: float | None, before: float | None) -> float | None:
    """Return by which share a sum rose; None where there is nothing to compare it with."""
    return None if now is None or not before else now / before - 1.0


class OverviewKeeper:
    """Makes an overview for whoever asks first, and anew every so often as long as somebody asks."""

    def __init__(self, database: Database) -> None:
        self._store = OverviewStore(database)
        self._kept: Overview | None = None
        self._asked_at = 0.0
        self._made_at = 0.0
        self._took_seconds = 0.0
        self._making = asyncio.Lock()

    async def get(self) -> Overview:
        """Return the overview that is there, or make one. Raises ``DatabaseUnavailableError``."""
        self._asked_at = asyncio.get_running_loop().time()
        async with self._making:
            if self._kept is None:
                self._kept = await self._make()
            return self._kept

    async def refresh(self) -> None:
        """Make the overview anew if somebody has looked lately, else forget it; for a loop."""
        now = asyncio.get_running_loop().time()
        if self._kept is None:
            return
        if now - self._asked_at > _FORGET_SECONDS:
            self._kept = None
        elif now - self._made_at > self._took_seconds / _SHARE:
            self._kept = await self._make()

    async def _make(self) -> Overview:
        loop = asyncio.get_running_loop()
        began = loop.time()
        made = await self._read()
        self._made_at, self._took_seconds = loop.time(), loop.time() - began
        return made

    async def _read(self) -> Overview:
        made_at = datetime.now(UTC)
        settled = await self._store.settled_through()
        # Without a settled day there are no sums, but there are clients.
        until = settled or made_at.date()
        return Overview(
            made_at=made_at,
            settled=settled,
            clients=await self._store.clients(until),
            days=await self._store.days(until),
        )
