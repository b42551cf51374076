"""Days that are not there, and why."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import hdrs

from collector.access import Visitor
from collector.api.problem import FieldProblem, invalid
from collector.api.route import CsvStream, route
from collector.api.scope import Text, bound, known_subject
from collector.api.serve import Form
from collector.api.services import Services
from collector.history.gaps import find_gaps
from collector.models.gap import Gap
from collector.store.gap import GapStore
from collector.store.series import SeriesStore
from collector.table.line import csv_lines


class GapsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose days."""

    client: Text | None = None
    profile: Text | None = None
    format: Form | None = None


class GapsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """First what can still come, the most urgent first; then what is lost."""

    gaps: list[Gap]


class Gaps:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._store = GapStore(services.database)
        self._subjects = SeriesStore(services.database)

    @route(
        hdrs.METH_GET,
        "/gaps",
        media_types=("application/json", "text/csv"),
        problems={HTTPStatus.NOT_FOUND: "there is no such profile or client, or none that the token may see"},
    )
    async def list_gaps(self, visitor: Visitor, query: GapsQuery, form: Form) -> GapsAnswer | CsvStream:
        """List the days that are missing, each run of days of a profile with whose fault it is and why.

        Name a client or a profile; a token of one client may leave both out.
        """
        client = bound(visitor, query.client)
        if client is None and query.profile is None:
            raise invalid([FieldProblem(name, "name a profile or a client") for name in ("profile", "client")])
        await known_subject(self._subjects, client=client, profile=query.profile)
        found = await find_gaps(self._store, client=client, profile=query.profile)
        return CsvStream(_lines(found), "gaps.csv") if form is Form.CSV else GapsAnswer(gaps=found)


async def _lines(gaps: Sequence[Gap]) -> AsyncIterator[bytes]:
    yield csv_lines(Gap, gaps)
