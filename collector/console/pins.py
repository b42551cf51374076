"""The pages of pins: the queue by state, and the story of one pin with each attempt to publish it."""

from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR
from collector.console.page import answer
from collector.console.query import after_of, page_after, summary_of, text_of
from collector.console.words import PIN_STATES, Word
from collector.console.zone import plannable_day
from collector.errors import CollectorError, PinError
from collector.models.pin import PinState
from collector.publish.operator import PinOperator
from collector.store.listing import ListedPin, PinFilter, PinSort
from collector.store.paging import Paging
from collector.store.pin import PinAttempt, PinDetails, PinStore
from collector.store.pin_check import CheckStore
from collector.store.pool import Database
from collector.table.moment import zone_named

CALENDAR = "/pins/calendar"
_MOST = 100


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """A page of pins, queued ones by when they are due, others newest first; ``after`` is where the next begins."""

    state: str
    text: str
    rows: list[ListedPin]
    after: str | None
    summary: str


class Story(msgspec.Struct, frozen=True):
    """A pin and its attempts, the first one first."""

    pin: PinDetails
    attempts: list[PinAttempt]

    @property
    def word(self) -> Word:
        return PIN_STATES[self.pin.state]

    @property
    def can_be_cancelled(self) -> bool:
        """Only a queued one: whoever gives up an unknown one must know that it may be live."""
        return self.pin.state is PinState.QUEUED


class PinsPage:
    """Answers for the queue of a client, or of all for those who may see all."""

    def __init__(self, database: Database) -> None:
        self._paging = Paging(database)
        self._store = PinStore(database)
        self._operator = PinOperator(self._store, CheckStore(database))

    async def answer(self, request: web.Request) -> web.Response:
        """Show the pins that the query asks for."""
        return await answer(request, "pins", {"list": partial(self._list, request)}, section="pins")

    async def one(self, request: web.Request) -> web.Response:
        """Show a pin. Raises ``HTTPNotFound`` where the visitor has no such pin."""
        pin = (await self._require(request)).pin
        return await answer(request, "pin", {"story": partial(self._story, pin.id)}, section="pins", pin=pin)

    async def cancel(self, request: web.Request) -> web.Response:
        """Take a queued pin out of the queue, and show it."""
        pin_id = (await self._require(request)).pin.id
        try:
            await self._cancel(pin_id)
        except PinError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(f"/pins/{pin_id}")

    async def move(self, request: web.Request) -> web.Response:
        """Put a queued pin to another day, and go back to the calendar."""
        pin_id = (await self._require(request)).pin.id
        fields = await request.post()
        asked, name, version, back = (str(fields.get(name, "")) for name in ("day", "zone", "version", "back"))
        try:
            day, zone = plannable_day(asked), zone_named(name)
        except (CollectorError, ValueError):
            raise web.HTTPBadRequest(text=f"this is no day: {asked[:40]}; write one like 2026-12-24") from None
        try:
            await self._operator.move(pin_id, day, zone, version=version)
        except PinError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(back if back.startswith(f"{CALENDAR}?") else CALENDAR)

    async def _cancel(self, pin_id: int) -> None:
        pin = await self._operator.find_cancellable(pin_id)
        if pin.state is not PinState.QUEUED:
            raise PinError(f"pin {pin_id} may be live; `collector pins cancel {pin_id}` gives it up")
        await self._operator.cancel(pin)

    async def _list(self, request: web.Request) -> Pins:
        asked = request.query.get("state", "")
        state = PinState(asked) if asked in set(PinState) else None
        text = text_of(request, "q")
        wanted = PinFilter(client=request[VISITOR].client, state=state, text=text or None)
        sort = PinSort.DUE if state is PinState.QUEUED else PinSort.NEWEST
        found = await page_after(request, partial(self._paging.pins, wanted, sort), _MOST)
        return Pins(
            state=state.value if state else "",
            text=text,
            rows=found.rows,
            after=after_of(found),
            summary=summary_of(found, "pin"),
        )

    async def _story(self, pin_id: int) -> Story:
        pin, attempts = await self._store.story(pin_id)
        return Story(pin, list(attempts))

    async def _require(self, request: web.Request) -> Story:
        try:
            story = await self._story(int(request.match_info["id"]))
        except PinError as error:
            raise web.HTTPNotFound(text="you have no such pin") from error
        if not request[VISITOR].may_see(story.pin.client):
            raise web.HTTPNotFound(text="you have no such pin")
        return story
