"""``collector move``: from one database to another, say from the embedded one to TimescaleDB."""

from collections.abc import Callable
from contextlib import ExitStack

import click
from pydantic import SecretStr

from collector.app.storage import open_connection, where
from collector.backup.move import move as move_all
from collector.cli.execute import execute, settings_for_command
from collector.cli.progress import progress
from collector.config import Settings
from collector.errors import CollectorError, ConfigurationError
from collector.models.backup import Contents
from collector.setting_kind import postgresql_url
from collector.store.address import database_at
from collector.store.moved import moved_to, take_back
from collector.store.pool import connected


@click.command()
@click.option("--to", "target", metavar="DSN", help="Where to: the address of an empty database. PGPASSWORD works.")
@click.option("--undo", is_flag=True, help="Let the old database be used again; say it before the new one is used.")
def move(target: str | None, *, undo: bool) -> None:
    """Take everything to another database, from the embedded one to a TimescaleDB, say, and prove it.

    Stop the daemons first. Afterwards no command works in the old database, so that no pin is published from both. A
    move that was killed can be run again.
    """
    if undo == (target is not None):
        raise ConfigurationError(["say --to DSN, or --undo"])
    settings = settings_for_command()
    if target is None:
        execute(_undo(settings))
        return
    try:
        postgresql_url(SecretStr(target))
    except ValueError as error:
        raise ConfigurationError([f"--to {error}"]) from None
    try:
        found = execute(_move(settings, target))
    except OSError as error:
        reason = f"{settings.data_dir}, where the rows are kept meanwhile, cannot be written: {error.strerror}"
        raise CollectorError(f"{reason}; nothing was moved") from error
    click.echo(
        f"{found.rows:,} rows of {len(found.tables)} tables are in {database_at(target)}: counts and digests agree"
    )
    click.echo("set COLLECTOR_DATABASE_URL to its address, for every daemon and command")
    if not settings.encryption_keys:
        click.echo(f"set COLLECTOR_ENCRYPTION_KEYS to what is in {settings.data_dir / 'encryption_key'}")


async def _move(settings: Settings, target: str) -> Contents:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with open_connection(settings) as source, connected(target, "--to") as other:
        with ExitStack() as bars:

            def begin(steps: int) -> Callable[[int], None]:
                return bars.enter_context(progress(f"moving to {database_at(target)}", steps))

            return await move_all(source, other, database_at(target), settings.data_dir, begin)


async def _undo(settings: Settings) -> None:
    async with open_connection(settings) as connection:
        was = await moved_to(connection)
        await take_back(connection)
    click.echo(f"{where(settings)} can be used again" if was else "it was not moved; nothing was changed")
