"""The console: which pages there are, and for whom."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from collector.access import VISITOR, for_each_client
from collector.console.assets import ASSETS, asset
from collector.console.calendar import CalendarPage
from collector.console.client import ClientPage
from collector.console.drops import DropsPage
from collector.console.elsewhere import Elsewhere
from collector.console.fleet import FleetPage
from collector.console.operations import OperationsPage
from collector.console.overview import OverviewKeeper
from collector.console.page import OUTAGE
from collector.console.pin_form import PinForm
from collector.console.pin_import import PinImport
from collector.console.pins import CALENDAR, PinsPage
from collector.console.profile import ProfilePage
from collector.console.query import ID
from collector.console.render import client_url, render
from collector.loops.every import Heartbeats
from collector.loops.recent import Recent
from collector.store.pool import Database

_PULSE_SECONDS = 1.0


class Console:
    """The handlers.

    ``keeper`` has the fleet's sums; ``elsewhere`` asks others than the database; ``problems`` tells what keeps this
    process from its work; ``where`` names the place of the data.
    """

    def __init__(
        self,
        database: Database,
        keeper: OverviewKeeper,
        elsewhere: Elsewhere,
        problems: Callable[[], Awaitable[list[str]]],
        heartbeats: Heartbeats,
        *,
        where: str,
    ) -> None:
        # Every open page asks for it all the time.
        self._problems = Recent(problems, seconds=_PULSE_SECONDS)
        self._outage = heartbeats.outage
        self._operations = OperationsPage(database, where, problems, heartbeats)
        self._drops = DropsPage(database)
        self._pins = PinsPage(database, elsewhere.check_pins)
        self._pin_form = PinForm(database, elsewhere)
        self._pin_import = PinImport(database, elsewhere.look_at_media)
        self._calendar = CalendarPage(database)
        self._fleet = FleetPage(database, keeper)
        self._client = ClientPage(database)
        self._profile = ProfilePage(database)

    def add_to(self, app: web.Application) -> None:
        """Add the pages to an application."""
        app[OUTAGE] = self._outage
        app.add_routes(
            [
                web.get("/", self.start),
                web.get("/pulse", self.pulse),
                web.get("/client", self.client),
                web.get("/drops", self.drops),
                web.post(rf"/drops/{ID}/{{action:dismiss|restore}}", self.say_of_drop),
                web.get("/operations", self.operations),
                web.get("/pins", self.pins),
                *self._pin_form.routes(),
                *self._pin_import.routes(),
                web.get(CALENDAR, self.calendar),
                web.get(rf"/pins/{ID}", self.pin),
                web.post(rf"/pins/{ID}/move", self.move_pin),
                web.post(rf"/pins/{ID}/cancel", self.cancel_pin),
                web.post(rf"/pins/{ID}/retry", self.retry_pin),
                web.get(rf"/profiles/{ID}", self.profile),
                web.get(rf"/profiles/{ID}/days/{{day}}", self.day),
                web.post(rf"/profiles/{ID}/{{action:pause|resume|accept}}", self.act),
                *(web.get(each.path, asset) for each in ASSETS.values()),
            ]
        )

    @for_each_client
    async def start(self, request: web.Request) -> web.StreamResponse:
        """Show the fleet; a client's visitor starts at the client."""
        if (client := request[VISITOR].client) is not None:
            raise web.HTTPSeeOther(client_url(client))
        return await self._fleet.answer(request)

    @for_each_client
    async def pulse(self, request: web.Request) -> web.Response:
        """Show in the frame of every page whether this process can do its work."""
        return render(request, "pulse.html", {"problems": await self._problems.get()})

    @for_each_client
    async def client(self, request: web.Request) -> web.Response:
        return await self._client.answer(request)

    @for_each_client
    async def profile(self, request: web.Request) -> web.Response:
        return await self._profile.answer(request)

    @for_each_client
    async def day(self, request: web.Request) -> web.Response:
        return await self._profile.day(request)

    @for_each_client
    async def act(self, request: web.Request) -> web.Response:
        return await self._profile.act(request)

    @for_each_client
    async def drops(self, request: web.Request) -> web.Response:
        return await self._drops.answer(request)

    @for_each_client
    async def say_of_drop(self, request: web.Request) -> web.Response:
        return await self._drops.act(request)

    @for_each_client
    async def pins(self, request: web.Request) -> web.Response:
        return await self._pins.answer(request)

    @for_each_client
    async def pin(self, request: web.Request) -> web.Response:
        return await self._pins.one(request)

    @for_each_client
    async def calendar(self, request: web.Request) -> web.Response:
        return await self._calendar.answer(request)

    @for_each_client
    async def move_pin(self, request: web.Request) -> web.Response:
        return await self._pins.move(request)

    @for_each_client
    async def cancel_pin(self, request: web.Request) -> web.Response:
        return await self._pins.cancel(request)

    @for_each_client
    async def retry_pin(self, request: web.Request) -> web.Response:
        return await self._pins.retry(request)

    async def operations(self, request: web.Request) -> web.Response:
        return await self._operations.answer(request)
