"""The pages of pins: the queue by state, and the story of one pin with each attempt to publish it."""

from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR, Visitor, for_each_client
from collector.console.page import Loader, answer
from collector.console.pin_results import PinResultsReader
from collector.console.query import after_of, page_after, posted, summary_of, text_of
from collector.console.render import render
from collector.console.words import PIN_ADVICE, PIN_STATES, Word, sentence
from collector.console.zone import plannable_day
from collector.errors import CollectorError, DatabaseUnavailableError, PinError
from collector.models.pin import PinState
from collector.publish.operator import CANCELLABLE, RETRIABLE, Check, Evidence, PinOperator
from collector.publish.remedy import remedy_of
from collector.store.listing import ListedPin, PinFilter, PinSort
from collector.store.paging import Paging
from collector.store.pin import PinAttempt, PinDetails, PinStore
from collector.store.pin_check import CheckStore
from collector.store.pool import Database
from collector.table.moment import zone_named

CALENDAR = "/pins/calendar"
_MOST = 50


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
    def told(self) -> Word | None:
        """What the last try came to, and what to do about it; None where nothing went wrong."""
        if self.pin.last_error is None or self.pin.state is PinState.PUBLISHED:
            return None
        error = sentence(self.pin.last_error)
        match self.pin.state:
            case PinState.FAILED:
                code = self.attempts[-1].code if self.attempts else None
                advice = PIN_ADVICE[remedy_of(code, self.pin.last_error)]
                return Word("It was refused.", "bad", f"{error} {advice}")
            case PinState.UNKNOWN:
                return Word("It may be live.", "warn", error)
            case _:
                return Word("The last try.", "info", error)

    @property
    def can_be_cancelled(self) -> bool:
        return self.pin.state in CANCELLABLE

    @property
    def can_be_sent_again(self) -> bool:
        return self.pin.state in RETRIABLE


class Question(msgspec.Struct, frozen=True):
    """What is asked before something is done that may do harm; ``action`` is the end of the address that does it."""

    title: str
    text: str
    button: str
    action: str


_GIVE_UP = Question(
    "It may be live",
    "It was sent, and nobody knows what became of it. If you give it up, nobody looks for it any more.",
    "Give it up",
    "cancel",
)
_SEND_AGAIN = Question(
    "It may be live already",
    "It was sent, and it is not in Ayrshare's history. Look at the account first: sent twice, it is live twice.",
    "Send it again",
    "retry",
)


class PinsPage:
    """Answers for the queue of a client, or of all for those who may see all."""

    def __init__(self, database: Database, check: Check) -> None:
        self._paging = Paging(database)
        self._store = PinStore(database)
        self._results = PinResultsReader(database)
        self._operator = PinOperator(self._store, CheckStore(database))
        self._check = check

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show the pins that the query asks for."""
        return await answer(request, "pins", {"list": partial(self._list, request)}, section="pins")

    @for_each_client
    async def one(self, request: web.Request) -> web.Response:
        """Show a pin. Raises ``HTTPNotFound`` where the visitor has no such pin."""
        pin = (await self._require(request)).pin
        parts: dict[str, Loader] = {
            "story": partial(self._story, pin.id),
            "results": partial(self._results.read, pin.id),
        }
        return await answer(request, "pin", parts, section="pins", pin=pin)

    @for_each_client
    async def cancel(self, request: web.Request) -> web.Response:
        """Take a pin out of the queue, or give one up that may be live if its operator has said so; and show it."""
        pin = (await self._require(request)).pin
        try:
            found = await self._operator.find_cancellable(pin.id)
            if found.state is PinState.UNKNOWN and "sure" not in await posted(request):
                return _ask(request, pin, _GIVE_UP)
            await self._operator.cancel(found)
        except PinError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(f"/pins/{pin.id}")

    @for_each_client
    async def move(self, request: web.Request) -> web.Response:
        """Put a queued pin to another day, and go back to the calendar."""
        pin_id = (await self._require(request)).pin.id
        fields = await posted(request)
        asked, name, version, back = (fields.get(name, "") for name in ("day", "zone", "version", "back"))
        try:
            day, zone = plannable_day(asked), zone_named(name)
        except (CollectorError, ValueError):
            raise web.HTTPBadRequest(text=f"this is no day: {asked[:40]}; write one like 2026-12-24") from None
        try:
            await self._operator.move(pin_id, day, zone, version=version)
        except PinError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(back if back.startswith(f"{CALENDAR}?") else CALENDAR)

    @for_each_client
    async def retry(self, request: web.Request) -> web.Response:
        """Send a pin again that is not live, or that may be if its operator has said so; and show it."""
        pin = (await self._require(request)).pin
        try:
            found = await self._operator.prepare_retry(pin.id, self._check)
            if found.may_be_live and "sure" not in await posted(request):
                return _ask(request, pin, _SEND_AGAIN)
            if found.evidence is not Evidence.SETTLED:
                await self._operator.retry(found.pin)
        except DatabaseUnavailableError:
            raise
        except CollectorError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(f"/pins/{pin.id}")

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
        pin, attempts = await visible_pin(self._store, request[VISITOR], int(request.match_info["id"]))
        return Story(pin, attempts)


async def visible_pin(store: PinStore, visitor: Visitor, pin_id: int) -> tuple[PinDetails, list[PinAttempt]]:
    """Return a pin and its attempts. Raises ``HTTPNotFound`` where the visitor has no such pin."""
    try:
        pin, attempts = await store.story(pin_id)
    except PinError as error:
        raise web.HTTPNotFound(text="you have no such pin") from error
    if not visitor.may_see(pin.client):
        raise web.HTTPNotFound(text="you have no such pin")
    return pin, attempts


def _ask(request: web.Request, pin: PinDetails, question: Question) -> web.Response:
    """Ask whether something is done that may do harm."""
    return render(request, "pin/sure.html", {"section": "pins", "pin": pin, "question": question}, status=409)
