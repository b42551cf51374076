"""Fills an empty database from a backup, in one transaction: it is whole and proved, or was never there."""

from collector.backup.archive import Advance, Archive
from collector.errors import CollectorError
from collector.migrate import VIEWS, migrate, plan, read_migrations
from collector.models.backup import Contents
from collector.store.contents import (
    Connection,
    analyze,
    doubt_due_pins,
    fill_table,
    is_empty,
    layout,
    layout_of,
    one_writing,
    set_sequence,
)


async def restore(target: Connection, archive: Archive, advance: Advance) -> int:
    """Fill a database with a backup, and return how many pins may have been published since it was made.

    They are unknown then, and looked for in Ayrshare's history before anything is sent.

    Raises:
        CollectorError: see :func:`fill`; nothing was changed.

    """
    async with one_writing(target):
        await fill(target, archive, advance)
        doubted = await doubt_due_pins(target, archive.contents.taken_at)
        await migrate(target)
    await analyze(target)
    return doubted


async def fill(target: Connection, archive: Archive, advance: Advance) -> None:
    """Make the tables as those of a backup, in a transaction of the caller, and compare their counts and digests.

    Raises:
        CollectorError: the database is not empty or newer, the backup is of a newer program or damaged, or a table is
            not what it was.

    """
    wanted = archive.contents
    _insist_on_known_schema(wanted)
    if not await is_empty(target):
        raise CollectorError("there are profiles in that database already; it has to be empty")
    await _bring_to_schema(target, wanted)
    for table in wanted.tables:
        found = await fill_table(target, table, archive.pieces(table, advance))
        if found != table:
            raise CollectorError(
                f"{table.name}: {table.rows:,} rows were read, {found.rows:,} arrived"
                f"{', with other values' if found.rows == table.rows else ''}; nothing was changed"
            )
    for sequence in wanted.sequences:
        await set_sequence(target, sequence)


async def _bring_to_schema(target: Connection, wanted: Contents) -> None:
    """Make the tables that the backup has, all of them and no others: what a file names is written to nothing else."""
    await migrate(target, through=wanted.schema)
    if any(name != VIEWS and name > wanted.schema for name in (await plan(target)).applied):
        raise CollectorError(
            f"that database has a newer schema than the backup, {wanted.schema}: restore into a new one, which is "
            "brought up to date afterwards"
        )
    if other := sorted(layout_of(wanted) ^ await layout(target)):
        raise CollectorError(
            f"the backup has not the tables, columns and sequences of its schema: {', '.join(other)}; nothing was "
            "changed"
        )


def _insist_on_known_schema(wanted: Contents) -> None:
    known = {migration.name: migration.sha256 for migration in read_migrations()}
    if other := sorted(name for name, sha256 in wanted.migrations.items() if known.get(name) != sha256):
        raise CollectorError(
            f"the backup has migration {', '.join(other)}, which this version of the program does not know so; restore "
            f"it with version {wanted.version}, or a newer one"
        )
