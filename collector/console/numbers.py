"""The part of a page that shows numbers by day: of a client, or of a profile."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import partial

import msgspec
from markupsafe import Markup

from collector.console import words
from collector.console.period import LENGTHS, Happenings, Period, TableDay, Tile, Wish
from collector.history.gaps import find_gaps
from collector.models.gap import Gap
from collector.store.client import ClientStore
from collector.store.drop_list import DropRow
from collector.store.gap import GapStore
from collector.store.overview import OverviewStore
from collector.store.pool import Database
from collector.store.timeline import TimelineDay, TimelineStore


class Whose(msgspec.Struct, frozen=True):
    """A profile, or all profiles of a client, and its name for people."""

    name: str
    profile_id: int | None = None
    client: str | None = None


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the part shows."""

    wish: Wish
    empty: bool
    tiles: list[Tile]
    drawing: Markup
    legend: list[tuple[str, str]]
    table: list[TableDay]
    weekdays: Markup
    profile_id: int | None
    lengths: tuple[tuple[str, str], ...] = LENGTHS

    @property
    def metric(self) -> str:
        return words.METRICS[self.wish.metric]


class NumbersReader:
    """Reads the part of a page for whoever it is about."""

    def __init__(self, database: Database) -> None:
        self._timeline = TimelineStore(database)
        self._overview = OverviewStore(database)
        self._clients = ClientStore(database)
        self._gaps = GapStore(database)

    def loader(self, whose: Whose, wish: Wish) -> Callable[[], Awaitable[Numbers]]:
        return partial(self._read, whose, wish)

    async def _read(self, whose: Whose, wish: Wish) -> Numbers:
        first, last = wish.days(datetime.now(UTC).date())
        period = Period(wish, await self._days(whose, first, last), await self._happenings(whose, first))
        return Numbers(
            wish=wish,
            empty=period.empty,
            tiles=period.tiles(),
            drawing=period.chart("numbers", whose.name),
            legend=period.legend(),
            table=period.table(),
            weekdays=period.weekdays(),
            profile_id=whose.profile_id,
        )

    async def _days(self, whose: Whose, first: date, last: date) -> list[TimelineDay]:
        if whose.profile_id is not None:
            return await self._timeline.of_profile(whose.profile_id, first, last)
        return await self._timeline.of_client(whose.client or "", first, last)

    async def _happenings(self, whose: Whose, since: date) -> Happenings:
        return Happenings(
            drops=await self._timeline.drops(whose.profile_id, whose.client, since),
            fleet_drops=[(each.first_day, each.last_day) for each in await self._overview.fleet_drops(since)],
            pins=await self._timeline.pins(whose.profile_id, whose.client, since),
            missing=await self._timeline.missing(whose.profile_id, whose.client, since),
            country=await self._clients.country(whose.profile_id, whose.client),
        )

    async def drops(self, whose: Whose, since: date) -> list[DropRow]:
        """Return the drops that reach ``since`` or later, without those of the whole fleet."""
        found = await self._timeline.drops(whose.profile_id, whose.client, since)
        return [each for each in found if not each.inhibited]

    async def gaps(self, whose: Whose, since: date) -> list[Gap]:
        """Return what is missing of ``since`` or later, and why; first what can still come."""
        profile = whose.name if whose.profile_id is not None else None
        found = await find_gaps(self._gaps, client=whose.client, profile=profile)
        return [gap for gap in found if gap.last_day >= since]
