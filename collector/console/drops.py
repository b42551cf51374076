"""The page of drops: each with its sentence, its why, and what people said of it."""

from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR, for_each_client
from collector.console.page import answer
from collector.console.query import after_of, page_after, posted, summary_of, text_of
from collector.console.render import profile_url
from collector.errors import RegistryError
from collector.registry.validate import checked_text
from collector.store.drop_list import LONGEST_NOTE, DropList, DropRow
from collector.store.paging import DropFilter, DropState, Paging
from collector.store.pool import Database

_MOST = 50


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """A page of drops, those that were detected last first; ``after`` is where the next begins."""

    state: DropState
    text: str
    rows: list[DropRow]
    after: str | None
    summary: str


class DropsPage:
    """Answers with the drops of a client, or of all for those who may see all, and keeps what is said of them."""

    def __init__(self, database: Database) -> None:
        self._paging = Paging(database)
        self._drops = DropList(database)

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show the drops that the query asks for."""
        return await answer(request, "drops", {"list": partial(self._list, request)}, section="drops")

    @for_each_client
    async def act(self, request: web.Request) -> web.Response:
        """Keep that a drop is not a problem, or take it back, and show the page that it was said on."""
        drop = await self._drops.find(int(request.match_info["id"]))
        if drop is None or not request[VISITOR].may_see(drop.client):
            raise web.HTTPNotFound(text="you have no such drop")
        fields = await posted(request)
        if request.match_info["action"] == "dismiss":
            try:
                note = checked_text("note", fields.get("note", ""), LONGEST_NOTE)
            except RegistryError as error:
                raise web.HTTPUnprocessableEntity(text=str(error)) from error
            await self._drops.dismiss(drop.id, note, request[VISITOR].known_as)
        else:
            await self._drops.restore(drop.id)
        raise web.HTTPSeeOther(profile_url(drop.profile_id) if fields.get("back") == "profile" else "/drops")

    async def _list(self, request: web.Request) -> Drops:
        asked = request.query.get("state", "")
        state = DropState(asked) if asked in set(DropState) else DropState.OPEN
        text = text_of(request, "q")
        wanted = DropFilter(client=request[VISITOR].client, state=state, text=text or None)
        found = await page_after(request, partial(self._paging.drops, wanted), _MOST)
        return Drops(state=state, text=text, rows=found.rows, after=after_of(found), summary=summary_of(found, "drop"))
