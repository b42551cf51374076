"""``collector status``: is every client's data coming in, and if not, whose and why."""

from collections.abc import Sequence

import click
import msgspec

from collector.app import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import ago, as_json_text, print_table
from collector.config import Settings
from collector.store.clock import clock_problem
from collector.store.fleet import Backlog, DatabaseInfo, FleetStore, StateSummary, TroubledProfile
from collector.store.pin import PinStore, QueueSummary

_MOST_SHOWN = 50


class Status(msgspec.Struct, frozen=True):
    """What the command shows."""

    states: list[StateSummary]
    troubled: list[TroubledProfile]
    backlog: Backlog
    polls_24h: dict[str, int]
    pins: QueueSummary
    database: DatabaseInfo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show profiles by state, freshness, polls, pins, the database, and what troubles which profile."""
    found = execute(_status(settings_for_command()))
    if as_json:
        click.echo(as_json_text(_as_dict(found)))
    else:
        _show(found)


async def _status(settings: Settings) -> Status:
    async with open_storage(settings) as database:
        fleet = FleetStore(database)
        return Status(
            states=await fleet.summary(),
            troubled=await fleet.troubled(),
            backlog=await fleet.backlog(),
            polls_24h=await fleet.polls(),
            pins=await PinStore(database).summary(),
            database=await fleet.database(),
        )


def _as_dict(found: Status) -> dict[str, object]:
    return {
        "profiles": {
            "total": sum(each.profiles for each in found.states),
            "by_state": {each.state: each for each in found.states},
            "due": found.backlog.due,
            "lag_seconds": found.backlog.lag_seconds,
            "troubled": found.troubled,
        },
        "polls_24h": found.polls_24h,
        "pins": {
            "by_state": found.pins.states,
            "paused_lanes": found.pins.paused,
            "unresolved": found.pins.unresolved,
            "late": found.pins.late,
            "oldest_due_seconds": found.pins.oldest_due_seconds,
        },
        "database": found.database,
        "clock_offset_seconds": found.backlog.clock_offset_seconds,
    }


def _show(found: Status) -> None:
    if not found.states:
        click.echo("no profiles yet; `collector profiles add` or `import` registers them")
    else:
        _show_states(found.states)
        _show_troubled(found.troubled)
    polls = ", ".join(f"{count} {outcome}" for outcome, count in found.polls_24h.items()) or "none"
    click.echo(f"\npolls of the last 24 hours: {polls}")
    click.echo(f"due now: {found.backlog.due}; the first has waited {found.backlog.lag_seconds:.0f} s")
    if (problem := clock_problem(found.backlog.clock_offset_seconds)) is not None:
        click.echo(problem)
    _show_pins(found.pins)
    database = found.database
    timescaledb = f"TimescaleDB {database.timescaledb}" if database.timescaledb else "without TimescaleDB"
    size = database.size_bytes / 1024**2
    click.echo(f"database: PostgreSQL {database.version} {timescaledb}, {database.days} days, {size:.0f} MiB")


def _show_pins(pins: QueueSummary) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(pins.states.items()) if count) or "none"
    click.echo(f"pins: {counts}; the first that is due has waited {pins.oldest_due_seconds:.0f} s")
    if pins.paused:
        lanes = ", ".join(f"{count} {reason}" for reason, count in sorted(pins.paused.items()))
        click.echo(f"profiles whose pins wait: {lanes}; {pins.late} pins will go out later than planned")


def _show_states(states: Sequence[StateSummary]) -> None:
    titles = ("state", "profiles", "never read", "oldest read", "newest settled day", "missing days")
    rows = []
    for each in states:
        missing = f"{each.missing_days} in {each.with_missing_days}" if each.missing_days else "0"
        counts = (str(each.profiles), str(each.never_read))
        rows.append((each.state, *counts, ago(each.oldest_success), str(each.newest_settled_day or "-"), missing))
    print_table(titles, rows)


def _show_troubled(troubled: Sequence[TroubledProfile]) -> None:
    if not troubled:
        click.echo("\nno profile is in trouble")
        return
    titles = ("profile", "client", "state", "last poll", "failures", "last read", "next poll", "why")
    click.echo(f"\n{len(troubled)} in trouble")
    print_table(titles, [_cells(profile) for profile in troubled[:_MOST_SHOWN]])
    if len(troubled) > _MOST_SHOWN:
        click.echo(f"... and {len(troubled) - _MOST_SHOWN} more; `collector status --json` has them all")


def _cells(profile: TroubledProfile) -> tuple[str, ...]:
    what = (profile.name, profile.client, profile.state, str(profile.last_outcome), str(profile.consecutive_failures))
    return (*what, ago(profile.last_success_at), ago(profile.next_poll_at), profile.reason or "")
