"""The calendar of pins: a day, a week or a month in the viewer's time zone; and moving a pin to another day of it."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from collector.access import VISITOR, for_each_client
from collector.console.page import answer
from collector.console.query import text_of
from collector.console.words import PIN_STATES, Word
from collector.console.zone import FIRST_DAY, LAST_DAY, days_from, own_zone, plannable_day, start_of, zone_of
from collector.models.pin import PinState
from collector.store.calendar import CalendarStore, DueFilter, DuePin
from collector.store.pool import Database

_WEEK = 7


class View(StrEnum):
    """How much of the calendar is shown."""

    WEEK = "week"
    MONTH = "month"
    DAY = "day"


# Pins of a day that are shown; the rest is on the page of the day.
_MOST: Final = {View.WEEK: 25, View.MONTH: 4, View.DAY: 500}


class Card(msgspec.Struct, frozen=True):
    """A pin, and what the clocks of the viewer show when it is due."""

    pin: DuePin
    at: datetime

    @property
    def word(self) -> Word:
        return PIN_STATES[self.pin.state]

    @property
    def can_be_moved(self) -> bool:
        return self.pin.state is PinState.QUEUED


class Day(msgspec.Struct, frozen=True):
    """A day and the first of its pins; ``pins`` counts them all."""

    date: date
    pins: int
    cards: list[Card]

    @property
    def more(self) -> int:
        return self.pins - len(self.cards)


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Days as they are shown; ``first`` is the day, or the first one of the week or month, that was asked for."""

    view: View
    first: date
    today: date
    zone: str
    own_zone: str
    client: str
    state: str
    text: str
    days: list[Day]

    @property
    def title(self) -> str:
        match self.view:
            case View.MONTH:
                return f"{self.first:%B %Y}"
            case View.DAY:
                return f"{self.first:%A} {self.first.day} {self.first:%B %Y}"
            case View.WEEK:
                last = self.days[-1].date
                year = f" {self.first:%Y}" if last.year != self.first.year else ""
                month = f" {self.first:%b}" if last.month != self.first.month else ""
                return f"{self.first.day}{month}{year} to {last.day} {last:%b %Y}"

    @property
    def pins(self) -> int:
        return sum(day.pins for day in self.days)

    @property
    def before(self) -> date:
        return max(FIRST_DAY, _first(self.first - timedelta(days=1), self.view))

    @property
    def after(self) -> date:
        length = {View.DAY: 1, View.WEEK: _WEEK, View.MONTH: 31}[self.view]
        return _first(min(LAST_DAY, self.first + timedelta(days=length)), self.view)

    @property
    def is_filtered(self) -> bool:
        return bool(self.client or self.state or self.text)

    @property
    def states(self) -> list[tuple[str, Word]]:
        return list(PIN_STATES.items())

    def is_outside(self, day: date) -> bool:
        return self.view is View.MONTH and day.month != self.first.month


class CalendarPage:
    """Answers with the pins of a client, or of all for those who may see all."""

    def __init__(self, database: Database) -> None:
        self._store = CalendarStore(database)

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show the days that the query asks for: ``view``, ``from``, ``zone``, ``q``, ``state`` and ``client``."""
        return await answer(request, "calendar", {"calendar": partial(self._calendar, request)}, section="pins")

    async def _calendar(self, request: web.Request) -> Calendar:
        zone = zone_of(request)
        today = datetime.now(zone).date()
        asked = request.query.get("view", "")
        view = View(asked) if asked in set(View) else View.WEEK
        first = _first(_day_of(request, today), view)
        state = request.query.get("state", "")
        client = request[VISITOR].client or text_of(request, "client")
        wanted = DueFilter(
            client=client or None,
            state=PinState(state) if state in set(PinState) else None,
            text=text_of(request, "q") or None,
        )
        days = _days(first, view)
        bounds = [start_of(day, zone) for day in [*days, days[-1] + timedelta(days=1)]]
        found = await self._store.due(bounds, wanted, _MOST[view])
        return Calendar(
            view=view,
            first=first,
            today=today,
            zone=zone.key,
            own_zone=own_zone(request).key,
            client="" if request[VISITOR].client else client,
            state=wanted.state or "",
            text=wanted.text or "",
            days=_filled(days, found, zone),
        )


def _day_of(request: web.Request, today: date) -> date:
    try:
        return plannable_day(request.query.get("from", ""))
    except ValueError:
        return today


def _first(day: date, view: View) -> date:
    match view:
        case View.DAY:
            return day
        case View.WEEK:
            return day - timedelta(days=day.weekday())
        case View.MONTH:
            return day.replace(day=1)


def _days(first: date, view: View) -> list[date]:
    """Return the days that are shown: of a month all that its weeks have."""
    match view:
        case View.DAY:
            return [first]
        case View.WEEK:
            return days_from(first, _WEEK)
        case View.MONTH:
            monday = _first(first, View.WEEK)
            last = _first(first + timedelta(days=31), View.MONTH) - timedelta(days=1)
            weeks = (last - monday).days // _WEEK + 1
            return days_from(monday, weeks * _WEEK)


def _filled(days: list[date], found: list[DuePin], zone: ZoneInfo) -> list[Day]:
    counts = {pin.place: pin.pins for pin in found}
    cards: dict[int, list[Card]] = {}
    for pin in found:
        cards.setdefault(pin.place, []).append(Card(pin, pin.publish_at.astimezone(zone)))
    return [Day(day, counts.get(place, 0), cards.get(place, [])) for place, day in enumerate(days, start=1)]
