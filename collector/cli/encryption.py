"""``collector profiles rotate-encryption``: a new encryption key for what is stored."""

import asyncio
from collections.abc import Sequence

import click

from collector.app.storage import key_ring, open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import counted
from collector.cli.progress import progress
from collector.crypto import KeyRing
from collector.errors import RegistryError
from collector.registry.reencrypt import Census, reencrypt, take_census
from collector.store.ciphertext import CiphertextStore
from collector.store.daemon import DaemonStore
from collector.store.pool import Database

# What was locked in one pass is free in the next.
_PASSES = 10
_BETWEEN_SECONDS = 0.5
_MOST_NAMED = 5


@click.command("rotate-encryption")
@click.option("--check", is_flag=True, help="Change nothing; say how many keys are left, and exit 1 if any is.")
def rotate_encryption(*, check: bool) -> None:
    """Encrypt all stored profile keys with the first of COLLECTOR_ENCRYPTION_KEYS, so that the others can go.

    Daemons go on meanwhile; each must have been started with the new key, first, and the old ones. It may be killed at
    any time and run again.
    """
    execute(_rotate(check=check))


async def _rotate(*, check: bool) -> None:
    settings = settings_for_command(keys=True)
    keys = key_ring(settings)
    async with open_storage(settings) as database:
        store = CiphertextStore(database)
        found = await take_census(store, keys)
        if not check:
            await _insist_on_same_key(database, keys)
            found = await _until_none_is_left(store, keys, found)
    _insist_on_done(found)
    click.echo(
        f"{counted(found.profiles, 'profile key')}, all encrypted with the first encryption key; no other is needed"
    )


async def _insist_on_same_key(database: Database, keys: KeyRing) -> None:
    if others := await DaemonStore(database).encrypting_otherwise(keys.mark):
        raise RegistryError(
            f"daemons were started with another first encryption key: {_few(others)}; restart them with the new "
            "key before the old ones in COLLECTOR_ENCRYPTION_KEYS, or polls would fail; nothing was changed"
        )


async def _until_none_is_left(store: CiphertextStore, keys: KeyRing, found: Census) -> Census:
    with progress("encrypting profile keys", found.left) as advance:
        for _ in range(_PASSES):
            if not found.left:
                break
            await reencrypt(store, keys, advance)
            found = await take_census(store, keys)
            if found.left:
                await asyncio.sleep(_BETWEEN_SECONDS)
    return found


def _insist_on_done(found: Census) -> None:
    if found.left:
        raise RegistryError(
            f"{found.left} of {counted(found.profiles, 'profile key')} need another encryption key than the first; "
            "run `collector profiles rotate-encryption` (again)"
        )
    if found.unopened:
        raise RegistryError(
            f"no encryption key opens the profile keys of {_few(found.unopened)}; add the one that encrypted them to "
            "COLLECTOR_ENCRYPTION_KEYS, or store them again with `collector profiles rotate-key`"
        )


def _few(found: Sequence[str]) -> str:
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
