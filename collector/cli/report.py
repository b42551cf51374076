"""``collector report``: a client's month as a page to send."""

import asyncio
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import click
import msgspec

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.progress import progress
from collector.history.gaps import find_gaps
from collector.report.brand import Brand, load_brand
from collector.report.contents import Contents
from collector.report.file_name import file_names
from collector.report.gather import gather
from collector.report.language import Locale
from collector.report.month import Month, month_of, read_month
from collector.report.page import render
from collector.report.pdf import find_browser, print_page
from collector.report.pictures import Pictures, open_pictures
from collector.store.gap import GapStore
from collector.store.listing import Listing
from collector.store.pool import Database
from collector.store.report import ReportStore
from collector.store.unknown import unknown_clients
from collector.whole_file import make_folder, whole_file

# As many clients are read by one set of statements.
_AT_ONCE = 50
# Of so many, the pictures are held in memory.
_FETCHING = 16


class MonthOption(click.ParamType[Month]):
    """A month, as ``2026-10``."""

    name = "month"

    def convert(self, value: str | Month, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        try:
            return value if isinstance(value, Month) else read_month(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is written, of which month (None is the last whole one), and where to."""

    month: Month | None
    locale: Locale | None
    browser: str | None
    output: Path
    brand: Brand
    pictures: Pictures | None

    @property
    def folder(self) -> Path | None:
        """Where files with the names of clients are written; None where ``output`` is the one file."""
        return None if self.output.suffix.lower() == ".html" else self.output

    def target(self, name: str) -> Path:
        """Return the file of a report: the one file, or that of this name in the folder."""
        return self.output if self.folder is None else self.folder / f"{name}.html"


@click.command()
@click.option("--client", help="Of this client.")
@click.option("--all", "every", is_flag=True, help="Of every client, a file each; -o is their folder.")
@click.option("--month", type=MonthOption(), help="Such as 2026-10; by default the last that is over.")
@click.option("--no-pictures", is_flag=True, help="Fetch no pictures of the best pins.")
@click.option("--pdf", is_flag=True, help="A PDF beside each page, by a Chromium that is installed.")
@click.option(
    "--locale",
    type=click.Choice([each.value for each in Locale]),
    help="The language; by default that of the client in COLLECTOR_REPORT_FILE, or en.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A file that ends in .html, or the folder of a file with the client's name; by default this folder.",
)
def report(
    client: str | None,
    month: Month | None,
    locale: str | None,
    output: Path,
    *,
    every: bool,
    pdf: bool,
    no_pictures: bool,
) -> None:
    """Write a client's month as a page to send: HTML, and PDF where there is a Chromium.

    It has what the month brought, charts, profiles, drops, and how whole the numbers are, in one file that needs
    nothing else. COLLECTOR_REPORT_FILE chooses logo, colour and words.
    """
    if every == (client is not None):
        raise click.UsageError("name a --client, or ask for --all")
    if every and output.suffix.lower() == ".html":
        raise click.UsageError("-o: --all writes many files; name a folder")
    settings = settings_for_command()
    browser, brand = find_browser() if pdf else None, load_brand(settings.report_file)
    chosen = None if locale is None else Locale(locale)

    async def write() -> list[Path]:
        async with open_storage(settings) as database, open_pictures() as pictures:
            wish = _Wish(
                month=month,
                locale=chosen,
                browser=browser,
                output=output,
                brand=brand,
                pictures=None if no_pictures else pictures,
            )
            return await _write(database, client, wish)

    written = execute(write())
    told = f"{written[0]}" if len(written) == 1 else f"{len(written)} reports into {output}"
    click.echo(f"written: {told}", err=True)


async def _write(database: Database, client: str | None, wish: _Wish) -> list[Path]:
    await Listing(database).insist_on_known(client=client)
    if unknown := await unknown_clients(database, wish.brand.client):
        click.echo(f"warning: COLLECTOR_REPORT_FILE: {unknown}", err=True)
    store = ReportStore(database)
    today = await store.today()
    month = wish.month or month_of(today).before()
    everybody = await store.clients()
    names = file_names(everybody, month)
    clients = everybody if client is None else [client]
    written: list[Path] = []
    gaps = await find_gaps(GapStore(database), client=client)
    if wish.folder is not None:
        make_folder(wish.folder, "-o")
    with progress("writing reports", len(clients)) as advance:
        for start in range(0, len(clients), _AT_ONCE):
            found = await gather(store, clients[start : start + _AT_ONCE], month, gaps, today)
            await _write_all([(each, names[each.client]) for each in found], wish, today, advance)
            written += [wish.target(names[each.client]) for each in found]
    return written


async def _write_all(
    found: list[tuple[Contents, str]], wish: _Wish, today: date, advance: Callable[[int], None]
) -> None:
    # Pictures of these are waited for meanwhile; a browser takes a core for itself.
    begun, free = asyncio.Semaphore(_FETCHING), asyncio.Semaphore(os.cpu_count() or 1)

    async def write(contents: Contents, name: str) -> None:
        async with begun:
            brand = wish.brand.of(contents.client)
            pictures = {} if wish.pictures is None else await wish.pictures.of(contents, brand)
            async with free:
                await _write_one(render(contents, brand, wish.locale, today, pictures), name, wish)
        advance(1)

    async with asyncio.TaskGroup() as group:
        for contents, name in found:
            group.create_task(write(contents, name))


async def _write_one(page: str, name: str, wish: _Wish) -> None:
    target = wish.target(name)
    with whole_file(target, "-o") as file:
        file.write(page.encode())
    if wish.browser is not None:
        printed = await print_page(wish.browser, page)
        with whole_file(target.with_name(f"{target.stem}.pdf"), "-o") as file:
            file.write(printed)
