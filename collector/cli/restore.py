"""``collector restore``: an empty database from a backup."""

from typing import BinaryIO

import click

from collector.app.storage import open_dsn, where
from collector.backup.archive import open_archive
from collector.backup.restore import restore as fill_from
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import counted
from collector.cli.progress import progress
from collector.errors import ConfigurationError
from collector.models.backup import Contents
from collector.store.pool import connected


@click.command()
@click.argument("file", type=click.File("rb"))
def restore(file: BinaryIO) -> None:
    """Fill the empty database of COLLECTOR_DATABASE_URL, or a new embedded one, from a backup.

    All of it arrives, compared row by row, or nothing. Pins that were due since the backup was made may have been
    published: they are unknown, and looked for in Ayrshare's history before anything is sent.
    """
    if not file.seekable():
        raise ConfigurationError(["FILE: a backup cannot be read from a pipe; write it to a file, and name that"])
    settings = settings_for_command()

    async def run() -> tuple[Contents, int]:
        with open_archive(file) as archive:
            async with open_dsn(settings, create=True) as dsn, connected(dsn) as connection:
                with progress("restoring", archive.contents.rows) as advance:
                    return archive.contents, await fill_from(connection, archive, advance)

    found, doubted = execute(run())
    click.echo(
        f"{found.rows:,} rows of {len(found.tables)} tables, as of {found.taken_at:%Y-%m-%d %H:%M:%S} UTC, are in "
        f"{where(settings)}: counts and digests agree"
    )
    if doubted:
        click.echo(f"due since, and unknown now: {counted(doubted, 'pin')}; a publisher looks whether they are live")
    click.echo(
        "before a publisher runs: what was cancelled, changed, revoked or erased after that time is as it was then, "
        "see `collector pins list --state queued` and `collector tokens list`; the encryption keys have to be those of "
        "that time"
    )
