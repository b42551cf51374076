"""Pins: queue one or many, list, show, change, cancel, send again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs
from msgspec import UNSET, Meta, UnsetType

from collector.access import Visitor
from collector.api.cursor import cursor
from collector.api.problem import FieldProblem, conflict, in_words, invalid, not_found
from collector.api.route import Answer, route
from collector.api.scope import IdPath, ListQuery, Text, bound, ordered
from collector.api.services import Services
from collector.errors import PinError
from collector.models.pin import NewPin, PinContent, PinProblem, PinState
from collector.publish.media import LookAtMedia, Media, WhichMedia, insist_on_media, to_look_at
from collector.publish.operator import Evidence, Look, PinOperator
from collector.store.listing import ListedPin, PinFilter, PinSort
from collector.store.paging import Paging
from collector.store.pin import PinAttempt, PinFacts, PinStore
from collector.store.pin_check import CheckStore
from collector.store.profile import ProfileStore

MOST_AT_ONCE: Final = 500
_NOT_SO: Final = {HTTPStatus.CONFLICT: "the pin is not in a state in which that can be done, or it may be live"}
CheckMedia = Annotated[WhichMedia, Meta(description="Whose images are looked at first.")]
_Moment = Annotated[datetime, Meta(tz=True)]


class PinsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pins; all filters apply together."""

    profile: Text | None = None
    client: Text | None = None
    state: PinState | None = None
    tag: Text | None = None
    text: Annotated[Text, Meta(description="Is in the client_ref, title or description, in any case.")] | None = None
    due_since: _Moment | None = None
    due_until: Annotated[_Moment, Meta(description="Due before.")] | None = None
    sort: PinSort = PinSort.NEWEST
    descending: Annotated[bool, Meta(description="The other way round: of `newest`, the oldest first.")] = False


class PinsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list; ``next`` is the cursor of the page after it."""

    pins: list[ListedPin]
    next: str | None
    total: int | None


class CarouselEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The texts of one image of a carousel."""

    title: str | UnsetType = UNSET
    link: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class PinStory(PinFacts, frozen=True, kw_only=True):
    """A pin, its lane, and each attempt to publish it."""

    carousel: tuple[CarouselEntry, ...] | None
    attempts: tuple[PinAttempt, ...]


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is published, of which profile, and when; ``past`` allows a time more than a day ago."""

    profile: str
    media_urls: tuple[str, ...]
    description: str = ""
    title: str | None = None
    link: str | None = None
    board_id: str | None = None
    alt_texts: tuple[str, ...] = ()
    carousel: tuple[CarouselEntry, ...] | None = None
    thumbnail_url: str | None = None
    note: str | None = None
    publish_at: Annotated[datetime, Meta(tz=True, description="Unset: at once.")] | None = None
    past: bool = False
    check_media: CheckMedia = WhichMedia.CAROUSELS

    def pin(self, client_ref: str) -> NewPin:
        return NewPin(
            profile=self.profile,
            client_ref=client_ref,
            publish_at=self.publish_at,
            content=PinContent(
                media_urls=self.media_urls,
                description=self.description,
                title=self.title,
                link=self.link,
                board_id=self.board_id,
                alt_texts=self.alt_texts,
                carousel=_as_json(self.carousel),
                thumbnail_url=self.thumbnail_url,
                note=self.note,
            ),
        )


class BulkPin(Content, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pin with your own name for it."""

    client_ref: str


class BulkPins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pins to be queued, each by itself."""

    pins: Annotated[tuple[BulkPin, ...], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class BulkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one pin: queued, known already, or refused and why."""

    client_ref: str
    status: HTTPStatus
    id: int | None = None
    errors: tuple[FieldProblem, ...] = ()


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The results in the order of the pins; ``status`` is what the pin alone would have got."""

    created: int
    known: int
    refused: int
    results: tuple[BulkResult, ...]


class IdempotencyHeaders(msgspec.Struct, frozen=True):
    """``Idempotency-Key`` is your own name for the pin, kept as its ``client_ref``."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=202)]

    @property
    def client_ref(self) -> str:
        """The key; in quotation marks, as the standard's draft has it, or without."""
        text = self.idempotency_key.strip()
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


class PinEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change; what is left out stays, null takes a value away."""

    media_urls: tuple[str, ...] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    link: str | UnsetType | None = UNSET
    board_id: str | UnsetType | None = UNSET
    alt_texts: tuple[str, ...] | UnsetType = UNSET
    carousel: tuple[CarouselEntry, ...] | UnsetType | None = UNSET
    thumbnail_url: str | UnsetType | None = UNSET
    note: str | UnsetType | None = UNSET
    publish_at: _Moment | UnsetType = UNSET
    past: bool = False
    check_media: CheckMedia = WhichMedia.CAROUSELS


class Cancel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``may_be_live`` gives an unknown pin up, although it may be live."""

    may_be_live: bool = False


class RetryPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``may_be_live`` sends a pin that may be live already; ``without_history`` does not look for it first."""

    may_be_live: bool = False
    without_history: bool = False


class Pins:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = PinStore(services.database)
        self._profiles = ProfileStore(services.database)
        self._paging = Paging(services.database)
        self._operator = PinOperator(self._store, CheckStore(services.database))

    @route(hdrs.METH_GET, "/pins")
    async def list_pins(self, visitor: Visitor, query: PinsQuery) -> PinsPage:
        """List pins."""
        wanted = PinFilter(
            profile=query.profile,
            client=bound(visitor, query.client),
            state=query.state,
            tag=query.tag,
            text=query.text,
            since=query.due_since,
            until=query.due_until,
        )
        found = await self._paging.pins(wanted, query.sort, query.wish(query.sort, descending=query.descending))
        onward = cursor(ordered(query.sort, descending=query.descending), found.after)
        return PinsPage(pins=found.rows, next=onward, total=found.total)

    @route(
        hdrs.METH_POST,
        "/pins",
        success={
            HTTPStatus.CREATED: "queued",
            HTTPStatus.OK: "the profile has a pin of this key already, which says the same; nothing was changed",
        },
        problems={HTTPStatus.CONFLICT: "the profile has a pin of this key already, which says something else"},
    )
    async def add_pin(self, visitor: Visitor, headers: IdempotencyHeaders, body: Content) -> Answer[PinStory]:
        """Queue a pin.

        A request can be repeated safely: the same `Idempotency-Key` of a profile queues one pin.
        """
        await self._insist_on_visible(visitor, body.profile)
        look = _looking(body.check_media, self._services.look_at_media)
        queued = await self._operator.add(body.pin(headers.client_ref), past=body.past, look=look)
        story = await self._story(queued.id)
        if queued.differs:
            raise conflict(
                f"pin {queued.id} of this profile has this key already, is {story.state.value}, and has another "
                f"{', '.join(queued.differs)}; nothing was changed"
            )
        status = HTTPStatus.CREATED if queued.created else HTTPStatus.OK
        return Answer(value=story, status=status, location=f"/pins/{queued.id}")

    @route(hdrs.METH_POST, "/pins/bulk", success={HTTPStatus.OK: "each pin was queued, known already, or refused"})
    async def add_pins(self, visitor: Visitor, body: BulkPins) -> BulkAnswer:
        """Queue up to 500 pins, each by itself: what is wrong with one refuses no other."""
        visible = await self._visible(visitor, {pin.profile for pin in body.pins})
        urls = [url for pin in body.pins for url in to_look_at(pin.pin("").content, pin.check_media)]
        seen = await self._services.look_at_media(urls) if urls else {}
        results = tuple([await self._bulk_result(pin, seen, known=pin.profile in visible) for pin in body.pins])
        return BulkAnswer(
            created=sum(each.status is HTTPStatus.CREATED for each in results),
            known=sum(each.status is HTTPStatus.OK for each in results),
            refused=sum(each.status >= HTTPStatus.BAD_REQUEST for each in results),
            results=results,
        )

    @route(hdrs.METH_GET, "/pins/{id}")
    async def show_pin(self, visitor: Visitor, path: IdPath) -> PinStory:
        """Show a pin with each attempt to publish it."""
        return await self._visible_pin(visitor, path.id)

    @route(hdrs.METH_PATCH, "/pins/{id}", problems=_NOT_SO)
    async def edit_pin(self, visitor: Visitor, path: IdPath, body: PinEdit) -> PinStory:
        """Change a pin that is queued."""
        await self._visible_pin(visitor, path.id)
        given = {
            name: value
            for name, value in msgspec.structs.asdict(body).items()
            if value is not UNSET and name not in {"past", "publish_at", "check_media"}
        }
        if "carousel" in given:
            given["carousel"] = _as_json(given["carousel"])
        moment = body.publish_at if isinstance(body.publish_at, datetime) else None
        look = _looking(body.check_media, self._services.look_at_media)
        await self._operator.edit(path.id, given, moment, past=body.past, look=look)
        return await self._story(path.id)

    @route(hdrs.METH_POST, "/pins/{id}/cancel", problems=_NOT_SO)
    async def cancel_pin(self, visitor: Visitor, path: IdPath, body: Cancel) -> PinStory:
        """Take a queued pin out of the queue, or give an unknown one up."""
        await self._visible_pin(visitor, path.id)
        pin = await self._operator.find_cancellable(path.id)
        if pin.state is PinState.UNKNOWN and not body.may_be_live:
            raise conflict(f"pin {path.id} may be live; `may_be_live` true stops looking for it all the same")
        await self._operator.cancel(pin)
        return await self._story(path.id)

    @route(hdrs.METH_POST, "/pins/{id}/retry", problems=_NOT_SO)
    async def retry_pin(self, visitor: Visitor, path: IdPath, body: RetryPin) -> PinStory:
        """Send a failed, cancelled or unknown pin again, at once.

        Ayrshare's history is asked first. If the pin is there, that is recorded, and nothing is sent.
        """
        await self._visible_pin(visitor, path.id)
        check = None if body.without_history else self._services.check_pins
        found = await self._operator.prepare_retry(path.id, check)
        if found.may_be_live and not body.may_be_live:
            what = "is not in Ayrshare's history" if found.evidence is Evidence.ABSENT else "was not looked for"
            raise conflict(f"pin {path.id} {what}; sent twice it is live twice: `may_be_live` true sends it")
        if found.evidence is not Evidence.SETTLED:
            await self._operator.retry(found.pin)
        return await self._story(path.id)

    async def _bulk_result(self, pin: BulkPin, seen: Mapping[str, Media], *, known: bool) -> BulkResult:
        if not known:
            return _refused(pin, [_unknown_profile(pin.profile)])

        async def look(urls: Sequence[str]) -> Mapping[str, Media]:
            return {url: seen[url] for url in urls if url in seen}

        new = pin.pin(pin.client_ref.strip())
        try:
            queued = await self._operator.add(new, past=pin.past, look=_looking(pin.check_media, look))
        except PinError as error:
            return _refused(pin, in_words(error.problems or [PinProblem("", str(error))]))
        if queued.differs:
            wrong = [FieldProblem(name, f"pin {queued.id} has another {name}") for name in queued.differs]
            return BulkResult(client_ref=pin.client_ref, status=HTTPStatus.CONFLICT, id=queued.id, errors=tuple(wrong))
        status = HTTPStatus.CREATED if queued.created else HTTPStatus.OK
        return BulkResult(client_ref=pin.client_ref, status=status, id=queued.id)

    async def _visible(self, visitor: Visitor, names: set[str]) -> set[str]:
        return {each.name for each in await self._profiles.known(names) if visitor.may_see(each.client)}

    async def _insist_on_visible(self, visitor: Visitor, name: str) -> None:
        if name not in await self._visible(visitor, {name}):
            raise invalid([_unknown_profile(name)])

    async def _visible_pin(self, visitor: Visitor, pin_id: int) -> PinStory:
        try:
            found = await self._story(pin_id)
        except PinError:
            raise not_found(f"pin {pin_id}") from None
        if not visitor.may_see(found.client):
            raise not_found(f"pin {pin_id}")
        return found

    async def _story(self, pin_id: int) -> PinStory:
        pin, attempts = await self._store.story(pin_id)
        fields = {name: getattr(pin, name) for name in PinFacts.__struct_fields__}
        carousel = None if pin.carousel is None else msgspec.json.decode(pin.carousel, type=tuple[CarouselEntry, ...])
        return PinStory(**fields, carousel=carousel, attempts=tuple(attempts))


def _looking(which: WhichMedia, look: LookAtMedia) -> Look:
    return partial(insist_on_media, which=which, look=look)


def _unknown_profile(name: str) -> FieldProblem:
    return FieldProblem("profile", f"there is no profile {name[:200]}")


def _refused(pin: BulkPin, errors: Sequence[FieldProblem]) -> BulkResult:
    return BulkResult(client_ref=pin.client_ref, status=HTTPStatus.UNPROCESSABLE_ENTITY, errors=tuple(errors))


def _as_json(entries: object) -> str | None:
    return None if entries is None else msgspec.json.encode(entries).decode()
