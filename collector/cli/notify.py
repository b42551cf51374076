"""``collector notify``: who is told what happened, and whether it works."""

from collections.abc import Sequence

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import ago, as_json_text, counted, print_table
from collector.config import Settings
from collector.errors import ConfigurationError
from collector.notify.deliver import DeliveryError, open_deliverer
from collector.notify.notifier import trial
from collector.notify.targets import MailTarget, Target, Targets, load_targets
from collector.store.notice import NoticeStore, TargetState
from collector.store.unknown import unknown_clients


@click.group()
def notify() -> None:
    """See and try who is told what happened, by e-mail, Slack, Teams or webhook.

    The targets are in the file COLLECTOR_NOTIFY_FILE; a daemon with the role `notifier` tells them.
    """


@notify.command()
@click.option("--target", "name", metavar="NAME", help="Only this one.")
def test(name: str | None) -> None:
    """Send a test message to every target, now.

    Exits with 1 if one of them did not take it.
    """
    settings = settings_for_command()
    targets = _targets(settings)
    if not execute(_try(settings, targets, _chosen(targets, name))):
        raise click.exceptions.Exit(1)


@notify.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """Show the targets, when each was told last, and what could not be told."""
    settings = settings_for_command()
    targets = _targets(settings)
    found, unknown = execute(_look(settings, targets))
    states = {each.target: each for each in found}
    if as_json:
        click.echo(as_json_text([_as_json(each, states.get(each.name)) for each in targets.target]))
        return
    titles = ("target", "kind", "clients", "events", "send", "last sent", "waiting", "given up", "trouble")
    print_table(titles, [_row(each, states.get(each.name)) for each in targets.target])
    if unknown:
        click.echo(f"warning: {settings.notify_file}: {unknown}", err=True)


@notify.command()
@click.option("--target", "name", metavar="NAME", help="Only this one.")
def retry(name: str | None) -> None:
    """Tell after all what was given up, with the next message."""
    settings = settings_for_command()
    targets = _targets(settings)
    chosen = [each.name for each in _chosen(targets, name)]
    click.echo(f"{counted(execute(_retry(settings, chosen)), 'event')} will be told")


def _targets(settings: Settings) -> Targets:
    if settings.notify_file is None:
        raise ConfigurationError(["COLLECTOR_NOTIFY_FILE is not set: name the file with the targets"])
    return load_targets(settings.notify_file)


def _chosen(targets: Targets, name: str | None) -> Sequence[Target]:
    if name is None:
        return targets.target
    if name not in targets.by_name:
        raise click.BadParameter(f"there is none; the file has {', '.join(targets.by_name)}", param_hint="--target")
    return [targets.by_name[name]]


async def _try(settings: Settings, targets: Targets, chosen: Sequence[Target]) -> bool:
    message, failed = trial(settings.console_url), 0
    async with open_deliverer(targets) as deliverer:
        for target in chosen:
            try:
                await deliverer.deliver(target, message)
            except DeliveryError as error:
                failed += 1
                click.echo(f"{target.name}: {error}", err=True)
            else:
                click.echo(f"{target.name}: sent")
    return not failed


async def _look(settings: Settings, targets: Targets) -> tuple[list[TargetState], str | None]:
    """Return how the targets stand, and which of their clients there are not."""
    async with open_storage(settings) as database:
        states = await NoticeStore(database, owner="", seconds=0.0).states(list(targets.by_name))
        return states, await unknown_clients(database, targets.clients)


async def _retry(settings: Settings, names: Sequence[str]) -> int:
    async with open_storage(settings) as database:
        return await NoticeStore(database, owner="", seconds=0.0).retry(names)


def _row(target: Target, state: TargetState | None) -> tuple[str, ...]:
    clients = ", ".join(sorted(target.clients)) if target.clients else "all"
    events = "all" if len(target.events) == len(type(next(iter(target.events)))) else str(len(target.events))
    send = "at once" if target.send == "at once" else f"daily at {target.at:%H:%M} {target.timezone}"
    chosen = (target.name, target.kind, clients, events, send)
    if state is None:
        return (*chosen, "never", "0", "0", "not seen by a daemon yet")
    return (*chosen, ago(state.last_sent_at), str(state.waiting), str(state.given_up), state.last_error or "")


def _as_json(target: Target, state: TargetState | None) -> dict[str, object]:
    # Never the address of a webhook, which is a secret.
    shown: dict[str, object] = {
        "name": target.name,
        "kind": target.kind,
        "to": list(target.to) if isinstance(target, MailTarget) else None,
        "clients": sorted(target.clients) if target.clients else None,
        "events": sorted(target.events),
        "send": target.send,
    }
    return shown | {"state": state}
