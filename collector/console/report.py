"""A client's month as a page to send: what `collector report` writes, shown."""

from datetime import date
from pathlib import Path

import msgspec
from aiohttp import hdrs, web

from collector.access import VISITOR, Visitor, for_each_client
from collector.console.page import away
from collector.console.query import text_of
from collector.errors import ConfigurationError, DatabaseUnavailableError
from collector.history.gaps import find_gaps
from collector.report.brand import Brand, load_brand
from collector.report.contents import Contents
from collector.report.gather import gather
from collector.report.language import Locale, language_of
from collector.report.month import Month, month_of, read_month
from collector.report.page import policy_of, render
from collector.report.pictures import PicturesOf
from collector.store.gap import GapStore
from collector.store.pool import Database
from collector.store.report import ReportStore

_OFFERED_MONTHS = 24


class Offer(msgspec.Struct, frozen=True):
    """What is chosen from: months by what they are called, newest first, and languages; ``month`` is the last whole."""

    months: list[tuple[str, str]]
    month: str
    locales: list[tuple[str, str]]


def offer(today: date) -> Offer:
    """Return what a report can be asked for."""
    newest, english = month_of(today), language_of(Locale.EN)
    months = [newest.before(each) for each in range(_OFFERED_MONTHS)]
    return Offer(
        months=[(str(each), english.of_month(each)) for each in months],
        month=str(newest.before()),
        locales=[(each.value, language_of(each).name) for each in Locale],
    )


class ReportPage:
    """Answers with a report; ``looks`` is the file that chooses how it looks, read each time."""

    def __init__(self, database: Database, looks: Path | None, pictures_of: PicturesOf) -> None:
        self._store = ReportStore(database)
        self._gaps = GapStore(database)
        self._looks = looks
        self._pictures_of = pictures_of

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show the month that the query names. Raises an ``HTTPClientError`` for one that there is not."""
        client, wished = text_of(request, "name"), request.query.get("locale", "")
        if not request[VISITOR].may_see(client):
            raise web.HTTPNotFound(text=f"you have no client {client}")
        try:
            month = read_month(request.query.get("month", ""))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        try:
            brand = self._brand(request[VISITOR]).of(client)
            contents, today = await self._contents(client, month)
        except ConfigurationError as error:
            raise web.HTTPConflict(text=str(error)) from None
        except DatabaseUnavailableError as error:
            return away(request, error)
        pictures = await self._pictures_of(contents, brand)
        page = render(contents, brand, Locale(wished) if wished in set(Locale) else None, today, pictures)
        policy = f"{policy_of(brand)}; frame-ancestors 'none'"
        headers = {hdrs.CACHE_CONTROL: "private, no-cache", "Content-Security-Policy": policy}
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=headers)

    def _brand(self, visitor: Visitor) -> Brand:
        try:
            return load_brand(self._looks)
        except ConfigurationError:
            if visitor.client is None:
                raise
            # It would name a file of the server, and other clients.
            raise ConfigurationError(["the looks of reports are not as they have to be; tell your agency"]) from None

    async def _contents(self, client: str, month: Month) -> tuple[Contents, date]:
        today = await self._store.today()
        gaps = await find_gaps(self._gaps, client=client)
        found = await gather(self._store, [client], month, gaps, today)
        if not found:
            raise web.HTTPNotFound(text=f"you have no client {client}")
        return found[0], today
