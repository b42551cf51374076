"""``collector backup``: everything in one file."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import click

from collector import __version__
from collector.app.storage import open_connection
from collector.backup.archive import write_archive
from collector.cli.execute import execute, settings_for_command
from collector.cli.progress import progress
from collector.errors import CollectorError, ConfigurationError
from collector.models.backup import Contents
from collector.store.contents import contents, snapshot
from collector.whole_file import whole_file

_STDOUT = Path("-")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def backup(file: Path) -> None:
    """Write the whole database to FILE, or to standard output for -.

    Daemons may go on: what is written is the database at one moment. `collector restore` takes it to any server, with
    TimescaleDB or without. The encryption keys are not in it: keep them elsewhere.
    """
    if file == _STDOUT:
        if sys.stdout.isatty():
            raise ConfigurationError(["a backup is no text for a terminal; name a file, or pass it on with |"])
        try:
            found = execute(_backup(sys.stdout.buffer))
            sys.stdout.buffer.flush()
        except OSError as error:
            raise CollectorError(f"standard output cannot be written: {error.strerror}") from error
    else:
        with whole_file(file, "FILE") as opened:
            os.fchmod(opened.fileno(), 0o600)
            found = execute(_backup(opened))
    click.echo(
        f"{found.rows:,} rows of {len(found.tables)} tables, as of {found.taken_at:%Y-%m-%d %H:%M:%S} UTC", err=True
    )
    click.echo("not in it: the encryption keys, without which no profile key can be read", err=True)


async def _backup(file: BinaryIO) -> Contents:
    async with open_connection(settings_for_command()) as connection, snapshot(connection):
        found = await contents(connection, version=__version__)
        with progress("backing up", found.rows) as advance:
            await write_archive(connection, found, file, advance)
    return found
