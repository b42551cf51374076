"""``collector demo``: the whole job on one machine, with an emulated Ayrshare and an embedded database."""

import asyncio
import math
import shlex
import sys
import time
from functools import partial
from pathlib import Path

import click
from pydantic import SecretStr

from collector.app.daemon import run_roles
from collector.app.roles import Hooks
from collector.app.storage import open_storage
from collector.cli.execute import execute
from collector.cli.option import Seconds, Whole
from collector.config import Settings, load_settings, missing_token
from collector.demo.agency import Agency
from collector.emulator import EMULATOR, EmulatorConfig, make_app, serve
from collector.models.outcome import Success
from collector.poll.poller import PollResult
from collector.store.fleet import DatabaseInfo, FleetStore
from collector.store.pool import Database
from collector.telemetry import configure_logging

_FOLDER = Path("demo-data")
_POLL_SECONDS = 30.0
# Somebody who looks should soon see a pin go out after another.
_PIN_GAP_SECONDS = 0.5
_REPORT_SECONDS = 0.5
_FINE = frozenset({Success.OK, Success.UNCHANGED})


@click.command()
@click.option("--profiles", default=50, show_default=True, type=Whole(1, 100_000), help="Client profiles.")
@click.option("--days", default=90, show_default=True, type=Whole(1, 90), help="Days of metrics of each.")
@click.option("--port", default=9470, show_default=True, type=Whole(0, 65535), help="Port of the pages.")
@click.option(
    "--exit-after", type=Seconds(min=0), metavar="SECONDS", help="Stop by itself, so long after the pages are served."
)
def demo(profiles: int, days: int, port: int, exit_after: float | None) -> None:
    """Run everything on one machine: an emulated Ayrshare, an embedded database, and the daemon.

    The agency is made up: a year behind it, a drop in progress, a fleet-wide dip in the past, a profile that lost its
    link, one that is rate-limited, and pins in every state. The first 60 profiles have all of that; more of them have
    only the days that Ayrshare serves.

    The data stays in COLLECTOR_DATA_DIR (./demo-data by default), and the next start carries on from it; in another
    week it begins anew. Nothing leaves this machine.
    """
    if exit_after is not None and not math.isfinite(exit_after):
        raise click.BadParameter("is not a number of seconds", param_hint="--exit-after")
    settings = load_settings(missing=missing_token)
    quiet = "log_level" not in settings.model_fields_set
    configure_logging(settings.log_format, "error" if quiet else settings.log_level)
    execute(_Demo(settings, profiles=profiles, days=days, port=port).run(exit_after), serves=True)


class _Demo:
    """One run of the demo, and what it tells the user."""

    def __init__(self, settings: Settings, *, profiles: int, days: int, port: int) -> None:
        self._folder = settings.data_dir if "data_dir" in settings.model_fields_set else _FOLDER
        # What Ayrshare serves is older than the interval, so that every round of polls finds something to read.
        self._emulator = EmulatorConfig(profiles=profiles, days=days, cache_seconds=_POLL_SECONDS / 2)
        self._settings = settings.model_copy(
            update={
                "database_url": None,
                "database_read_url": None,
                "data_dir": self._folder,
                "http_port": port,
                "ayrshare_api_key": SecretStr(self._emulator.api_key),
                "poll_interval": _POLL_SECONDS,
                "pin_lane_gap": _PIN_GAP_SECONDS,
                "max_requests_per_second": 1000.0,
            }
        )
        self._round = _Round()
        self._shown = asyncio.Event()

    async def run(self, exit_after: float | None) -> None:
        app = make_app(self._emulator)
        async with serve(app) as url:
            settings = self._settings.model_copy(update={"ayrshare_url": url})
            async with open_storage(settings, create=True) as database:
                found = await FleetStore(database).database()
                removed = await Agency(app[EMULATOR], settings, database).open(self._round.note)
                hooks = Hooks(serving=partial(self._show, url, found, removed), polled=self._round.note)
                await self._serve(settings, database, hooks, exit_after)

    def _show(self, ayrshare: str, found: DatabaseInfo, removed: int, address: str) -> None:
        _line("Console", f"{address}/")
        profiles, days = self._emulator.profiles, self._emulator.days
        _line("Ayrshare", f"{ayrshare} (emulated), {profiles} profiles, {days} days each")
        _line("Database", f"PostgreSQL {found.version} in {self._folder}, {found.days:,} days from earlier runs")
        if removed:
            _line("Removed", f"{removed} profiles of an earlier demo, which this one does not have")
        for title, path in (("Fleet", "/metrics/profiles"), ("Process", "/metrics"), ("Ready", "/readyz")):
            _line(title, f"{address}{path}")
        _line("Look around", f"COLLECTOR_DATA_DIR={self._folder} {_program()} status   (in another terminal)")
        _line("Stop", "Ctrl-C; the next start carries on from the same data")
        if self._round.has_results:
            self._round.report()
        self._shown.set()

    async def _serve(self, settings: Settings, database: Database, hooks: Hooks, exit_after: float | None) -> None:
        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                group.create_task(run_roles(settings, database, hooks))
                await self._shown.wait()
                if exit_after is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + exit_after)
                group.create_task(self._round.report_for_ever())
        except TimeoutError:
            _line("Stopped", f"after {exit_after:g} s, as asked")


class _Round:
    """Counts polls and says now and then what they brought."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._results: list[PollResult] = []
        self._reported = False

    def note(self, result: PollResult) -> None:
        self._results.append(result)

    @property
    def has_results(self) -> bool:
        return bool(self._results)

    async def report_for_ever(self) -> None:
        """Print a line for every burst of polls, once it is over."""
        while True:
            before = len(self._results)
            await asyncio.sleep(_REPORT_SECONDS)
            if self.has_results and len(self._results) == before:
                self.report(waited=_REPORT_SECONDS)

    def report(self, *, waited: float = 0.0) -> None:
        """Print what the polls since the last report brought; they ended ``waited`` seconds ago."""
        results, self._results = self._results, []
        new = sum(result.rows.rows_new for result in results if result.rows)
        changed = sum(result.rows.rows_changed for result in results if result.rows)
        failed = sum(1 for result in results if result.outcome not in _FINE)
        if self._reported and not (new or changed or failed):
            return
        self._reported = True
        trouble = f", {failed} failed (see `collector status`)" if failed else ""
        elapsed = time.monotonic() - self._started - waited
        _line(
            "Polled",
            f"{len(results)} profiles: {new:,} days new, {changed:,} changed{trouble}; {elapsed:.1f} s after start",
        )


def _program() -> str:
    """Return what to type for this program, whether or not it is in the PATH."""
    script = Path(sys.executable).with_name("collector")
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def _line(title: str, text: str) -> None:
    click.echo(f"{title:<12} {text}")
