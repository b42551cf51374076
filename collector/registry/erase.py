"""Erases profiles and clients: nothing of them is left, which is counted."""

from collections.abc import Callable, Sequence

import msgspec

from collector.errors import CollectorError, RegistryError
from collector.store.removal import Removable, RemovalStore


class Erased(msgspec.Struct, frozen=True):
    """How many rows a table had of what was erased, and has now."""

    table: str
    before: int
    after: int


async def chosen(store: RemovalStore, names: Sequence[str], client: str | None) -> tuple[list[Removable], list[str]]:
    """Return the profiles of these names and of the client, and the names that are gone already.

    Raises:
        RegistryError: there is nothing of what was named.
    """
    found = await store.named(names)
    gone = sorted(set(names) - {each.name for each in found})
    if client is not None:
        known = {each.id for each in found}
        found += [each for each in await store.of_client(client) if each.id not in known]
    if not found and not (client is not None and await store.client_rows(client)):
        named = ", ".join([*gone, *([] if client is None else [f"client {client}"])])
        raise RegistryError(f"there is nothing of {named}; `collector profiles list` shows them all")
    return found, gone


async def erase(
    store: RemovalStore, profiles: Sequence[Removable], client: str | None, advance: Callable[[int], None]
) -> list[Erased]:
    """Delete profiles, and what there is of clients that have no profile any more; return the proof.

    Raises:
        RegistryError: a pin is not settled; nothing was erased.
        CollectorError: something is left, which another run erases.
    """
    ids = [each.id for each in profiles]
    clients = sorted({each.client for each in profiles} | ({client} if client is not None else set()))
    before = await store.counts(ids) | {f"client {each}": await store.client_rows(each) for each in clients}
    await store.remove(ids, advance)
    after = await store.counts(ids)
    for each in clients:
        await store.remove_uploads(each)
        if await store.remove_client(each):
            after[f"client {each}"] = await store.client_rows(each)
    erased = [Erased(table, before[table], after[table]) for table in before if table in after]
    if left := [f"{each.after} of {each.table}" for each in erased if each.after]:
        raise CollectorError(f"something came meanwhile and is left: {', '.join(left)}; run it again")
    return erased
