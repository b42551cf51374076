"""``collector alerts``: lists open drops, replays history, and sets how small a drop matters."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Literal

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, counted, print_table
from collector.cli.option import Day, Whole
from collector.cli.picture_file import Draw, picture_file
from collector.config import Settings
from collector.detect.backtest import Asked, Rates, Replay
from collector.detect.backtest import backtest as replay
from collector.detect.calibrate import Calibration, calibrate
from collector.detect.explain import Explanation, explain
from collector.detect.panel import read_panels
from collector.detect.tuning import CALIBRATED_YEARS
from collector.errors import RegistryError
from collector.models.drop import Sensitivity
from collector.models.profile import ProfileState
from collector.registry.validate import checked_text
from collector.store.drop import DropStore
from collector.store.drop_list import LONGEST_NOTE, DropList, ListedDrop
from collector.store.fleet_drop import FleetDrop
from collector.store.listing import Listing, SilentProfile
from collector.store.pool import Database
from collector.store.profile import ProfileStore

_MOST_NAMED = 10
_SENSITIVITIES = [each.value for each in Sensitivity]


@click.group()
def alerts() -> None:
    """Show drops of engagement, and choose how small a drop is worth an alarm."""


@alerts.command("list")
@click.option(
    "--closed",
    default=0,
    metavar="DAYS",
    type=Whole(0, 3650),
    help="And those closed within the newest DAYS settled days.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, closed: int, as_json: bool) -> None:
    """List open drops, each with its number and the sentence that explains it. Drops of the whole fleet come first.

    Then the profiles of which nothing can be said, and why: that no drop of theirs is open proves nothing.
    """

    async def work() -> tuple[list[FleetDrop], list[ListedDrop], list[SilentProfile]]:
        async with open_storage(settings_for_command()) as database:
            drops = DropList(database)
            return await drops.fleet_listed(closed), await drops.listed(closed), await Listing(database).silent()

    fleet, drops, silent = execute(work())
    if as_json:
        click.echo(as_json_text({"fleet": fleet, "drops": drops, "not_judged": silent}))
        return
    for drop in fleet:
        click.echo(f"fleet: {drop.sentence}")
    for listed in drops:
        click.echo(f"{listed.id}  {listed.client}: {listed.sentence}{_dismissed(listed)}")
    if not fleet and not drops:
        click.echo("no drop is open")
    for why, profiles in groupby(silent, attrgetter("why")):
        click.echo(_nothing_said(why, list(profiles)))


def _dismissed(drop: ListedDrop) -> str:
    return f" Not a problem, {drop.dismissed_by} says: {drop.dismissed_note}" if drop.dismissed_note else ""


def _nothing_said(why: str, silent: Sequence[SilentProfile]) -> str:
    names = ", ".join(map(_silent_name, silent[:_MOST_NAMED]))
    more = f" and {len(silent) - _MOST_NAMED} more; --json names them all" if len(silent) > _MOST_NAMED else ""
    return f"nothing is said of {counted(len(silent), 'profile')}: {why}: {names}{more}"


def _silent_name(silent: SilentProfile) -> str:
    state = "" if silent.state is ProfileState.ACTIVE else f"{silent.state}, "
    late = f" ({state}since {silent.settled_through})" if silent.why == "no fresh data" else ""
    return f"{silent.profile}{late}"


@alerts.command()
@click.argument("drop", type=Whole(1, 2**63 - 1))
@click.option("--note", help="Why it is none; kept and shown with the drop.")
@click.option("--undo", is_flag=True, help="Take it back.")
def dismiss(drop: int, note: str | None, *, undo: bool) -> None:
    """Say that a DROP is not a problem: nobody is told of it any more. `alerts list` has its number."""
    if undo == (note is not None):
        raise click.UsageError("say why with --note, or take it back with --undo")
    checked = checked_text("note", note, LONGEST_NOTE) if note is not None else None

    async def work() -> str:
        async with open_storage(settings_for_command()) as database:
            store = DropList(database)
            found = await store.find(drop)
            if found is None:
                raise RegistryError(f"there is no drop {drop}; `collector alerts list --closed 30` shows their numbers")
            await (store.restore(drop) if checked is None else store.dismiss(drop, checked, "the command line"))
            return found.sentence

    sentence = execute(work())
    click.echo(f"{'a problem again' if undo else 'not a problem'}: {sentence}")


@alerts.command()
@click.argument("level", type=click.Choice([*_SENSITIVITIES, "default"]))
@click.option("--client", help="For all profiles of this client.")
@click.option("--profile", help="For this profile; it wins over its client's.")
@click.option("--calibrate", "calibrated", is_flag=True, help="Choose the threshold that keeps LEVEL in its history.")
@click.option("--yes", is_flag=True, help="Store what --calibrate found without asking.")
def sensitivity(level: str, client: str | None, profile: str | None, *, calibrated: bool, yes: bool) -> None:
    """Choose how small a drop is worth an alarm: low tells of large ones only. `default` takes a choice back.

    The levels stand for at most 0.25, 0.5 and 1 false alarms a client-year.
    """
    if (client is None) == (profile is None):
        raise click.UsageError("name either a --client or a --profile")
    if calibrated and level == "default":
        raise click.UsageError("--calibrate needs low, normal or high")
    preset = None if level == "default" else Sensitivity(level)
    threshold = _calibrated(Sensitivity(level), client, profile) if calibrated else None
    if calibrated and not yes and not click.confirm(f"store the threshold of {threshold:.1f}?"):
        click.echo("nothing was stored")
        return
    scope: Literal["client", "profile"] = "client" if client is not None else "profile"
    name = client or profile or ""

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            await _insist(database, client, profile)
            await DropStore(database).set_sensitivity(scope, name, preset, threshold)

    execute(work())
    click.echo(f"{scope} {name}: {level}; its history is judged again")


def _calibrated(level: Sensitivity, client: str | None, profile: str | None) -> float:
    async def work() -> Calibration:
        async with open_storage(settings_for_command()) as database:
            await _insist(database, client, profile)
            return await calibrate(DropStore(database), level, client=client, profile=profile)

    found = execute(work())
    rows = [(f"{one.threshold:.1f}", str(one.alarms), f"{one.alarms_per_client_year:.2f}") for one in found.tried]
    print_table(("threshold", "alarms", "a client-year"), rows)
    click.echo(f"{found.profile_years:g} client-years of history; {level} is at most {found.budget:g} alarms a year.")
    click.echo("Drops that were real are counted, too.")
    if found.threshold is None:
        reason = "no threshold keeps it" if found.profile_years >= CALIBRATED_YEARS else "that is too little to say"
        raise click.ClickException(f"{reason}; nothing was stored")
    return found.threshold


async def _insist(database: Database, client: str | None, profile: str | None) -> None:
    rows = await ProfileStore(database).all()
    scope, name = ("client", client) if client is not None else ("profile", profile)
    if name not in {row.client if scope == "client" else row.name for row in rows}:
        raise RegistryError(f"no such {scope}: {name}; `collector profiles list` shows them all")


@alerts.command("explain")
@click.argument("profile")
@click.argument("day", type=Day(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_(profile: str, day: datetime | None, *, as_json: bool) -> None:
    """Say why a settled DAY of a profile was called a drop, or was not; the newest without DAY."""

    async def work() -> Explanation:
        async with open_storage(settings_for_command()) as database:
            return await explain(DropStore(database), profile, day.date() if day else None)

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    click.echo(f"{found.profile}, {found.day}: {found.sentences}")
    if found.checks:
        rows = [
            (
                f"{each.series.replace('_', ' ')}{', slowly' if each.slow else ''}",
                str(each.days),
                f"{each.observed:,.0f}",
                f"{each.expected:,.0f}",
                f"{100 * each.loss:.0f} % of {100 * each.least_loss:.0f} %",
                f"{each.score:.1f} of {each.threshold:.1f}",
                each.unmet.replace("_", " ") if each.unmet else "",
            )
            for each in found.checks
        ]
        print_table(("series", "days", "a day", "expected", "lost", "score", "not met"), rows)


@alerts.command()
@click.option("--client", help="Show only this client's; the others are read too, to know the fleet's drops.")
@click.option("--since", type=Day(), help="Count from this day on.")
@click.option(
    "--sensitivity",
    "preset",
    type=click.Choice(_SENSITIVITIES),
    help="Unset: each profile's own.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the profiles with the most and the largest drops: .png, .svg or .pdf.",
)
def backtest(
    *, client: str | None, since: datetime | None, preset: str | None, as_json: bool, plot: Path | None
) -> None:
    """Replay history as it was known on each day, and show the drops that would have been found.

    Nothing is stored. A day counts with the version that was known when it settled. A drop that began with one of the
    whole fleet is shown, and is no alarm.
    """
    asked = Asked(client, since.date() if since else None, Sensitivity(preset) if preset else None)
    settings = settings_for_command()
    if plot is None:
        found = execute(_replay(settings, asked))
    else:
        with picture_file(plot) as draw:
            found = execute(_replay(settings, asked, draw))
    if as_json:
        click.echo(as_json_text(found))
        return
    for drop in found.fleet:
        click.echo(f"{drop.first_day}  fleet: {drop.sentence}")
    for episode in found.episodes:
        note = f" Dismissed: {episode.dismissed}" if episode.dismissed else ""
        click.echo(f"{episode.detected_day}  {episode.client}: {episode.sentence}{note}")
    click.echo(_summary(found.rates))


async def _replay(settings: Settings, asked: Asked, draw: Draw | None = None) -> Replay:
    async with open_storage(settings) as database:
        await Listing(database).insist_on_known(client=asked.client)
        store = DropStore(database)
        newest = await store.newest_settled_day()
        if asked.since is not None and newest is not None and asked.since > newest:
            raise click.BadParameter(f"{asked.since} is after the newest settled day, {newest}", param_hint="--since")
        found = await replay(store, asked, await DropList(database).notes())
        if draw is not None:
            draw(await read_panels(store, asked, found), _summary(found.rates), asked.since)
        return found


def _summary(rates: Rates) -> str:
    summary = (
        f"{counted(rates.alarms, 'alarm')} in {rates.profile_years:g} client-years, "
        f"{rates.alarms_per_client_year:g} a year; "
        f"{counted(rates.episodes, 'episode')} of {counted(rates.profiles, 'profile')}, "
        f"of which {rates.not_judged} could not be judged"
    )
    if rates.inhibited:
        summary += f"; {rates.inhibited} of the episodes belonged to the fleet's drops"
    return f"{summary}; {rates.dismissed} were dismissed" if rates.dismissed else summary
