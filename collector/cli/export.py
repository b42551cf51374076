"""``collector export``: tables as files for other programs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.option import Day, Moment
from collector.cli.progress import progress
from collector.export.write import FileFormat, write_gaps, write_table
from collector.history.gaps import find_gaps
from collector.models.export import Choice, Table
from collector.store.export import ExportStore
from collector.store.gap import GapStore
from collector.store.listing import Listing
from collector.whole_file import whole_file

_STDOUT = Path("-")


@click.command()
@click.argument("table", type=click.Choice([each.value for each in Table]))
@click.option("--client", help="Of this client's profiles only.")
@click.option("--from", "first", type=Day(), help="From this day on.")
@click.option("--to", "last", type=Day(), help="Up to this day.")
@click.option("--as-of", type=Moment(), help="`daily` as it was known at that time.")
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in FileFormat]),
    help="By default what the name of the file ends in; csv where it has no ending. In CSV a ' is put before a "
    "cell that a spreadsheet would calculate; in a workbook texts are texts.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, allow_dash=True), help="A file, or - for here."
)
def export(
    table: str,
    client: str | None,
    first: datetime | None,
    last: datetime | None,
    as_of: datetime | None,
    form: str | None,
    output: Path,
) -> None:
    """Write days, account numbers, pins, drops or gaps to a file: CSV, JSON, Parquet or a workbook.

    There may be any number of them, and the file is there as a whole or not at all. Days of one --client are in order,
    those of all clients are not.
    """
    if as_of is not None and table != Table.DAILY:
        raise click.UsageError(f"--as-of is for daily: no former versions are kept of {table}")
    chosen = FileFormat(form) if form else _format_of(output)
    choice = Choice(
        client=client, first_day=first.date() if first else None, last_day=last.date() if last else None, as_of=as_of
    )
    with _opened(output) as file:
        rows = execute(_write(Table(table), choice, chosen, file))
    click.echo(f"{rows} rows", err=True)


def _format_of(output: Path) -> FileFormat:
    suffix = output.suffix.lower().removeprefix(".")
    if not suffix:
        return FileFormat.CSV
    try:
        return FileFormat(suffix)
    except ValueError:
        known = ", ".join(f".{each}" for each in FileFormat)
        raise click.UsageError(f"-o: {output} ends in none of {known}; choose the --format") from None


@contextmanager
def _opened(output: Path) -> Iterator[BinaryIO]:
    if output == _STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(output, "-o") as file:
        yield file


async def _write(table: Table, choice: Choice, form: FileFormat, file: BinaryIO) -> int:
    written = 0
    async with open_storage(settings_for_command()) as database:
        await Listing(database).insist_on_known(client=choice.client)
        if table is Table.GAPS:
            return write_gaps(await find_gaps(GapStore(database), client=choice.client), choice, form, file)
        store = ExportStore(database)
        with progress(f"exporting {table}", await store.about_rows(table, choice)) as advance:

            def note(rows: int) -> None:
                nonlocal written
                written += rows
                advance(rows)

            await write_table(store, table, choice, form, file, note)
    return written - (form is FileFormat.CSV)  # its header is a line, too
