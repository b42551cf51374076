"""The state of the whole collector: what comes in, the loops of this process, and whether it can do its work."""

from http import HTTPStatus

import msgspec
from aiohttp import hdrs

from collector import __version__
from collector.api.route import Answer, route
from collector.api.services import Services
from collector.fleet.status import Status, gather_status
from collector.loops.every import LoopState
from collector.loops.recent import Recent

_STATUS_SECONDS = 5.0


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
        self._status = Recent(self._gather, seconds=_STATUS_SECONDS)

    @route(hdrs.METH_GET, "/status", for_clients=False)
    async def show_status(self) -> Status:
        """Show profiles by state, freshness, polls, pins, the database, and what troubles which profile.

        It is the same for whoever asks within five seconds. What is counted over all days of the fleet is older:
        `counted_at` says how old.
        """
        return await self._status.get()

    async def _gather(self) -> Status:
        services = self._services
        return await gather_status(services.database, services.where, count_days=False, states=services.states)

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
