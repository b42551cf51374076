"""Keeps the fleet's sums in memory, so that the page of 10,000 profiles opens at once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import msgspec

from collector.store.fleet import CountedStates, FleetStore
from collector.store.overview import COUNTS, ClientSummary, FleetDay, FleetDropNote, OverviewStore
from collector.store.pool import Database

REFRESH_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""For how long making an overview may take: as long as a statement."""
TREND_DAYS = 90
# Then nobody is looking any more.
_LOOKING_SECONDS = 600.0
# Of the time that passes, making overviews takes at most this share; less where nobody looks.
_SHARE, _UNSEEN_SHARE = 0.05, 0.005
# A page that is opened while the first overview is made shows what there is, and the sums when they are there.
_PATIENCE_SECONDS = 0.3


class Sum(msgspec.Struct, frozen=True):
    """A metric's sum over a week, and over what can be compared with the week before."""

    metric: str
    week: int
    compared: int
    before: int

    @property
    def change(self) -> float | None:
        return change(self.compared, self.before)


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet as it was at ``made_at``; ``settled`` is None as long as nothing is.

    ``sums`` are the fleet's week, a value for each of `COUNTS`. ``fleet_drops`` are those of ``days``. ``failing`` and
    ``replaced`` count profiles, ``short_of_days`` the clients with ``missing_days``.
    """

    made_at: datetime
    settled: date | None
    states: CountedStates
    clients: list[ClientSummary]
    days: list[FleetDay]
    fleet_drops: list[FleetDropNote]
    sums: list[Sum]
    profiles: int
    open_drops: int
    failing: int
    replaced: int
    missing_days: int
    short_of_days: int


def change(now: float | None, before: float | None) -> float | None:
    """Return by which share a sum rose; None where there is nothing to compare it with."""
    return None if now is None or not before else now / before - 1.0


class OverviewKeeper:
    """Makes an overview at the start of its loop, and anew every so often: often as long as somebody looks."""

    def __init__(self, database: Database) -> None:
        self._store = OverviewStore(database)
        self._fleet = FleetStore(database)
        self._kept: Overview | None = None
        self._made = asyncio.Event()
        self._made_at = 0.0
        self._took_seconds = 0.0
        self._looked_at: float | None = None

    async def get(self) -> Overview | None:
        """Return the newest overview; None if the first is still being made after a moment's wait."""
        self._looked_at = asyncio.get_running_loop().time()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._made.wait()
        return self._kept

    async def states(self) -> CountedStates:
        """Return the profiles by state."""
        overview = await self.get()
        return overview.states if overview is not None else await self._fleet.summary()

    async def settled(self) -> date | None:
        """Return the newest day that is settled for nearly the whole fleet."""
        return self._kept.settled if self._kept is not None else await self._store.settled_through()

    async def refresh(self) -> None:
        """Make an overview if there is none or it is time for another; for a loop."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        looking = self._looked_at is not None and began - self._looked_at < _LOOKING_SECONDS
        pause = self._took_seconds / (_SHARE if looking else _UNSEEN_SHARE)
        if self._kept is not None and began - self._made_at <= pause:
            return
        self._kept = await self._read()
        self._made_at = loop.time()
        self._took_seconds = self._made_at - began
        self._made.set()

    async def _read(self) -> Overview:
        made_at = datetime.now(UTC)
        settled = await self._store.settled_through()
        # Without a settled day there are no sums, but there are clients.
        until = settled or made_at.date()
        clients = await self._store.clients(until)
        return Overview(
            made_at=made_at,
            settled=settled,
            states=await self._fleet.summary(),
            clients=clients,
            days=await self._store.days(until),
            fleet_drops=await self._store.fleet_drops(until - timedelta(days=TREND_DAYS)),
            sums=[_sum(metric, place, clients) for place, metric in enumerate(COUNTS)],
            profiles=sum(each.profiles for each in clients),
            open_drops=sum(each.open_drops for each in clients),
            failing=sum(each.failing for each in clients),
            replaced=sum(each.replaced for each in clients),
            missing_days=sum(each.missing_days for each in clients),
            short_of_days=sum(each.missing_days > 0 for each in clients),
        )


def _sum(metric: str, place: int, clients: Sequence[ClientSummary]) -> Sum:
    return Sum(
        metric,
        week=sum(each.week[place] for each in clients),
        compared=sum(each.compared[place] for each in clients),
        before=sum(each.before[place] for each in clients),
    )
