"""The page on which a table of pins is uploaded, looked at line by line, and queued when somebody confirms it.

What was uploaded waits in the database, so that what is queued is what was shown, whichever process is asked.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from collector.access import VISITOR, Visitor, for_each_client
from collector.console.page import answer, insist_on_rights
from collector.console.query import posted
from collector.console.render import render
from collector.console.upload_form import Form, read_form
from collector.console.words import PLANNED, Word, counted
from collector.console.zone import is_zone_known, own_zone, zone_of
from collector.errors import BadLinesError
from collector.models.pin import NewPin
from collector.models.plan import Action, Planned
from collector.publish.media import LookAtMedia, WhichMedia, findings, to_look_at
from collector.publish.table import COLUMNS, scan_pins
from collector.store.pin_import import Hints, PinImporter
from collector.store.pin_upload import NewUpload, Upload, UploadStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.table.apart import read_apart
from collector.table.moment import DateFormat, MomentHints, Moments, zone_named
from collector.table.plan import counts, details, whole_plan
from collector.table.scan import Scanned
from collector.table.sheet import Sheet, is_workbook, read_sheet

_PATH: Final = "/pins/import"
_UPLOAD: Final = "{upload:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}}"
_ALL = "all"
_MOST_SHOWN = 300
_MOST_PINS = 10_000
_GONE = (
    "this table is not here any more: the newest twenty are kept, for a day; what was confirmed of it is in the queue, "
    "and you can upload it again: no pin is queued twice"
)
_OF_TIMES = MomentHints(
    zone=", or choose the zone of times that name none",
    forms=dict.fromkeys((DateFormat.GERMAN, DateFormat.US), ", or choose how days are written"),
)
_HINTS = Hints(
    past="; tick that times may be past to queue it all the same",
    replace="; tick that pins may be changed to change it",
)


class Found(msgspec.Struct, frozen=True):
    """What was found of images: the lines that are refused for them, and what could not be known."""

    bad: list[tuple[int, str]]
    unknown: list[str]


class Line(msgspec.Struct, frozen=True):
    """A line of the table; ``at`` is when its pin would be due, None where it is refused or due at once."""

    number: int
    planned: Planned
    at: datetime | None

    @property
    def word(self) -> Word:
        return PLANNED[self.planned.action]

    @property
    def details(self) -> str:
        return details(self.planned)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done with an upload, or what was; ``digest`` names what is shown of it."""

    upload: Upload
    lines: list[Line]
    counts: Counter[Action]
    shown: Action | None
    unknown: list[str]
    digest: str
    zone: str

    @property
    def rows(self) -> list[Line]:
        return [each for each in self.lines if self.shown in {None, each.planned.action}][:_MOST_SHOWN]

    @property
    def hidden(self) -> int:
        """How many lines of the kind that is shown are not."""
        return (self.counts.total() if self.shown is None else self.counts[self.shown]) - len(self.rows)

    @property
    def tabs(self) -> list[tuple[str, str]]:
        """Return which lines can be shown; those come first that are shown first."""
        found = [(_ALL, f"All {self.counts.total():,}")]
        found += [(each.value, f"{PLANNED[each].name} {self.counts[each]:,}") for each in Action if self.counts[each]]
        return found[-1:] + found[:-1] if self.counts[Action.REFUSED] else found

    @property
    def work(self) -> str:
        """Say what confirming does; nothing where it does nothing."""
        added, changed = self.counts[Action.ADDED], self.counts[Action.CHANGED]
        parts = [f"queue {counted(added, 'pin')}"] if added else []
        parts += [f"change {counted(changed, 'pin')}"] if changed else []
        return "" if self.counts[Action.REFUSED] else " and ".join(parts)


class PinImport:
    """Takes tables of those who may change things; a client's visitor imports for its profiles alone."""

    def __init__(self, database: Database, look: LookAtMedia) -> None:
        self._importer = PinImporter(database)
        self._profiles = ProfileStore(database)
        self._uploads = UploadStore(database)
        self._look = look
        # Each takes the memory of its table.
        self._at_once = asyncio.Semaphore(2)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.form),
            web.post(_PATH, self.upload),
            web.get(f"{_PATH}/{_UPLOAD}", self.plan),
            web.post(f"{_PATH}/{_UPLOAD}", self.confirm),
        ]

    @for_each_client
    async def form(self, request: web.Request) -> web.Response:
        """Ask for a table."""
        insist_on_rights(request)
        return _form(request)

    @for_each_client
    async def upload(self, request: web.Request) -> web.Response:
        """Keep a table, and go to what would be done with it; say what is wrong where it is none."""
        form = await read_form(request)
        visitor = request[VISITOR]
        async with self._at_once:
            try:
                table = await self._scan(form.data, form.time_zone, form.date_format, visitor)
            except BadLinesError as error:
                return _form(request, error.lines, form)
            upload_id = await self._uploads.add(
                NewUpload(
                    client=visitor.client,
                    file_name=form.file_name,
                    data=form.data,
                    time_zone=form.time_zone,
                    date_format=form.date_format,
                    replaces=form.replaces,
                    past=form.past,
                    media=msgspec.json.encode(await self._look_at_carousels(table.rows)).decode(),
                )
            )
        raise web.HTTPSeeOther(f"{_PATH}/{upload_id}")

    @for_each_client
    async def plan(self, request: web.Request) -> web.Response:
        """Show what would be done with each line, or what was done."""
        insist_on_rights(request)
        upload = await self._require(request)
        load = partial(self._plan, request, upload)
        changed = "changed" in request.query
        return await answer(request, "import", {"plan": load}, section="pins", name=upload.file_name, changed=changed)

    @for_each_client
    async def confirm(self, request: web.Request) -> web.Response:
        """Queue what was shown; if the queue has changed since, show that first."""
        upload = await self._require(request)
        where = f"{_PATH}/{upload.id}"
        if upload.done_at is not None:
            raise web.HTTPSeeOther(where)
        async with self._at_once:
            table, plan = await self._planned(upload, request[VISITOR])
            if (await posted(request)).get("digest") != _digest(plan):
                raise web.HTTPSeeOther(f"{where}?changed=1")
            try:
                done = await self._importer.enqueue_all(
                    table.rows, bad=table.bad, past=upload.past, replace=upload.replaces, hints=_HINTS
                )
            except BadLinesError:
                raise web.HTTPSeeOther(f"{where}?changed=1") from None
            await self._uploads.finish(upload.id, done, lines=len(table.rows))
        raise web.HTTPSeeOther(where)

    async def _require(self, request: web.Request) -> Upload:
        found = await self._uploads.find(request.match_info["upload"], request[VISITOR].client)
        if found is None:
            raise web.HTTPNotFound(text=_GONE)
        return found

    async def _plan(self, request: web.Request, upload: Upload) -> Plan:
        zone = zone_of(request)
        lines: list[Line] = []
        plan: list[tuple[int, Planned]] = []
        if upload.done_at is None:
            async with self._at_once:
                table, plan = await self._planned(upload, request[VISITOR])
            due = {line: pin.publish_at for line, pin in table.rows if pin.publish_at is not None}
            for line, each in plan:
                at = due.get(line) if each.action is not Action.REFUSED else None
                lines.append(Line(line, each, at.astimezone(zone) if at is not None else None))
        found = counts(plan)
        asked = request.query.get("what", Action.REFUSED if found[Action.REFUSED] else _ALL)
        return Plan(
            upload=upload,
            lines=lines,
            counts=found,
            shown=Action(asked) if asked in set(Action) else None,
            unknown=_found(upload).unknown,
            digest=_digest(plan),
            zone=zone.key,
        )

    async def _planned(self, upload: Upload, visitor: Visitor) -> tuple[Scanned[NewPin], list[tuple[int, Planned]]]:
        """Return the table with all that is known to be wrong, and what would be done with its lines."""
        table = await self._scan(upload.data, upload.time_zone, DateFormat(upload.date_format), visitor)
        table.bad.extend(_found(upload).bad)
        lines = await self._importer.plan(table.rows, past=upload.past, replace=upload.replaces, hints=_HINTS)
        return table, whole_plan(lines, table.bad)

    async def _scan(self, data: bytes, zone: str, form: DateFormat, visitor: Visitor) -> Scanned[NewPin]:
        """Read a table beside the event loop. Raises ``BadLinesError`` for what is none, or has too many pins."""
        moments = Moments(zone_named(zone) if zone else None, form, _OF_TIMES)
        sheet = await read_apart(data) if is_workbook(data) else None
        return await self._visible(await asyncio.to_thread(_scanned, sheet or data, moments), visitor)

    async def _visible(self, table: Scanned[NewPin], visitor: Visitor) -> Scanned[NewPin]:
        """Refuse the pins of profiles that a client's visitor has not, as those of profiles that there are not."""
        if visitor.client is None:
            return table
        known = await self._profiles.known({pin.profile for _, pin in table.rows})
        names = {each.name for each in known if visitor.may_see(each.client)}
        foreign = [
            (line, f"no such profile: {pin.profile[:80]}") for line, pin in table.rows if pin.profile not in names
        ]
        return Scanned([each for each in table.rows if each[1].profile in names], [*table.bad, *foreign])

    async def _look_at_carousels(self, rows: Sequence[tuple[int, NewPin]]) -> Found:
        urls = [url for _, pin in rows for url in to_look_at(pin.content, WhichMedia.CAROUSELS)]
        seen = await self._look(urls) if urls else {}
        found = [(line, *findings(pin.content, seen)) for line, pin in rows]
        bad = [(line, "; ".join(problems)) for line, problems, _ in found if problems]
        return Found(bad, list(dict.fromkeys(each for _, _, unknown in found for each in unknown)))


def _scanned(source: bytes | Sheet, moments: Moments) -> Scanned[NewPin]:
    """Read a table. Raises ``BadLinesError`` before more lines are looked at, right or wrong, than are taken."""
    sheet = source if isinstance(source, Sheet) else read_sheet(source, COLUMNS.all, COLUMNS.longest_cell)
    lines = sum(map(any, (record for _, record in sheet.records))) - 1
    if lines > _MOST_PINS:
        reason = f"the table has {lines:,} lines; {_MOST_PINS:,} at most are taken here at once"
        raise BadLinesError([(1, f"{reason}; `collector pins import` takes any number")])
    return scan_pins(sheet, moments)


def _found(upload: Upload) -> Found:
    return msgspec.json.decode(upload.media, type=Found)


def _digest(plan: Sequence[tuple[int, Planned]]) -> str:
    return hashlib.blake2b(msgspec.json.encode(plan), digest_size=16).hexdigest()


def _form(request: web.Request, wrong: Sequence[tuple[int, str]] = (), form: Form | None = None) -> web.Response:
    zone = form.time_zone if form is not None else own_zone(request).key if is_zone_known(request) else ""
    values = {
        "section": "pins",
        "wrong": wrong,
        "form": form,
        "time_zone": zone,
        "most_pins": _MOST_PINS,
    }
    return render(request, "import/form.html", values, status=422 if wrong else 200)
