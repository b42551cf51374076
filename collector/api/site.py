"""All of the API: its routes, its document, and the page that shows it."""

from typing import Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from collector.access import for_each_client
from collector.api.account import AccountNumbers
from collector.api.clients import Clients
from collector.api.docs_page import CONTENT_SECURITY_POLICY, docs_page
from collector.api.document import document
from collector.api.drops import Drops
from collector.api.gaps import Gaps
from collector.api.metrics import MetricsOfAll
from collector.api.pins import Pins
from collector.api.problem import problems
from collector.api.profiles import Profiles
from collector.api.results import Results
from collector.api.route import Route, routes_of
from collector.api.serve import PREFIX, handler_of
from collector.api.services import Services
from collector.api.status import Operations

RESOURCES: Final = (Profiles, AccountNumbers, Clients, MetricsOfAll, Gaps, Drops, Pins, Results, Operations)


class Api:
    """The routes under `PREFIX`."""

    def __init__(self, services: Services) -> None:
        self.routes: list[Route] = routes_of([resource(services) for resource in RESOURCES])
        self.document = document(self.routes)

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.add_routes(web.route(route.method, PREFIX + route.path, handler_of(route)) for route in self._with_head())
        app.add_routes([web.get(f"{PREFIX}/openapi.json", self._openapi), web.get(f"{PREFIX}/docs", self._docs)])

    def _with_head(self) -> list[Route]:
        heads = [msgspec.structs.replace(route, method=hdrs.METH_HEAD) for route in self.routes if route.reads]
        return [*self.routes, *heads]

    @for_each_client
    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.document), content_type="application/json")

    @for_each_client
    async def _docs(self, _request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(text=docs_page(self.document), content_type="text/html", headers=headers)


def as_problems() -> Middleware:
    """Return what turns errors under `PREFIX` into problem details, those of the door too."""
    return problems(f"{PREFIX}/")
