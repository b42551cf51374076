"""The numbers of a profile's account over time: followers, and every other counter."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import hdrs

from collector.access import Visitor
from collector.api.route import CsvStream, route
from collector.api.scope import DaysQuery, IdPath, visible_profile
from collector.api.serve import Form
from collector.api.services import Services
from collector.history.counters import counter_table
from collector.store.counter import CounterDay, CounterStore
from collector.store.profile import ProfileStore
from collector.table.line import csv_rows


class AccountQuery(DaysQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which days, and how they are written."""

    format: Form | None = None


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The account's numbers by day (UTC), each the last of its day; a day without an answer is left out."""

    profile: str
    client: str
    days: list[CounterDay]


class AccountNumbers:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._profiles = ProfileStore(services.database)
        self._counters = CounterStore(services.database)

    @route(
        hdrs.METH_GET,
        "/profiles/{id}/account",
        media_types=("application/json", "text/csv"),
        problems={HTTPStatus.NOT_FOUND: "there is no such profile, or none that the token may see"},
    )
    async def show_account(
        self, visitor: Visitor, path: IdPath, query: AccountQuery, form: Form
    ) -> AccountAnswer | CsvStream:
        """Show the followers of a profile's account over time, and every other counter that Ayrshare tells.

        Unless they are given, `to` is today and `from` 89 days before it. CSV has a column for each counter.
        """
        profile = await visible_profile(self._profiles, visitor, path.id)
        first, last = query.days()
        found = await self._counters.days(profile.id, first, last)
        if form is Form.CSV:
            return CsvStream(_lines(found), f"account-{first}-{last}.csv")
        return AccountAnswer(profile=profile.name, client=profile.client, days=found)


async def _lines(days: Sequence[CounterDay]) -> AsyncIterator[bytes]:
    titles, lines = counter_table(days)
    yield csv_rows([titles, *lines])
