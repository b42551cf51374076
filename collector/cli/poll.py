"""``collector poll``: one pass now."""

from collections import Counter

import click

from collector.app.storage import key_ring, open_storage
from collector.app.upstream import make_gate, open_ayrshare
from collector.app.workers import make_poller
from collector.cli.execute import execute, settings_for_command
from collector.cli.progress import progress
from collector.config import Settings
from collector.errors import RegistryError
from collector.models.outcome import Success
from collector.models.profile import ProfileState
from collector.poll.poller import PollResult
from collector.registry.register import try_encryption_keys
from collector.registry.trial import insist_on_ayrshare
from collector.store.profile import ProfileStore

_FINE = frozenset({Success.OK, Success.UNCHANGED})


@click.command()
@click.argument("names", metavar="[PROFILE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Poll every profile that is not paused, due or not.")
def poll(names: tuple[str, ...], *, everything: bool) -> None:
    """Poll profiles once, now.

    Named profiles are polled whether due or not, with --all every one that is not paused; without either, those that
    are due. Exits with 1 if any of them failed.
    """
    if names and everything:
        raise click.UsageError("name profiles or say --all, not both")
    if not execute(_pass(settings_for_command(api_key=True), names, everything=everything)):
        raise click.exceptions.Exit(1)


async def _pass(settings: Settings, names: tuple[str, ...], *, everything: bool) -> bool:
    gate = make_gate(settings)
    async with open_ayrshare(settings, gate) as client, open_storage(settings) as database:
        store = ProfileStore(database)
        ids = await _chosen(store, names, everything=everything)
        # The settings of whoever tries something must not become failures of profiles that others poll well.
        await try_encryption_keys(store, key_ring(settings))
        if not ids:
            click.echo("every profile is paused, or none is registered" if everything else "nothing is due")
            return True
        await insist_on_ayrshare(client)
        results: list[PollResult] = []
        with progress("polling", len(ids)) as advance:

            def note(result: PollResult) -> None:
                advance(1)
                results.append(result)

            poller = make_poller(settings, database, client, gate, note)
            busy = await poller.poll_named(ids, only_due=not names and not everything)
    return _report(results, asked=len(ids), busy=busy, hold=gate.hold)


async def _chosen(store: ProfileStore, names: tuple[str, ...], *, everything: bool) -> list[int]:
    if names:
        found = await store.named(names)
        paused = [profile.name for profile in found if profile.state is ProfileState.PAUSED]
        if paused:
            raise RegistryError(f"{', '.join(paused)}: paused; `collector profiles resume` first")
        return [profile.id for profile in found]
    return await (store.unpaused_ids() if everything else store.due_ids())


def _report(results: list[PollResult], *, asked: int, busy: int, hold: str | None) -> bool:
    failed = [result for result in results if result.outcome not in _FINE or result.rows is None]
    new, changed = (sum(getattr(r.rows, name) for r in results if r.rows) for name in ("rows_new", "rows_changed"))
    for result in sorted(failed, key=lambda result: result.name):
        click.echo(f"{result.name}: {result.outcome.value}: {result.detail or 'its lease was lost'}", err=True)
    counts = Counter(result.outcome.value for result in results)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) or "none"
    click.echo(f"{len(results)} of {asked} polled: {outcomes}; days: {new} new, {changed} changed")
    if busy:
        click.echo(f"{busy} left out: another process polls them, or they were paused meanwhile")
    if hold is not None:
        click.echo(f"{hold}; the rest was not tried", err=True)
    return not failed and hold is None
