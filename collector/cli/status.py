"""``collector status``: is every client's data coming in, and if not, whose and why."""

from collections.abc import Collection, Sequence

import click

from collector.app.storage import open_storage, where
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import ago, as_json_text, counted, print_table, span
from collector.config import Role, Settings
from collector.fleet.status import PinsStatus, Status, gather_status
from collector.store.clock import clock_problem
from collector.store.daemon import DaemonProcess
from collector.store.fleet import CollectedProfile, StateSummary
from collector.store.notice import TargetState

_MOST_SHOWN = 50
_OVERDUE_SECONDS = 300.0
# Of a profile that cannot be asked they are looked at again every six hours.
_OVERDUE_RESULTS_SECONDS = 6 * 3600.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show profiles by state, freshness, polls, pins, the database, and what troubles which profile."""
    found = execute(read_status(settings_for_command()))
    if as_json:
        click.echo(as_json_text(found))
    else:
        show_status(found)


async def read_status(settings: Settings) -> Status:
    """Ask the database."""
    async with open_storage(settings) as database:
        return await gather_status(database, where(settings))


def show_status(found: Status) -> None:
    """Print it for a person."""
    if not found.profiles.by_state:
        click.echo(f"no profiles yet in {found.where}; `collector profiles add` or `import` registers them")
    else:
        _show_states(list(found.profiles.by_state.values()))
        _show_troubled(found.profiles.troubled)
    _show_daemons(found)
    polls = ", ".join(f"{count} {outcome}" for outcome, count in found.polls_24h.items()) or "none"
    click.echo(f"\npolls of the last 24 hours: {polls}")
    waited = f"; the first has waited {found.profiles.lag_seconds:.0f} s" if found.profiles.due else ""
    click.echo(f"due now: {found.profiles.due or 'none'}{waited}")
    if (problem := clock_problem(found.clock_offset_seconds)) is not None:
        click.echo(problem)
    _show_pins(found.pins)
    _show_untold(found.notifications)
    database = found.database
    timescaledb = f"TimescaleDB {database.timescaledb}" if database.timescaledb else "without TimescaleDB"
    size = database.size_bytes / 1024**2
    click.echo(f"database: PostgreSQL {database.version} {timescaledb}, {database.days} days, {size:.0f} MiB")
    click.echo(f"that is {found.where}")


def _show_daemons(found: Status) -> None:
    click.echo("")
    for each in found.daemons:
        since = f"since {each.started_at:%Y-%m-%d %H:%M} UTC, heard of {ago(each.seen_at)}"
        click.echo(f"running: {each.owner} ({', '.join(each.roles)}), version {each.version}, {since}")
    for led in found.leaders:
        click.echo(f"leads {led.work}: {led.owner}, since {led.since:%Y-%m-%d %H:%M} UTC")
    roles = {role for each in found.daemons for role in each.roles}
    if not found.daemons:
        click.echo(f"no daemon runs; `collector run` starts one. {_end(found.last_daemon)}")
    if found.profiles.due and (Role.POLLER not in roles or found.profiles.lag_seconds > _OVERDUE_SECONDS):
        due, late = counted(found.profiles.due, "profile"), span(found.profiles.lag_seconds)
        click.echo(f"overdue: {due} to read, the first for {late}{_nobody(Role.POLLER, roles)}")
    if (waited := found.pins.oldest_due_seconds) > 0 and (Role.PUBLISHER not in roles or waited > _OVERDUE_SECONDS):
        click.echo(f"overdue: pins, the first for {span(waited)}{_nobody(Role.PUBLISHER, roles)}")
    results = found.pins.results
    if results.due and (Role.TRACKER not in roles or results.lag_seconds > _OVERDUE_RESULTS_SECONDS):
        pins, waiting = counted(results.due, "published pin"), span(results.lag_seconds)
        click.echo(f"overdue: the results of {pins}, the first for {waiting}{_nobody(Role.TRACKER, roles)}")


def _end(last: DaemonProcess | None) -> str:
    if last is None:
        return "None ever has"
    if last.stopped_at is not None:
        return f"The last, {last.owner}, was stopped {ago(last.stopped_at)}"
    return f"The last, {last.owner}, was heard of {ago(last.seen_at)}, and was not told to stop"


def _nobody(role: Role, roles: Collection[str]) -> str:
    return "" if role in roles else f"; no daemon has the role {role}"


def _show_pins(pins: PinsStatus) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(pins.by_state.items()) if count) or "none"
    waited = f"; the first that is due has waited {pins.oldest_due_seconds:.0f} s" if pins.oldest_due_seconds else ""
    click.echo(f"pins: {counts}{waited}")
    if pins.paused_lanes:
        lanes = ", ".join(f"{count} {reason}" for reason, count in sorted(pins.paused_lanes.items()))
        click.echo(f"profiles whose pins wait: {lanes}; {pins.late} pins will go out later than planned")


def _show_untold(told: Sequence[TargetState]) -> None:
    for each in told:
        if each.given_up:
            were = "was" if each.given_up == 1 else "were"
            what = f"{counted(each.given_up, 'message')} to {each.target} {were} given up"
            click.echo(f"{what}: {each.last_error}; `collector notify retry` sends what they told")
        elif each.last_error is not None:
            click.echo(
                f"{each.target} cannot be told yet: {each.last_error}; {each.attempts} tries, {each.waiting} wait"
            )


def _show_states(states: Sequence[StateSummary]) -> None:
    titles = ("state", "profiles", "never read", "oldest read", "newest settled day", "missing days")
    rows = []
    for each in states:
        missing = f"{each.missing_days} in {each.with_missing_days}" if each.missing_days else "0"
        counts = (str(each.profiles), str(each.never_read))
        rows.append((each.state, *counts, ago(each.oldest_success), str(each.newest_settled_day or "-"), missing))
    print_table(titles, rows)


def _show_troubled(troubled: Sequence[CollectedProfile]) -> None:
    if not troubled:
        click.echo("\nno profile is in trouble")
        return
    titles = ("profile", "client", "state", "last poll", "failures", "last read", "next poll", "why")
    click.echo(f"\n{len(troubled)} in trouble")
    print_table(titles, [_cells(profile) for profile in troubled[:_MOST_SHOWN]])
    if len(troubled) > _MOST_SHOWN:
        click.echo(f"... and {len(troubled) - _MOST_SHOWN} more; `collector status --json` has them all")


def _cells(profile: CollectedProfile) -> tuple[str, ...]:
    what = (profile.name, profile.client, profile.state, str(profile.last_outcome), str(profile.consecutive_failures))
    return (*what, ago(profile.last_success_at), ago(profile.next_poll_at), profile.reason or "")
