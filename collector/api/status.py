"""The state of the whole collector: what comes in, the loops of this process, and whether it can do its work."""

from http import HTTPStatus

import msgspec
from aiohttp import hdrs

from collector import __version__
from collector.api.route import Answer, route
from collector.api.services import Services
from collector.export.status import Status, gather_status
from collector.loops.every import LoopState


class Loops(msgspec.Struct, frozen=True, kw_only=True):
    """The loops of the process that answers; every replica has its own."""

    version: str
    loops: list[LoopState]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process can do its work, and what keeps it from it."""

    ready: bool
    problems: list[str]


class Operations:
    """The resources."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @route(hdrs.METH_GET, "/status", for_clients=False)
    async def show_status(self) -> Status:
        """Show profiles by state, freshness, polls, pins, the database, and what troubles which profile."""
        return await gather_status(self._services.database, self._services.where, count_days=False)

    @route(hdrs.METH_GET, "/loops", for_clients=False)
    async def show_loops(self) -> Loops:
        """Show the loops of the process that answers."""
        return Loops(version=__version__, loops=self._services.heartbeats.states())

    @route(
        hdrs.METH_GET,
        "/readiness",
        for_clients=False,
        success={HTTPStatus.OK: "it can", HTTPStatus.SERVICE_UNAVAILABLE: "it cannot, and these are the problems"},
    )
    async def show_readiness(self) -> Answer[Readiness]:
        """Tell whether the process that answers can do its work, as `/readyz` does."""
        problems = await self._services.problems()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return Answer(value=Readiness(ready=not problems, problems=problems), status=status)
