"""The command line: one module a group of commands, thin."""

import click

from collector import __version__
from collector.cli.alerts import alerts
from collector.cli.demo import demo
from collector.cli.emulator import emulator
from collector.cli.execute import ClearErrors
from collector.cli.pins import pins
from collector.cli.poll import poll
from collector.cli.profiles import profiles
from collector.cli.run import migrate, run
from collector.cli.status import status


@click.group(cls=ClearErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="collector")
def main() -> None:
    """Collect the Pinterest metrics of many Ayrshare profiles into TimescaleDB and Prometheus, and publish their pins.

    Settings come from COLLECTOR_... environment variables, a .env file, or a folder of secrets; `collector run --help`
    lists them all. Without COLLECTOR_DATABASE_URL everything is kept in a private PostgreSQL under COLLECTOR_DATA_DIR.

    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 migrations pending, 4 database unreachable.
    """


for command in (demo, run, migrate, poll, status, profiles, pins, alerts, emulator):
    main.add_command(command)
