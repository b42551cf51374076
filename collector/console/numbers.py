"""The part of a page that shows numbers by day: of a client, or of a profile."""

from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
from markupsafe import Markup

from collector.console import words
from collector.console.period import LENGTHS, Happenings, Period, TableDay, Tile, Wish
from collector.history.gaps import find_gaps
from collector.loops.recent import Recent
from collector.models.gap import Gap
from collector.store.client import ClientStore
from collector.store.drop_list import DropRow
from collector.store.gap import GapStore
from collector.store.overview import OverviewStore
from collector.store.pool import Database
from collector.store.timeline import TimelineStore, Whose

# Longer than a page takes.
_PAGE_SECONDS = 60.0


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the part shows; the table only where it was asked for, which is as much work as all the rest."""

    wish: Wish
    empty: bool
    tiles: list[Tile]
    drawing: Markup
    legend: list[tuple[str, str]]
    days: int
    table: list[TableDay]
    weekdays: Markup
    profile_id: int | None
    lengths: tuple[tuple[str, str], ...] = LENGTHS

    @property
    def metric(self) -> str:
        return words.METRICS[self.wish.metric]


class Reading:
    """Reads for one page about ``whose``, whose lists go back ``shown_days``; what several parts show is asked once."""

    def __init__(self, database: Database, gaps: GapStore, whose: Whose, wish: Wish, shown_days: int) -> None:
        self._timeline = TimelineStore(database)
        self._overview = OverviewStore(database)
        self._clients = ClientStore(database)
        self._gaps = gaps
        self._whose = whose
        self._wish = wish
        today = datetime.now(UTC).date()
        self._first, self._last = wish.days(today)
        self._shown_since = today - timedelta(days=shown_days)
        since = min(self._first, self._shown_since)
        self._drops = Recent(partial(self._timeline.drops, whose, since), seconds=_PAGE_SECONDS)

    async def numbers(self) -> Numbers:
        """Return the part that shows numbers by day."""
        days = await self._timeline.days(self._whose, self._first, self._last)
        period = Period(self._wish, days, await self._happenings())
        return Numbers(
            wish=self._wish,
            empty=period.empty,
            tiles=period.tiles(),
            drawing=period.chart("numbers", self._whose.name),
            legend=period.legend(),
            days=len(period.days),
            table=period.table() if self._wish.table else [],
            weekdays=period.weekdays(),
            profile_id=self._whose.profile_id,
        )

    async def _happenings(self) -> Happenings:
        fleet_drops = await self._overview.fleet_drops(self._first)
        return Happenings(
            drops=[each for each in await self._drops.get() if each.last_day >= self._first],
            fleet_drops=[(each.first_day, each.last_day) for each in fleet_drops],
            pins=await self._timeline.pins(self._whose, self._first),
            missing=await self._timeline.missing(self._whose, self._first),
            country=await self._clients.country(self._whose.client),
        )

    async def drops(self) -> list[DropRow]:
        """Return the drops of the last ``shown_days``, without those of the whole fleet."""
        found = await self._drops.get()
        return [each for each in found if not each.inhibited and each.last_day >= self._shown_since]

    async def gaps(self) -> list[Gap]:
        """Return what is missing of the last ``shown_days``, and why; first what can still come."""
        profile = self._whose.name if self._whose.profile_id is not None else None
        found = await find_gaps(self._gaps, client=self._whose.client, profile=profile)
        return [gap for gap in found if gap.last_day >= self._shown_since]
