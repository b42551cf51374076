"""Encrypts stored profile keys anew with the first encryption key, while daemons work with them."""

from collections.abc import Callable

import msgspec

from collector.crypto import KeyRing
from collector.errors import KeyDecryptionError
from collector.store.ciphertext import CiphertextStore, RenewedKey


class Census(msgspec.Struct, frozen=True):
    """How many profile keys there are, how many another key than the first encrypted, and whose none opens."""

    profiles: int
    left: int
    unopened: list[str]


async def take_census(store: CiphertextStore, keys: KeyRing) -> Census:
    """Open every profile key with the first encryption key, or else with any."""
    profiles, left = 0, 0
    unopened: list[str] = []
    async for batch in store.batches():
        profiles += len(batch)
        for stored in batch:
            try:
                left += keys.renewed(stored.key_ciphertext) is not None
            except KeyDecryptionError:
                unopened.append(stored.name)
    return Census(profiles, left, unopened)


async def reencrypt(store: CiphertextStore, keys: KeyRing, advance: Callable[[int], None]) -> None:
    """Encrypt with the first key what another one encrypted; ``advance`` is told how many after each transaction.

    What is locked at that moment, or none of the keys opens, stays as it is. Killed at any time, it can be run again.
    """
    async for batch in store.batches():
        renewed = []
        for stored in batch:
            try:
                after = keys.renewed(stored.key_ciphertext)
            except KeyDecryptionError:
                continue
            if after is not None:
                renewed.append(RenewedKey(stored.id, stored.key_ciphertext, after))
        if renewed:
            advance(await store.renew(renewed))
