"""The console: which pages there are, and for whom."""

from collections.abc import Awaitable, Callable
from pathlib import Path

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
from collector.console.report import ReportPage
from collector.loops.every import Heartbeats
from collector.loops.recent import Recent
from collector.store.pool import Database

_PULSE_SECONDS = 1.0


class Console:
    """The handlers.

    ``keeper`` has the fleet's sums; ``elsewhere`` asks others than the database; ``problems`` tells what keeps this
    process from its work; ``where`` names the place of the data, ``report_file`` the looks of reports.
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
        report_file: Path | None = None,
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
        self._client = ClientPage(database, keeper)
        self._report = ReportPage(database, report_file, elsewhere.pictures_of)
        self._profile = ProfilePage(database)

    def add_to(self, app: web.Application) -> None:
        """Add the pages to an application."""
        app[OUTAGE] = self._outage
        app.add_routes(
            [
                web.get("/", self.start),
                web.get("/pulse", self.pulse),
                web.get("/client", self._client.answer),
                web.get("/client/report", self._report.answer),
                web.get("/drops", self._drops.answer),
                web.post(rf"/drops/{ID}/{{action:dismiss|restore}}", self._drops.act),
                web.get("/operations", self._operations.answer),
                web.get("/pins", self._pins.answer),
                *self._pin_form.routes(),
                *self._pin_import.routes(),
                web.get(CALENDAR, self._calendar.answer),
                web.get(rf"/pins/{ID}", self._pins.one),
                web.post(rf"/pins/{ID}/move", self._pins.move),
                web.post(rf"/pins/{ID}/cancel", self._pins.cancel),
                web.post(rf"/pins/{ID}/retry", self._pins.retry),
                web.get(rf"/profiles/{ID}", self._profile.answer),
                web.get(rf"/profiles/{ID}/days/{{day}}", self._profile.day),
                web.post(rf"/profiles/{ID}/{{action:pause|resume|accept}}", self._profile.act),
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
