"""Stores checked profiles with their keys encrypted, and compares the registry with what Ayrshare has."""

from collections.abc import Iterable, Sequence

import msgspec

from collector.ayrshare.profiles import ProfileEntry
from collector.crypto import KeyRing, fingerprint
from collector.errors import ConfigurationError, KeyDecryptionError, RegistryError
from collector.models.plan import Action, Planned
from collector.registry.validate import Registration
from collector.store.profile import ProfileStore, RegisteredProfile
from collector.store.profile_plan import ProfileChange

# As many as fit a screen.
_MOST_NAMED = 5


async def try_encryption_keys(store: ProfileStore, keys: KeyRing) -> None:
    """Find out at once, rather than by every profile failing, that the encryption keys are not this database's.

    Raises:
        ConfigurationError: they do not open the oldest and the newest profile's key.

    """
    try:
        for ciphertext in await store.sample_of_ciphertexts():
            keys.decrypt(ciphertext)
    except KeyDecryptionError:
        raise ConfigurationError(
            ["COLLECTOR_ENCRYPTION_KEYS: they do not open the profile keys in this database; add the missing one"]
        ) from None


async def register(
    profiles: Sequence[Registration],
    store: ProfileStore,
    keys: KeyRing,
    *,
    dry_run: bool = False,
    only_new: bool = False,
) -> list[Planned]:
    """Add or change profiles by name, all or none; return what was done with each, in their order.

    Where one of them is refused, and in a ``dry_run``, nothing is changed. ``only_new`` refuses what is registered.

    Raises:
        ConfigurationError: see :func:`try_encryption_keys`.

    """
    await try_encryption_keys(store, keys)
    return await store.put([_change(profile, keys) for profile in profiles], dry_run=dry_run, only_new=only_new)


def _change(profile: Registration, keys: KeyRing) -> ProfileChange:
    key = profile.profile_key
    return ProfileChange(
        name=profile.name,
        client=profile.client,
        key_ciphertext=None if key is None else keys.encrypt(key),
        key_fingerprint=None if key is None else fingerprint(key),
        ref_id=profile.ref_id,
        tags=profile.tags,
    )


def insist(planned: Iterable[Planned]) -> None:
    """Raise a ``RegistryError`` with the reasons of what was refused."""
    refused = [f"{each.name}: {each.reason}" for each in planned if each.action is Action.REFUSED]
    if refused:
        more = len(refused) - _MOST_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        raise RegistryError(f"{'; '.join(refused[:_MOST_NAMED])}{rest}; nothing was changed")


class Discovered(msgspec.Struct, frozen=True):
    """A profile of Ayrshare beside what is registered here; ``name`` is None when nothing is."""

    title: str
    ref_id: str | None
    linked: bool
    suspended: bool
    name: str | None


class Comparison(msgspec.Struct, frozen=True):
    """All profiles of Ayrshare; the names registered here that it does not list; those that cannot be compared.

    A profile that is registered without a refId, and not under Ayrshare's title, may be any of them.
    """

    profiles: list[Discovered]
    gone: list[str]
    without_ref_id: list[str]


def compare(entries: Iterable[ProfileEntry], registered: Iterable[RegisteredProfile]) -> Comparison:
    """Match by ``ref_id`` where the registry has one, else by title and name."""
    ours = list(registered)
    by_ref = {profile.ref_id: profile.name for profile in ours if profile.ref_id is not None}
    names = {profile.name for profile in ours}
    unreferenced = {profile.name for profile in ours if profile.ref_id is None}
    found = []
    for entry in entries:
        name = by_ref.get(entry.ref_id) if entry.ref_id is not None else None
        if name is None and entry.title in (names if entry.ref_id is None else unreferenced):
            name = entry.title
        found.append(Discovered(entry.title, entry.ref_id, entry.linked_to_pinterest, entry.suspended, name))
    known = {profile.name for profile in found}
    unknown = sorted((profile for profile in ours if profile.name not in known), key=lambda profile: profile.name)
    return Comparison(
        found,
        gone=[profile.name for profile in unknown if profile.ref_id is not None],
        without_ref_id=[profile.name for profile in unknown if profile.ref_id is None],
    )
