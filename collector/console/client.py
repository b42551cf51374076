"""The page of a client: its numbers by day, what is wrong, and its profiles."""

from datetime import UTC, datetime
from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR, for_each_client
from collector.console.best import BestReader
from collector.console.fleet import ProfileLine, profile_line
from collector.console.numbers import Reading
from collector.console.overview import OverviewKeeper
from collector.console.page import Loader, answer
from collector.console.period import wish_of
from collector.console.query import page_number, text_of
from collector.console.report import offer
from collector.console.words import counted
from collector.console.zone import zone_of
from collector.models.gap import Gap
from collector.store.drop_list import DropRow
from collector.store.gap import GapStore
from collector.store.overview import OverviewStore, ProfileWish
from collector.store.pool import Database
from collector.store.timeline import TimelineStore, Whose

_PAGE_SIZE = 50
_SHOWN_DAYS = 90


class Trouble(msgspec.Struct, frozen=True):
    """The drops of the last months, open ones first, and the days that are not there."""

    drops: list[DropRow]
    gaps: list[Gap]


class Profiles(msgspec.Struct, frozen=True):
    """A page of the client's profiles."""

    rows: list[ProfileLine]
    page: int
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // _PAGE_SIZE))

    @property
    def summary(self) -> str:
        return counted(self.total, "profile")


class ClientPage:
    """Answers for a client."""

    def __init__(self, database: Database, keeper: OverviewKeeper) -> None:
        self._database = database
        self._keeper = keeper
        self._timeline = TimelineStore(database)
        self._overview = OverviewStore(database)
        self._gaps = GapStore(database)
        self._best = BestReader(database)

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show the client that the query names. Raises ``HTTPNotFound`` where the visitor has none of that name."""
        client = text_of(request, "name")
        total = await self._timeline.count_profiles(client) if request[VISITOR].may_see(client) else 0
        if not total:
            raise web.HTTPNotFound(text=f"you have no client {client}" if client else "name a client")
        whose = Whose(name=client, client=client)
        reading = Reading(self._database, self._gaps, whose, wish_of(request), _SHOWN_DAYS)
        today = datetime.now(UTC).date()
        parts: dict[str, Loader] = {
            "numbers": reading.numbers,
            "trouble": partial(self._trouble, reading),
            "best": self._best.loader(whose, zone_of(request)),
            "profiles": partial(self._profiles, client, page_number(request, total, _PAGE_SIZE), total),
        }
        return await answer(request, "client", parts, section="client", client=client, total=total, offer=offer(today))

    async def _trouble(self, reading: Reading) -> Trouble:
        drops = await reading.drops()
        return Trouble(sorted(drops, key=lambda each: not each.open), await reading.gaps())

    async def _profiles(self, client: str, page: int, total: int) -> Profiles:
        wish = ProfileWish(client=client, limit=_PAGE_SIZE, offset=(page - 1) * _PAGE_SIZE)
        settled = await self._keeper.settled() or datetime.now(UTC).date()
        rows = await self._overview.profiles(wish, "state", settled)
        return Profiles([profile_line(each) for each in rows], page, total)
