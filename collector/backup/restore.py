"""Fills an empty database from a backup, in one transaction: it is whole and proved, or was never there."""

from collector.backup.archive import Advance, Archive
from collector.errors import CollectorError
from collector.migrate import migrate, read_migrations
from collector.models.backup import Contents
from collector.store.contents import (
    Connection,
    analyze,
    doubt_due_pins,
    fill_table,
    is_empty,
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
        CollectorError: the database is not empty, the backup is of a newer program or damaged, or a table is not what
            it was.

    """
    wanted = archive.contents
    _insist_on_known_schema(wanted)
    if not await is_empty(target):
        raise CollectorError("there are profiles in that database already; it has to be empty")
    await migrate(target, through=wanted.schema)
    for table in wanted.tables:
        found = await fill_table(target, table, archive.pieces(table, advance))
        if found != table:
            raise CollectorError(
                f"{table.name}: {table.rows:,} rows were read, {found.rows:,} arrived"
                f"{', with other values' if found.rows == table.rows else ''}; nothing was changed"
            )
    for sequence in wanted.sequences:
        await set_sequence(target, sequence)


def _insist_on_known_schema(wanted: Contents) -> None:
    known = {migration.name: migration.sha256 for migration in read_migrations()}
    if other := sorted(name for name, sha256 in wanted.migrations.items() if known.get(name) != sha256):
        raise CollectorError(
            f"the backup has migration {', '.join(other)}, which this version of the program does not know so; restore "
            f"it with version {wanted.version}, or a newer one"
        )
