"""Registers profiles, with an encryption key for their keys."""

from cryptography.fernet import Fernet
from pydantic import SecretStr

from collector.crypto import KeyRing, fingerprint
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.profile_plan import ProfileChange
from collector.store.removal import RemovalStore
from tests.support.ayrshare import Ayrshare

ENCRYPTION_KEY = Fernet.generate_key().decode()
KEYS = KeyRing([SecretStr(ENCRYPTION_KEY)])


def new_profile(name: str, key: str, *, client: str = "acme") -> ProfileChange:
    secret = SecretStr(key)
    return ProfileChange(
        name=name, client=client, key_ciphertext=KEYS.encrypt(secret), key_fingerprint=fingerprint(secret)
    )


async def register(database: Database, ayrshare: Ayrshare, count: int) -> list[int]:
    """Register the emulator's first profiles under their titles and return their ids, in that order."""
    identities = [ayrshare.identity(index) for index in range(count)]
    await ProfileStore(database).put([new_profile(each.title, each.profile_key) for each in identities])
    rows = await database.fetch("SELECT id, name FROM profile")
    ids = {row["name"]: row["id"] for row in rows}
    return [ids[each.title] for each in identities]


async def registered(database: Database, keys: dict[str, str]) -> None:
    """Register profiles of client ``acme`` by name and key, so that the program can open the keys."""
    await ProfileStore(database).put([new_profile(name, key) for name, key in keys.items()])


async def remove(database: Database, *names: str) -> None:
    store = RemovalStore(database)
    await store.remove([each.id for each in await store.named(names)])
