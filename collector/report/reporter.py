"""Writes the reports of the month that is over, each once, on the second of a month or whenever it can after that.

The second is that of UTC, whatever the client's zone: Pinterest counts days in UTC, so the month of the numbers ends
then everywhere. On the first, Pinterest has not shown its last day yet. When a client's people are told is the choice
of their target, which has a zone.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from collector.errors import CollectorError, DatabaseUnavailableError
from collector.history.gaps import find_gaps
from collector.models.gap import Gap
from collector.report.brand import Brand, load_brand
from collector.report.contents import Contents
from collector.report.file_name import file_names
from collector.report.gather import gather
from collector.report.month import Month, month_of
from collector.report.page import render
from collector.report.pdf import print_page
from collector.report.pictures import PicturesOf
from collector.store.gap import GapStore
from collector.store.monthly_report import MonthlyReportStore, ReportClaim
from collector.store.report import ReportStore
from collector.telemetry import REPORTS
from collector.whole_file import make_folder, whole_file

log = structlog.get_logger(__name__)

FOLDER_SETTING: Final = "COLLECTOR_REPORT_DIR"
LEASE_SECONDS: Final = 600.0
"""For how long a claim holds: longer than a batch takes, even with a browser that hangs at each page."""

_AT_ONCE: Final = 4


class _Task(msgspec.Struct, frozen=True):
    """What the reports of a round have in common."""

    month: Month
    today: date
    brand: Brand
    gaps: Sequence[Gap]


class Reporter:
    """Writes into a folder for each month; ``browser`` prints PDFs, None for HTML alone; ``looks`` are read anew."""

    def __init__(
        self,
        reports: ReportStore,
        gaps: GapStore,
        monthly: MonthlyReportStore,
        *,
        folder: Path,
        looks: Path | None,
        browser: str | None,
        pictures_of: PicturesOf,
    ) -> None:
        self._reports = reports
        self._gaps = gaps
        self._monthly = monthly
        self._folder = folder
        self._looks = looks
        self._browser = browser
        self._pictures_of = pictures_of

    async def run_once(self, beat: Callable[[], None]) -> None:
        """Write what is due by the database's clock; ``beat`` is called after each report."""
        await self.write_due(await self._reports.today(), beat)

    async def write_due(self, today: date, beat: Callable[[], None] = lambda: None) -> None:
        """Write what is due on a day: the reports of the month that was over before the day before."""
        month = month_of(today - timedelta(days=1)).before()
        await self._monthly.list_clients(month.first)
        if claims := await self._monthly.claim(month.first, _AT_ONCE):
            brand, gaps = load_brand(self._looks), await find_gaps(self._gaps)
            while claims:
                await self._write_all(claims, _Task(month, today, brand, gaps), beat)
                claims = await self._monthly.claim(month.first, _AT_ONCE)

    async def _write_all(self, claims: Sequence[ReportClaim], task: _Task, beat: Callable[[], None]) -> None:
        names = file_names(await self._reports.clients(), task.month)
        clients = [each.client for each in claims if each.client in names]
        found = {each.client: each for each in await gather(self._reports, clients, task.month, task.gaps, task.today)}
        for claim in claims:
            if claim.client in found:
                await self._try(claim, found[claim.client], names[claim.client], task)
            beat()

    async def _try(self, claim: ReportClaim, contents: Contents, name: str, task: _Task) -> None:
        """Write a report; one that fails keeps its claim, so it is tried again when that has run out."""
        try:
            file = await self._write(contents, name, task)
            written = await self._monthly.written(claim, f"{contents.month}/{file}")
        except DatabaseUnavailableError:
            raise
        except CollectorError as error:
            REPORTS.labels("failed").inc()
            log.warning("a report was not written", client=claim.client, file=name, reason=str(error))
        except Exception:
            # A defect that one client brings out must not keep the others from their reports.
            REPORTS.labels("failed").inc()
            log.exception("a report was not written", client=claim.client, file=name)
        else:
            if written:
                REPORTS.labels("written").inc()
                log.info("a report was written", client=claim.client, file=file)

    async def _write(self, contents: Contents, name: str, task: _Task) -> str:
        """Return the file that people are to be given."""
        folder = self._folder / str(contents.month)
        make_folder(folder, FOLDER_SETTING)
        brand = task.brand.of(contents.client)
        page = render(contents, brand, None, task.today, await self._pictures_of(contents, brand))
        file = f"{name}.html"
        with whole_file(folder / file, FOLDER_SETTING) as target:
            target.write(page.encode())
        if self._browser is None:
            return file
        try:
            printed = await print_page(self._browser, page)
        except CollectorError as error:
            log.warning("a report has no PDF", client=contents.client, reason=str(error))
            return file
        with whole_file(folder / f"{name}.pdf", FOLDER_SETTING) as target:
            target.write(printed)
        return f"{name}.pdf"
