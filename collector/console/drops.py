"""The page of drops: the open ones first, each with its sentence."""

from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR
from collector.console.page import answer
from collector.console.query import text_of
from collector.console.words import ENDINGS, counted
from collector.store.paging import DropFilter, DropRow, DropState, Paging, Wish
from collector.store.pool import Database

_MOST = 200


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """The drops that are shown, newest first, of ``total``."""

    state: DropState
    rows: list[DropRow]
    total: int

    @property
    def summary(self) -> str:
        """Say how many there are, and how many of them are shown."""
        every = counted(self.total, "drop")
        return every if len(self.rows) == self.total else f"the newest {len(self.rows)} of {every}"

    def ending(self, row: DropRow) -> str:
        """Say in words why a drop was closed; nothing of one that is open."""
        return ENDINGS.get(row.close_reason, row.close_reason) if row.close_reason is not None else ""


class DropsPage:
    """Answers with the drops of a client, or of all for those who may see all."""

    def __init__(self, database: Database) -> None:
        self._paging = Paging(database)

    async def answer(self, request: web.Request) -> web.Response:
        """Show the drops that the query asks for."""
        return await answer(request, "drops", {"list": partial(self._list, request)}, section="drops")

    async def _list(self, request: web.Request) -> Drops:
        asked = request.query.get("state", "")
        state = DropState(asked) if asked in set(DropState) else DropState.OPEN
        client = request[VISITOR].client
        found = await self._paging.drops(
            DropFilter(client=text_of(request, "client") or None if client is None else client, state=state),
            Wish(limit=_MOST, total=True),
        )
        return Drops(state=state, rows=found.rows, total=found.total or 0)
