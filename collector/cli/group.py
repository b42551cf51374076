"""How the program finds its commands, and how their errors reach the operator."""

from importlib import import_module
from inspect import cleandoc
from keyword import iskeyword
from typing import Any

import click

from collector.errors import CollectorError, ConfigurationError


class LazyCommand(click.Command):
    """Stands for the command of its name in the module of its name, which is imported when it is called.

    A name that is a keyword of Python has an underscore there.
    """

    def __init__(self, name: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 -- click's own signature
    ) -> click.Context:
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> click.Command:
        name = f"{self.name}_" if iskeyword(str(self.name)) else str(self.name)
        command: click.Command = getattr(import_module(f"collector.cli.{name}"), name)
        for each in getattr(command, "commands", {}).values():
            # Else the list of commands would cut each text to a line.
            each.short_help = each.short_help or " ".join(cleandoc(each.help or "").split("\n\n")[0].split())
        return command


class ClearErrors(click.Group):
    """Reports our errors as a line on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- click's own signature
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(f"error: {problem}", err=True)
            ctx.exit(error.exit_code)
        except CollectorError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
