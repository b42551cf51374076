"""``collector status``: is every client's data coming in, and if not, whose and why."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import click
import msgspec

from collector.app import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.report import ago, as_json_text, print_table
from collector.config import Settings
from collector.store.fleet import FleetStore
from collector.store.pin import PinStore, QueueSummary

_MOST_SHOWN = 50
_SHOWN = ("name", "client", "state", "last_outcome", "consecutive_failures")


class Status(msgspec.Struct, frozen=True):
    """What the command shows; rows are as the database gives them."""

    states: list[dict[str, object]]
    troubled: list[dict[str, object]]
    due: int
    lag_seconds: float
    polls_24h: dict[str, int]
    pins: QueueSummary
    database: dict[str, object]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show profiles by state, freshness, polls, pins, the database, and every profile in trouble with its reason."""
    found = execute(_status(settings_for_command()))
    if as_json:
        click.echo(as_json_text(_as_dict(found)))
    else:
        _show(found)


async def _status(settings: Settings) -> Status:
    async with open_storage(settings) as database:
        fleet = FleetStore(database)
        due, lag_seconds = await fleet.backlog()
        return Status(
            states=_dicts(await fleet.summary()),
            troubled=_dicts(await fleet.troubled()),
            due=due,
            lag_seconds=lag_seconds,
            polls_24h=await fleet.polls(),
            pins=await PinStore(database).summary(),
            database=dict(await fleet.database() or {}),
        )


def _dicts(rows: Sequence[asyncpg.Record]) -> list[dict[str, object]]:
    return [dict(row) for row in rows]


def _as_dict(found: Status) -> dict[str, object]:
    return {
        "profiles": {
            "total": sum(int(str(row["profiles"])) for row in found.states),
            "by_state": {str(row["state"]): row for row in found.states},
            "due": found.due,
            "lag_seconds": found.lag_seconds,
            "troubled": found.troubled,
        },
        "polls_24h": found.polls_24h,
        "pins": {
            "by_state": found.pins.states,
            "paused_lanes": found.pins.paused,
            "unresolved": found.pins.unresolved,
            "oldest_due_seconds": found.pins.oldest_due_seconds,
        },
        "database": found.database,
    }


def _show(found: Status) -> None:
    if not found.states:
        click.echo("no profiles yet; `collector profiles add` or `import` registers them")
    else:
        _show_states(found)
        _show_troubled(found.troubled)
    polls = ", ".join(f"{count} {outcome}" for outcome, count in found.polls_24h.items()) or "none"
    click.echo(f"\npolls of the last 24 hours: {polls}")
    click.echo(f"due now: {found.due}; the first has waited {found.lag_seconds:.0f} s")
    _show_pins(found.pins)
    database = found.database
    timescaledb = f"TimescaleDB {database['timescaledb']}" if database["timescaledb"] else "without TimescaleDB"
    size = int(str(database["size_bytes"])) / 1024**2
    click.echo(f"database: PostgreSQL {database['version']} {timescaledb}, {database['days']} days, {size:.0f} MiB")


def _show_pins(pins: QueueSummary) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(pins.states.items()) if count) or "none"
    click.echo(f"pins: {counts}; the first that is due has waited {pins.oldest_due_seconds:.0f} s")
    if pins.paused:
        lanes = ", ".join(f"{count} {reason}" for reason, count in sorted(pins.paused.items()))
        click.echo(f"profiles whose pins wait: {lanes}")


def _show_states(found: Status) -> None:
    titles = ("state", "profiles", "never read", "oldest read", "newest settled day", "missing days")
    rows = []
    for row in found.states:
        missing = f"{row['missing_days']} in {row['with_missing_days']}" if row["missing_days"] else "0"
        cells = (row["state"], row["profiles"], row["never_read"], ago(_instant(row["oldest_success"])))
        rows.append((*map(str, cells), str(row["newest_settled_day"] or "-"), missing))
    print_table(titles, rows)


def _show_troubled(rows: list[dict[str, object]]) -> None:
    if not rows:
        click.echo("\nno profile is in trouble")
        return
    titles = ("profile", "client", "state", "last poll", "failures", "last read", "next poll", "why")
    cells = []
    for row in rows[:_MOST_SHOWN]:
        when = [ago(_instant(row[name])) for name in ("last_success_at", "next_poll_at")]
        cells.append((*(str(row[name]) for name in _SHOWN), when[0], when[1], str(row["reason"] or "")))
    click.echo(f"\n{len(rows)} in trouble")
    print_table(titles, cells)
    if len(rows) > _MOST_SHOWN:
        click.echo(f"... and {len(rows) - _MOST_SHOWN} more; `collector status --json` has them all")


def _instant(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
