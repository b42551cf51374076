"""Takes everything to another server; the old one is marked first, so that no pin is published from both."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from collector import __version__
from collector.backup.archive import Advance, open_archive, write_archive
from collector.backup.restore import fill
from collector.errors import CollectorError
from collector.migrate import migrate
from collector.models.backup import Contents
from collector.store.contents import Connection, analyze, contents, is_empty, one_writing, snapshot
from collector.store.moved import daemons_at_work, is_same, mark_moved, moved_to, take_back

Begin = Callable[[int], Advance]


async def move(source: Connection, target: Connection, place: str, folder: Path, begin: Begin) -> Contents:
    """Copy all to ``target``, which is at ``place``, and return what is there now.

    A move that was killed is begun again; where everything had arrived, that is found out and nothing is copied. Rows
    are kept in a file without a name in ``folder`` meanwhile. ``begin`` is told of how many steps there will be.

    Raises:
        CollectorError: a daemon works here, ``target`` has other rows, is this database or one that was moved, the data
            went elsewhere already, or it did not arrive; all is as before.
    """
    await _insist_on_another(source, target)
    async with _marked(source, place):
        await _insist_on_rest(source)
        with tempfile.TemporaryFile(dir=folder) as file:
            async with snapshot(source):
                found = await contents(source, version=__version__)
                arrived = not await is_empty(target)
                if not arrived:
                    # Each row is read here, and written there.
                    advance = begin(2 * found.rows)
                    await write_archive(source, found, file, advance)
            if arrived:
                await _insist_on_equal(target, found)
                return found
            with open_archive(file) as archive:
                async with one_writing(target):
                    await fill(target, archive, advance)
                    await migrate(target)
                    await _insist_on_rest(source)
    await analyze(target)
    return found


@asynccontextmanager
async def _marked(source: Connection, place: str) -> AsyncIterator[None]:
    """Let nobody begin to work in the database; if the block fails, it is as it was before."""
    before = await moved_to(source)
    if before is not None and before.place != place:
        raise CollectorError(
            f"the data went to {before.place} already, or a move there began; go back with `collector move --undo` "
            "first, if nobody works there"
        )
    await mark_moved(source, place)
    try:
        yield
    except BaseException:
        if before is None:
            await take_back(source)
        raise


async def _insist_on_another(source: Connection, target: Connection) -> None:
    if await is_same(source, target):
        raise CollectorError("--to is the database that is to be moved; name another one")
    if (there := await moved_to(target)) is not None:
        raise CollectorError(
            f"the other database was itself moved to {there.place}, and nobody can work in it; name an empty one, or "
            "take that back there with `collector move --undo`"
        )


async def _insist_on_rest(source: Connection) -> None:
    if working := await daemons_at_work(source):
        raise CollectorError(
            f"there is work in the database that is to be moved, by {', '.join(working)}: stop every daemon (one that "
            "was killed counts for a minute), and move again"
        )


async def _insist_on_equal(target: Connection, wanted: Contents) -> None:
    async with snapshot(target):
        there = {table.name: table for table in (await contents(target, version=__version__)).tables}
    if other := [table.name for table in wanted.tables if there.get(table.name) != table]:
        raise CollectorError(
            f"there are profiles in the other database already, and not the same rows: {', '.join(other)}; it has to "
            "be empty"
        )
