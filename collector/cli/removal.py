"""What ``collector profiles remove`` asks, does, and prints as its proof."""

from collections.abc import Sequence

import click
import msgspec

from collector.app.storage import open_storage
from collector.cli.execute import settings_for_command
from collector.cli.format import counted, print_table
from collector.cli.progress import progress
from collector.registry.erase import chosen, erase
from collector.store.listing import Listing
from collector.store.profile import ProfileStore
from collector.store.removal import Removable, RemovalStore


class Found(msgspec.Struct, frozen=True):
    """What is to be removed, how many days it has, and the names that are gone already."""

    profiles: list[Removable]
    days: int
    gone: list[str]


async def find(names: Sequence[str], client: str | None, *, gone_is_fine: bool) -> Found:
    """Look for profiles by name or client. Raises ``RegistryError`` for one that there is not."""
    async with open_storage(settings_for_command()) as database:
        if not gone_is_fine:
            await ProfileStore(database).named(names)
            await Listing(database).insist_on_known(client=client)
        store = RemovalStore(database)
        profiles, gone = await chosen(store, names, client)
        days = await store.days([each.id for each in profiles])
    return Found(profiles, days, gone)


def question(found: Found) -> str:
    return f"Delete {counted(len(found.profiles), 'profile')} with {counted(found.days, 'day')} of metrics, for ever?"


async def carry_out(found: Found, client: str | None, *, proven: bool) -> None:
    """Remove what was found; ``proven`` erases all traces, and prints what each table had and has."""
    async with open_storage(settings_for_command()) as database:
        store = RemovalStore(database)
        with progress("removing profiles", len(found.profiles)) as advance:
            if not proven:
                await store.remove([each.id for each in found.profiles], advance)
                return
            erased = await erase(store, found.profiles, client, advance)
    for name in found.gone:
        click.echo(f"{name} is gone already")
    print_table(("rows of", "before", "after"), [(each.table, str(each.before), str(each.after)) for each in erased])
    click.echo("nothing is left")
