"""``collector run`` and ``collector migrate``."""

import click

from collector.app import open_dsn, run_daemon
from collector.cli import settings_help
from collector.cli.execute import execute, settings_for_command
from collector.config import Settings
from collector.migrate import migrate as apply_migrations
from collector.migrate import plan
from collector.reader import ROLE, set_reader_password
from collector.store.pool import connected


class _WithSettings(click.Command):
    """A command whose help ends with the list of all settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Settings (environment, .env, or files in COLLECTOR_SECRETS_DIR)"):
            rows = [
                (name, f"{text}  [{default}]" if default else text) for name, default, text in settings_help.settings()
            ]
            formatter.write_dl([(name, text.replace("`", "")) for name, text in rows], col_max=36)


@click.command(cls=_WithSettings)
@click.option("--migrate", "with_migrations", is_flag=True, help="Apply pending migrations first.")
@click.option("--help-markdown", is_flag=True, hidden=True)
def run(*, with_migrations: bool, help_markdown: bool) -> None:
    """Run the daemon: poll what is due, keep the pages, until it is told to stop."""
    if help_markdown:
        click.echo(settings_help.markdown(), nl=False)
        return
    execute(run_daemon(settings_for_command(by_roles=True), apply_migrations=with_migrations))


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; list what is pending and exit 3 if anything is.")
def migrate(*, check: bool) -> None:
    """Apply the migrations that the database lacks, or list them."""
    settings = settings_for_command()
    if not execute(_list(settings) if check else _apply(settings)):
        raise click.exceptions.Exit(3)


async def _apply(settings: Settings) -> bool:
    async with open_dsn(settings) as dsn, connected(dsn) as connection:
        applied = await apply_migrations(connection, on_apply=lambda name: click.echo(f"applying {name}"))
        if settings.grafana_password is not None and await set_reader_password(connection, settings.grafana_password):
            click.echo(f"the password of {ROLE} is set")
        waiting = (await plan(connection)).waiting
    click.echo(f"{len(applied)} applied" if applied else "the schema is current")
    for migration in waiting:
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
