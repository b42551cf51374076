"""Metrics over time, as JSON or, of any length, as CSV."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs
from msgspec import Meta

from collector.access import Visitor
from collector.api.problem import FieldProblem, invalid
from collector.api.route import CsvStream, route
from collector.api.scope import DaysQuery, Text, bound, known_subject
from collector.api.serve import Form
from collector.api.services import Services
from collector.store.series import Granularity, Period, SeriesStore, Span, Subject
from collector.table.line import csv_lines

MOST_ROWS: Final = 10_000
# So many structs hold up the event loop for some milliseconds.
_ROWS_AT_ONCE = 5000
_ALL: Final = 2**31 - 1


class MetricsQuery(DaysQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose metrics, of which days, and how they are summed."""

    profile: Text | None = None
    client: Text | None = None
    granularity: Granularity = Granularity.DAY
    settled: Annotated[bool, Meta(description="Leave provisional days out.")] = False
    as_of: Annotated[datetime, Meta(tz=True, description="As the numbers were known then.")] | None = None
    each_profile: Annotated[bool, Meta(description="A series for each profile of the client.")] = False
    format: Form | None = None


class MetricsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A series; ``settled_through`` is the newest settled day, of a client that of its active profiles."""

    profile: str | None
    client: str | None
    granularity: Granularity
    settled_through: date | None
    periods: list[Period]


class MetricsOfAll:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._store = SeriesStore(services.database)

    @route(
        hdrs.METH_GET,
        "/metrics",
        media_types=("application/json", "text/csv"),
        problems={HTTPStatus.NOT_FOUND: "there is no such profile or client, or none that the token may see"},
    )
    async def show_metrics(self, visitor: Visitor, query: MetricsQuery, form: Form) -> MetricsAnswer | CsvStream:
        """Show the metrics of a profile or of a client.

        Name one of the two; a token of one client may leave both out. Unless they are given, `to` is today and `from`
        89 days before it. JSON holds at most 10,000 periods, CSV any number of them.
        """
        span = _span(query)
        subject, client = await self._subject(visitor, query)
        through = None if query.profile is not None or query.each_profile else subject.settled_through
        if form is Form.CSV:
            return CsvStream(self._csv(subject, through, span), f"metrics-{span.first_day}-{span.last_day}.csv")
        periods = await self._store.read(subject.profile_ids, through, span, MOST_ROWS + 1)
        if len(periods) > MOST_ROWS:
            message = f"these are more than {MOST_ROWS} periods; ask for fewer days, or for format=csv"
            raise invalid([FieldProblem("from", message)])
        return MetricsAnswer(
            profile=query.profile,
            client=client,
            granularity=query.granularity,
            settled_through=subject.settled_through,
            periods=periods,
        )

    async def _subject(self, visitor: Visitor, query: MetricsQuery) -> tuple[Subject, str | None]:
        client = bound(visitor, query.client)
        if query.profile is not None:
            if query.client is not None:
                raise invalid([FieldProblem("client", "name a profile or a client, not both")])
            return await known_subject(self._store, client=client, profile=query.profile), None
        if client is None:
            raise invalid([FieldProblem(name, "name a profile or a client") for name in ("profile", "client")])
        return await known_subject(self._store, client=client, profile=None), client

    async def _csv(self, subject: Subject, through: date | None, span: Span) -> AsyncIterator[bytes]:
        """Yield lines; of many profiles some at a time, so that no connection is held while the reader is slow."""
        days = (span.last_day - span.first_day).days + 1
        step = max(1, _ROWS_AT_ONCE // days) if span.each_profile else len(subject.profile_ids)
        head = True
        for start in range(0, len(subject.profile_ids), step):
            ids = subject.profile_ids[start : start + step]
            yield csv_lines(Period, await self._store.read(ids, through, span, _ALL), head=head)
            head = False


def _span(query: MetricsQuery) -> Span:
    first, last = query.days()
    return Span(
        first_day=first,
        last_day=last,
        granularity=query.granularity,
        settled_only=query.settled,
        as_of=query.as_of,
        each_profile=query.each_profile,
    )
