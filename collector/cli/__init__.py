"""The command line: one module a command or group of commands, thin, imported when it is called."""

import click

from collector import __version__
from collector.cli.group import ClearErrors, LazyCommand


@click.group(cls=ClearErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="collector")
def main() -> None:
    """Collect the Pinterest metrics of many Ayrshare profiles into TimescaleDB and Prometheus, and publish their pins.

    Settings come from COLLECTOR_... environment variables, a .env file, or a folder of secrets; `collector run --help`
    lists them all. Without COLLECTOR_DATABASE_URL everything is kept in a private PostgreSQL under COLLECTOR_DATA_DIR.

    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 migrations pending, 4 database unreachable.
    """


for _name, _help in {
    "alerts": "Show drops of engagement, and choose how small a drop is worth an alarm.",
    "backup": "Write the whole database to FILE, or to standard output for -.",
    "clients": "List clients, and set the country whose holidays count for them, and their time zone.",
    "demo": "Run everything on one machine: an emulated Ayrshare, an embedded database, and the daemon.",
    "emulator": "Serve an emulated Ayrshare until stopped; the first line printed is its address.",
    "export": "Write days, account numbers, pins, drops or gaps to a file: CSV, JSON, Parquet or a workbook.",
    "history": "Show what is missing and why, versions of a day, numbers of an account, and when numbers are settled.",
    "import": "Take in days that other programs recorded; they are marked, and give way to what polls read.",
    "migrate": "Apply the migrations that the database lacks, or list them.",
    "move": "Take everything to another database, from the embedded one to a TimescaleDB, say, and prove it.",
    "notify": "See and try who is told what happened, by e-mail, Slack, Teams or webhook.",
    "pins": "Queue pins, see and change what is queued, and see how published ones do.",
    "poll": "Poll profiles once, now.",
    "profiles": "Register, show and change client profiles.",
    "report": "Write a client's month as a page to send: HTML, and PDF where there is a Chromium.",
    "restore": "Fill the empty database of COLLECTOR_DATABASE_URL, or a new embedded one, from a backup.",
    "run": "Run the daemon: poll what is due, keep the pages, until it is told to stop.",
    "status": "Show profiles by state, freshness, polls, pins, the database, and what troubles which profile.",
    "tokens": "Make, list and revoke tokens for the console and the API.",
}.items():
    main.add_command(LazyCommand(_name, _help))
