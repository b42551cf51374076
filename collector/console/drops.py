"""The page of drops: the open ones first, each with its sentence."""

from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR
from collector.console.page import answer
from collector.console.query import after_of, page_after, summary_of, text_of
from collector.console.words import ENDINGS
from collector.store.paging import DropFilter, DropRow, DropState, Paging
from collector.store.pool import Database

_MOST = 100


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """A page of drops, those that were detected last first; ``after`` is where the next begins."""

    state: DropState
    client: str
    rows: list[DropRow]
    after: str | None
    summary: str

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
        client = request[VISITOR].client or text_of(request, "client")
        wanted = DropFilter(client=client or None, state=state)
        found = await page_after(request, partial(self._paging.drops, wanted), _MOST)
        return Drops(
            state=state, client=client, rows=found.rows, after=after_of(found), summary=summary_of(found, "drop")
        )
