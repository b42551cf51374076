"""The form of a pin: queues one, changes one that waits, and looks at its images before."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from http import HTTPStatus

import msgspec
from aiohttp import web

from collector.access import VISITOR, Visitor, for_each_client
from collector.console.draft import LIMITS, Draft, copy_of, draft_of, empty_draft, new_ref, typed, unchanged_time
from collector.console.elsewhere import Elsewhere
from collector.console.page import away, insist_on_rights
from collector.console.pins import visible_pin
from collector.console.query import ID, posted, text_of
from collector.console.render import render
from collector.console.words import PIN_FIELDS, of_pin
from collector.console.zone import is_zone_known, plannable_day, zone_of
from collector.errors import CollectorError, DatabaseUnavailableError, PinConflictError, PinError
from collector.models.pin import Override, PinContent, PinProblem, PinState
from collector.publish.boards import Boards
from collector.publish.media import Media, WhichMedia, findings, insist_on_media, to_look_at
from collector.publish.operator import PinOperator
from collector.store.listing import ProfileFilter, ProfileSort
from collector.store.paging import Paging, Wish
from collector.store.pin import PinDetails, PinStore
from collector.store.pin_check import CheckStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore

NEW = "/pins/new"
_MOST_PROFILES = 20
# What helps, in the words of this form.
_HELP = {
    Override.PAST: "choose a later time, or none",
    Override.CHECK_MEDIA: "mend it, or tick the box below",
}


class Images(msgspec.Struct, frozen=True):
    """What was found where the images of a draft are; ``problems`` are those of all of them together."""

    looked: bool = False
    seen: tuple[Media, ...] = ()
    problems: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it is shown.

    ``pin`` is the one that it changes. ``reason`` says why what was asked was not done, ``errors`` are messages by
    field: ``media_urls[0]`` is that of the first row. ``may_insist`` tells that the images can be taken all the same,
    ``zone_is_guessed`` that the viewer's zone is not known, so that a script may choose it.
    """

    draft: Draft
    pin: PinDetails | None = None
    images: Images = Images()
    reason: str = ""
    errors: Mapping[str, list[str]] = {}
    may_insist: bool = False
    zone_is_guessed: bool = False

    @property
    def looks(self) -> dict[str, str]:
        """What has a field of an image look at all of them as soon as it is another one."""
        return {
            "hx-post": self.action,
            "hx-vals": '{"look": "1"}',
            "hx-trigger": "change",
            "hx-target": "#images",
            "hx-sync": "closest form:queue last",
            "inputmode": "url",
            "placeholder": "https://",
            "autocomplete": "off",
            "spellcheck": "false",
        }

    @property
    def action(self) -> str:
        return NEW if self.pin is None else f"/pins/{self.pin.id}/edit"

    @property
    def limits(self) -> dict[str, int]:
        return LIMITS


class PinForm:
    """Answers with the form, whole or in parts, and does what it asks for."""

    def __init__(self, database: Database, elsewhere: Elsewhere) -> None:
        self._store = PinStore(database)
        self._profiles = ProfileStore(database)
        self._paging = Paging(database)
        self._operator = PinOperator(self._store, CheckStore(database))
        self._elsewhere = elsewhere
        self._boards = Boards(elsewhere.boards_of)

    def routes(self) -> list[web.RouteDef]:
        one = rf"/pins/{ID}/edit"
        return [
            web.get(NEW, self.new),
            web.post(NEW, self.add),
            web.get(f"{NEW}/profiles", self.profiles),
            web.get(f"{NEW}/boards", self.boards),
            web.get(one, self.edit),
            web.post(one, self.change),
        ]

    @for_each_client
    async def new(self, request: web.Request) -> web.Response:
        """Show the form of a new pin, of the ``profile`` and for the ``day`` of the query, or ``like`` another pin."""
        insist_on_rights(request)
        try:
            draft = await self._first_draft(request)
        except DatabaseUnavailableError as error:
            return away(request, error)
        return _show(request, Shown(draft=draft, zone_is_guessed=not is_zone_known(request)))

    @for_each_client
    async def add(self, request: web.Request) -> web.Response:
        """Queue what was typed, and show the pin; or say beside each field what is wrong with it."""
        fields = await posted(request)
        shown = Shown(draft=typed(fields))
        if "look" in fields:
            return await self._look(request, shown)
        try:
            pin_id = await self._add(request[VISITOR], shown.draft)
        except PinConflictError as error:
            again = msgspec.structs.replace(shown.draft, made_ref=new_ref())
            return _refuse(request, msgspec.structs.replace(shown, draft=again), error)
        except (PinError, DatabaseUnavailableError) as error:
            return _refuse(request, shown, error)
        raise web.HTTPSeeOther(f"/pins/{pin_id}")

    @for_each_client
    async def edit(self, request: web.Request) -> web.Response:
        """Show the form that changes a queued pin. Raises ``HTTPConflict`` where it is not queued."""
        insist_on_rights(request)
        try:
            pin = await self._require(request)
        except DatabaseUnavailableError as error:
            return away(request, error)
        if pin.state is not PinState.QUEUED:
            raise web.HTTPConflict(text=f"pin {pin.id} is {pin.state.value}; only a queued one can be changed")
        return _show(request, Shown(draft=draft_of(pin, zone_of(request)), pin=pin))

    @for_each_client
    async def change(self, request: web.Request) -> web.Response:
        """Change a queued pin to what was typed, and show it; or say why that cannot be."""
        fields = await posted(request)
        pin = await self._require(request)
        shown = Shown(draft=typed(fields), pin=pin)
        if "look" in fields:
            return await self._look(request, shown)
        try:
            await self._change(pin, shown.draft)
        except (PinError, DatabaseUnavailableError) as error:
            return _refuse(request, shown, error)
        raise web.HTTPSeeOther(f"/pins/{pin.id}")

    @for_each_client
    async def profiles(self, request: web.Request) -> web.Response:
        """Suggest profiles whose name or client holds what was typed."""
        insist_on_rights(request)
        wanted = ProfileFilter(client=request[VISITOR].client, text=text_of(request, "profile") or None)
        found = await self._paging.profiles(wanted, ProfileSort.NAME, Wish(limit=_MOST_PROFILES))
        return render(request, "pin_form/profiles.html", {"profiles": found.rows})

    @for_each_client
    async def boards(self, request: web.Request) -> web.Response:
        """Show the field of the board, with the boards of the profile where Ayrshare tells them."""
        insist_on_rights(request)
        profile, chosen = text_of(request, "profile"), text_of(request, "board_id")
        values: dict[str, object] = {"boards": [], "chosen": chosen, "why": "", "errors": []}
        if profile and await self._is_visible(request[VISITOR], profile):
            try:
                values["boards"] = await self._boards.of(profile)
            except DatabaseUnavailableError:
                raise
            except CollectorError as error:
                values["why"] = str(error)
        return render(request, "pin_form/board.html", values)

    async def _first_draft(self, request: web.Request) -> Draft:
        zone, like = zone_of(request), text_of(request, "like")
        if like.isascii() and like.isdecimal():
            pin, _ = await visible_pin(self._store, request[VISITOR], int(like))
            return copy_of(pin, zone)
        return empty_draft(text_of(request, "profile"), _day(text_of(request, "day")), zone)

    async def _add(self, visitor: Visitor, draft: Draft) -> int:
        found: list[PinProblem] = []
        if not await self._is_visible(visitor, draft.profile):
            told = f"there is no profile {draft.profile[:80]}" if draft.profile else "choose a profile"
            found.append(PinProblem("profile", told))
        moment = None
        try:
            moment = draft.moment()
        except PinError as error:
            found += error.problems
        pin = draft.pin(moment)
        if found:
            raise PinError("", problems=found + await self._operator.problems(pin))
        queued = await self._operator.add(pin, look=partial(self._insist_on_images, draft=draft))
        if queued.differs and draft.client_ref:
            raise PinError("", problems=[PinProblem("client_ref", _is_taken(queued.id, queued.differs))])
        if queued.differs:
            raise PinConflictError(
                f"This form has queued pin {queued.id} already, with another {_named(queued.differs)}. To change "
                "that one, edit it; to queue this as one more pin, press the button again."
            )
        return queued.id

    async def _change(self, pin: PinDetails, draft: Draft) -> None:
        given = {name: value for name, value in msgspec.structs.asdict(draft.content).items() if name != "carousel"}
        moment = None if unchanged_time(draft, pin) else draft.moment() or datetime.now(UTC)
        look = partial(self._insist_on_images, draft=draft)
        await self._operator.edit(pin.id, given, moment, look=look, version=draft.version)

    async def _insist_on_images(self, content: PinContent, draft: Draft) -> None:
        which = WhichMedia.NONE if draft.as_they_are else WhichMedia.ALL
        await insist_on_media(content, which, self._elsewhere.look_at_media)

    async def _look(self, request: web.Request, shown: Shown) -> web.Response:
        """Show what is where the images are: in the part that a script asked for, else in the whole form."""
        content = shown.draft.content
        urls = to_look_at(content)
        seen = await self._elsewhere.look_at_media(urls) if urls else {}
        problems, _ = findings(content, seen)
        own = {f"{each.url}: {each.problem}" for each in seen.values()}
        images = Images(
            looked=True,
            seen=tuple(seen[url] for url in urls if url in seen),
            problems=tuple(each for each in problems if each not in own),
        )
        shown = msgspec.structs.replace(shown, images=images)
        if "HX-Request" in request.headers:
            return render(request, "pin_form/images.html", {"form": shown})
        return _show(request, shown)

    async def _is_visible(self, visitor: Visitor, name: str) -> bool:
        return any(visitor.may_see(each.client) for each in await self._profiles.known([name]))

    async def _require(self, request: web.Request) -> PinDetails:
        pin, _ = await visible_pin(self._store, request[VISITOR], int(request.match_info["id"]))
        return pin


def _day(text: str) -> date | None:
    try:
        return plannable_day(text)
    except ValueError:
        return None


def _is_taken(pin_id: int, differs: Iterable[str]) -> str:
    return f"pin {pin_id} of this profile has this reference already, and another {_named(differs)}"


def _named(fields: Iterable[str]) -> str:
    return ", ".join(PIN_FIELDS.get(each, each).lower() for each in fields)


def _show(request: web.Request, shown: Shown, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return render(request, "pin_form/page.html", {"section": "pins", "form": shown}, status=status)


def _refuse(request: web.Request, shown: Shown, error: CollectorError) -> web.Response:
    """Show the form as it was typed, with what is wrong."""
    problems = error.problems if isinstance(error, PinError) else ()
    errors: dict[str, list[str]] = {}
    for each in problems:
        help_with = f"; {_HELP[each.override]}" if each.override else ""
        # What is wrong with all rows is said at the first.
        field = f"{each.field}[0]" if each.field in {"media_urls", "alt_texts"} else each.field
        # What was found of an image begins with its address.
        message = each.message if each.override is Override.CHECK_MEDIA else of_pin(each.message)
        errors.setdefault(field, []).append(f"{message}{help_with}")
    may_insist = any(each.override is Override.CHECK_MEDIA for each in problems)
    match error:
        case DatabaseUnavailableError():
            status = HTTPStatus.SERVICE_UNAVAILABLE
            reason = "The database is away, and nothing was changed. Try again in a moment."
        case PinConflictError():
            status, reason = HTTPStatus.CONFLICT, str(error)
        case _:
            status, reason = HTTPStatus.UNPROCESSABLE_ENTITY, "" if errors else str(error)
    refused = msgspec.structs.replace(shown, reason=reason, errors=errors, may_insist=may_insist)
    return _show(request, refused, status)
