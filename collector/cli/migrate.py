"""``collector migrate``: the schema, and the passwords of its roles."""

import click

from collector.app.storage import open_dsn
from collector.cli.execute import execute, settings_for_command
from collector.config import Settings
from collector.migrate import migrate as apply_migrations
from collector.migrate import plan
from collector.store.pool import connected
from collector.store.role import DAEMON, GRAFANA, set_password


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; list what is pending and exit 3 if anything is.")
def migrate(*, check: bool) -> None:
    """Apply the migrations that the database lacks, or list them."""
    settings = settings_for_command()
    if not execute(_list(settings) if check else _apply(settings)):
        raise click.exceptions.Exit(3)


async def _apply(settings: Settings) -> bool:
    async with open_dsn(settings, create=True) as dsn, connected(dsn) as connection:
        applied = await apply_migrations(connection, on_apply=lambda name: click.echo(f"applying {name}"))
        for role, password in ((DAEMON, settings.daemon_password), (GRAFANA, settings.grafana_password)):
            if password is not None and await set_password(connection, role, password):
                click.echo(f"the password of {role} is set")
        found = await plan(connection)
    if found.newer:
        click.echo(f"the schema is of a newer version, which applied {found.newer[-1]}; this one works on it")
    else:
        click.echo(f"{len(applied)} applied" if applied else "the schema is current")
    for migration in found.waiting:
        click.echo(f"{migration.name} waits until the server has TimescaleDB; everything works without it")
    return True


async def _list(settings: Settings) -> bool:
    async with open_dsn(settings) as dsn, connected(dsn) as connection:
        found = await plan(connection)
    for name in found.applied:
        click.echo(f"applied  {name}")
    for migration in found.pending:
        click.echo(f"pending  {migration.name}")
    for migration in found.waiting:
        click.echo(f"waiting  {migration.name} (needs TimescaleDB)")
    return not found.pending
