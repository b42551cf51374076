"""``collector import``: history that other programs recorded."""

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, bad_lines, counted, print_table
from collector.cli.progress import progress
from collector.errors import BadLinesError, CollectorError, RegistryError
from collector.intake.days import FoundDays, read_days
from collector.intake.mapping import load_mapping
from collector.models.intake import FileDay, ImportedSource, Taken
from collector.store.imported import ImportStore
from collector.table.moment import DateFormat

_MOST_TOLD = 10


@click.group("import")
def import_() -> None:
    """Take in days that other programs recorded; they are marked, and give way to what polls read."""


@import_.command()
@click.argument("file", type=click.File("rb"))
@click.option("--profile", help="Whose days they are, where no column says so.")
@click.option("--source", help="What the days are marked with; by default what the mapping says, or the file's name.")
@click.option("--mapping", type=click.Path(path_type=Path), help="TOML file that says what the columns are.")
@click.option(
    "--date-format",
    type=click.Choice([each.value for each in DateFormat]),
    help="How days are written: 2026-12-24 (iso), 24.12.2026 (german) or 12/24/2026 (us).",
)
@click.option("--replace", is_flag=True, help="Change days that were imported before to what the file says.")
@click.option("--dry-run", is_flag=True, help="Show what would be done for each profile, and change nothing.")
def daily(
    file: BinaryIO,
    profile: str | None,
    source: str | None,
    mapping: Path | None,
    date_format: str | None,
    *,
    replace: bool,
    dry_run: bool,
) -> None:
    """Store the days of a FILE: a CSV, Pinterest's own export, or a workbook.

    A line names a day and its impressions, engagements, saves, pin clicks and outbound clicks, or some of them; a
    column names the profile, or --profile does. One bad line keeps the whole file out. Days that polls read are never
    touched. An import can be repeated.
    """
    chosen = load_mapping(mapping)
    settings = settings_for_command()
    today = datetime.now(UTC).date()
    kept = settings.retention_days
    try:
        found = read_days(
            file.read(),
            chosen,
            profile=profile,
            form=DateFormat(date_format) if date_format else chosen.date_format or DateFormat.ISO,
            newest=today - timedelta(days=1),
            oldest=today - timedelta(days=kept) if kept is not None else None,
        )
    except BadLinesError as error:
        raise CollectorError(bad_lines(error)) from None
    name = source or chosen.source or Path(file.name).stem

    async def work() -> list[Taken]:
        async with open_storage(settings) as database:
            return await _take(ImportStore(database), found, name, replace=replace, dry_run=dry_run)

    taken = execute(work())
    _tell(found, taken, name, dry_run=dry_run)


async def _take(store: ImportStore, found: FoundDays, source: str, *, replace: bool, dry_run: bool) -> list[Taken]:
    ids = await store.ids(sorted({each.profile for _, each in found.days}))
    unknown = [(line, f"no such profile: {each.profile}") for line, each in found.days if each.profile not in ids]
    if bad := sorted([*found.bad, *unknown]):
        raise CollectorError(bad_lines(BadLinesError(bad)))
    by_profile = groupby(sorted((each for _, each in found.days), key=_order), key=lambda each: each.profile)
    taken: list[Taken] = []
    with _told_if_stopped(taken, len(ids), source, dry_run=dry_run), progress("importing", len(found.days)) as advance:
        for profile, days in by_profile:
            given = list(days)
            taken.append(await store.take(ids[profile], given, source, replace=replace, dry_run=dry_run))
            advance(len(given))
    return taken


@contextmanager
def _told_if_stopped(taken: list[Taken], profiles: int, source: str, *, dry_run: bool) -> Iterator[None]:
    try:
        yield
    except (CollectorError, CancelledError):
        if not dry_run:
            done = f"{len(taken)} of {counted(profiles, 'profile')}: {counted(_stored(taken), 'day')} of the file"
            remedy = f"The same command goes on; `collector import undo {source}` takes all back"
            click.echo(f"stopped after {done} are stored as {source}. {remedy}", err=True)
        raise


def _stored(taken: list[Taken]) -> int:
    return sum(each.new + each.changed for each in taken)


def _order(each: FileDay) -> tuple[str, date]:
    return each.profile, each.day


def _tell(found: FoundDays, taken: list[Taken], source: str, *, dry_run: bool) -> None:
    titles = ("profile", "from", "to", "new", "changed", "the same", "another import's", "observed")
    print_table(titles, [_cells(each) for each in taken])
    if found.unused:
        click.echo(f"columns that are not used: {', '.join(found.unused)}")
    if found.skipped:
        lines = ", ".join(map(str, found.skipped[:_MOST_TOLD]))
        more = f" and {len(found.skipped) - _MOST_TOLD} more" if len(found.skipped) > _MOST_TOLD else ""
        click.echo(f"outside of tables of days, and skipped: line {lines}{more}")
    if different := sum(each.different for each in taken):
        click.echo(f"{counted(different, 'day')} of another import kept its numbers; --replace changes that")
    click.echo(
        f"{counted(_stored(taken), 'day')} {'would be' if dry_run else 'are'} stored as {source}"
        + ("; this was a dry run: nothing was changed" if dry_run else "")
    )


def _cells(each: Taken) -> tuple[str, ...]:
    numbers = (each.new, each.changed, each.same, each.different, each.observed)
    return each.profile, str(each.first_day), str(each.last_day), *map(str, numbers)


@import_.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List what was imported and is still stored, by its source."""

    async def work() -> list[ImportedSource]:
        async with open_storage(settings_for_command()) as database:
            return await ImportStore(database).sources()

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    titles = ("source", "profiles", "days", "from", "to")
    print_table(titles, [tuple(str(getattr(each, name)) for name in each.__struct_fields__) for each in found])


@import_.command()
@click.argument("source")
@click.option("--yes", is_flag=True, help="Do not ask.")
def undo(source: str, *, yes: bool) -> None:
    """Delete the days that were imported as SOURCE; what polls read stays."""

    async def find() -> ImportedSource:
        async with open_storage(settings_for_command()) as database:
            found = {each.source: each for each in await ImportStore(database).sources()}
            if source not in found:
                raise RegistryError(f"nothing is stored of {source}; `collector import list` shows what there is")
            return found[source]

    async def work() -> int:
        async with open_storage(settings_for_command()) as database:
            return await ImportStore(database).undo(source)

    found = execute(find())
    if not yes:
        click.confirm(
            f"Delete {counted(found.days, 'imported day')} of {counted(found.profiles, 'profile')}?", abort=True
        )
    click.echo(f"{counted(execute(work()), 'day')} deleted")
