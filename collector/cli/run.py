"""``collector run``: the daemon."""

import click

from collector.app.daemon import run_daemon
from collector.cli import settings_help
from collector.cli.execute import execute, settings_for_command
from collector.tracing import traced


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
    settings = settings_for_command(by_roles=True)
    with traced():
        execute(run_daemon(settings, apply_migrations=with_migrations), serves=True)
