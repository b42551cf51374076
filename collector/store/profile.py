"""The registry of profiles: adding, importing, listing, and changing them. Keys come and go only encrypted."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import asyncpg
import msgspec

from collector.errors import RegistryError
from collector.models.plan import Action, Planned
from collector.models.profile import ProfileState
from collector.store.columns import names, values
from collector.store.lock import Lock, take
from collector.store.pool import Database
from collector.store.profile_plan import CurrentProfile, ProfileChange, plan
from collector.store.sendable import is_sendable
from collector.store.unknown import unknown_names


class RegisteredProfile(msgspec.Struct, frozen=True):
    """A registered profile, without its key."""

    id: int
    name: str
    client: str
    tags: list[str]
    ref_id: str | None
    state: ProfileState
    state_reason: str | None
    created_at: datetime
    last_success_at: datetime | None
    next_poll_at: datetime | None
    account_changed_at: datetime | None
    seam_day: date | None
    account_name: str | None


_LIST = f"SELECT {names(RegisteredProfile)} FROM profile ORDER BY name"
_OF_ID = f"SELECT {names(RegisteredProfile)} FROM profile WHERE id = $1"
_NAMED = f"SELECT {names(RegisteredProfile)} FROM profile WHERE name = ANY ($1::text[]) ORDER BY name"

_DUE_IDS = "SELECT id FROM profile WHERE next_poll_at <= now() ORDER BY next_poll_at"
_UNPAUSED_IDS = "SELECT id FROM profile WHERE state <> 'paused' ORDER BY next_poll_at"
_CIPHERTEXT_OF = "SELECT key_ciphertext FROM profile WHERE name = $1"

_SAMPLE_OF_CIPHERTEXTS = """
SELECT key_ciphertext
FROM profile
WHERE id IN ((SELECT min(id) FROM profile), (SELECT max(id) FROM profile))
"""

# Imports are rare and must see each other's keys, so they go one at a time.

# NOT IN is hashed whatever the planner makes of the arrays' length; NOT EXISTS became a nested loop over all pairs.
_SHARED_KEYS = """
WITH incoming AS MATERIALIZED (
    SELECT name, fingerprint
    FROM unnest($1::text[], $2::bytea[]) AS i (name, fingerprint)
)
SELECT p.name, i.name
FROM incoming i
JOIN profile p ON p.key_fingerprint = i.fingerprint
WHERE p.name <> i.name
  AND p.name NOT IN (SELECT name FROM incoming)
ORDER BY i.name
"""

_SHARED_REFS = """
WITH incoming AS MATERIALIZED (
    SELECT name, ref_id
    FROM unnest($1::text[], $2::text[]) AS i (name, ref_id)
)
SELECT p.name, i.name
FROM incoming i
JOIN profile p ON p.ref_id = i.ref_id
WHERE p.name <> i.name
  AND p.name NOT IN (SELECT name FROM incoming)
ORDER BY i.name
"""

_CURRENT = f"SELECT {names(CurrentProfile)} FROM profile WHERE name = ANY ($1::text[])"

_INCOMING = """
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[])
    AS i (name, client, key_ciphertext, key_fingerprint, ref_id, tags)
"""
_ADD = f"""
INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, ref_id, tags)
SELECT i.name, i.client, i.key_ciphertext, i.key_fingerprint, nullif(i.ref_id, ''),
    string_to_array(coalesce(i.tags, ''), '|')
{_INCOMING}
"""
# A key that did not change keeps its old ciphertext, so that an import repeated writes nothing. A profile whose key did
# change is read at once; taking its lease away makes the result of a poll with the old key void.
_CHANGE = f"""
WITH incoming AS (
    SELECT i.*
    {_INCOMING}
),
keyed AS (
    SELECT i.*, i.key_fingerprint IS NOT NULL AND i.key_fingerprint <> p.key_fingerprint AS new_key
    FROM incoming i
    JOIN profile p ON p.name = i.name
)
UPDATE profile AS p
SET client = coalesce(i.client, p.client),
    tags = coalesce(string_to_array(i.tags, '|'), p.tags),
    ref_id = nullif(coalesce(i.ref_id, p.ref_id), ''),
    key_ciphertext = CASE WHEN i.new_key THEN i.key_ciphertext ELSE p.key_ciphertext END,
    key_fingerprint = CASE WHEN i.new_key THEN i.key_fingerprint ELSE p.key_fingerprint END,
    state = CASE WHEN i.new_key AND p.state = 'key_invalid' THEN 'active' ELSE p.state END,
    next_poll_at = CASE WHEN i.new_key AND p.state <> 'paused' THEN now() ELSE p.next_poll_at END,
    account_changed_at = CASE WHEN NOT i.new_key THEN p.account_changed_at END,
    account_name_asked_at = CASE WHEN NOT i.new_key THEN p.account_name_asked_at END,
    lease_until = CASE WHEN NOT i.new_key THEN p.lease_until END,
    lease_owner = CASE WHEN NOT i.new_key THEN p.lease_owner END
FROM keyed i
WHERE p.name = i.name
"""

_RENAME = "UPDATE profile SET name = $2 WHERE name = $1"
_RENAME_SENSITIVITY = "UPDATE drop_sensitivity SET name = $2 WHERE scope = 'profile' AND name = $1"

# In all four, the lease is taken away, so that a poll under way does not undo what the operator just did.
_PAUSE = """
UPDATE profile
SET state = 'paused', state_reason = $2, state_since = now(), next_poll_at = NULL,
    lease_until = NULL, lease_owner = NULL
WHERE name = ANY ($1::text[])
"""
_RESUME = """
UPDATE profile
SET state = 'active', state_reason = NULL, state_since = now(), next_poll_at = now(), consecutive_failures = 0,
    behind = is_behind(last_day, settle_days),
    lease_until = NULL, lease_owner = NULL
WHERE name = ANY ($1::text[])
"""
_ROTATE_KEY = """
UPDATE profile
SET key_ciphertext = $2, key_fingerprint = $3,
    state = CASE WHEN state = 'paused' THEN state ELSE 'active' END,
    state_reason = CASE WHEN state = 'paused' THEN state_reason END,
    state_since = now(),
    next_poll_at = CASE WHEN state = 'paused' THEN NULL ELSE now() END,
    behind = is_behind(last_day, settle_days),
    account_changed_at = NULL, former_account_name = account_name, account_name = NULL, account_name_asked_at = NULL,
    lease_until = NULL, lease_owner = NULL
WHERE name = $1
"""
# The seam stays: the days before it are of another account for ever.
_ACCEPT = """
UPDATE profile
SET account_changed_at = NULL, former_account_name = NULL
WHERE name = ANY ($1::text[])
"""


class ProfileStore:
    """Everything an operator does to the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sample_of_ciphertexts(self) -> list[bytes]:
        """Return the encrypted keys of the oldest and the newest profile, to try the encryption keys on."""
        return [ciphertext for (ciphertext,) in await self._database.fetch(_SAMPLE_OF_CIPHERTEXTS)]

    async def ciphertext_of(self, name: str) -> bytes:
        """Return the encrypted key of a profile. Raises ``RegistryError`` for an unknown one."""
        await self.named([name])
        return bytes(await self._database.fetchval(_CIPHERTEXT_OF, name))

    async def all(self) -> list[RegisteredProfile]:
        return values(RegisteredProfile, await self._database.fetch(_LIST))

    async def named(self, names: Sequence[str]) -> list[RegisteredProfile]:
        """Return these profiles.

        Raises:
            RegistryError: one or more are not registered.

        """
        found = await self.known(names)
        unknown = sorted(set(names) - {profile.name for profile in found})
        if unknown:
            raise await unknown_names(self._database, {"profile": unknown})
        return found

    async def known(self, names: Collection[str]) -> list[RegisteredProfile]:
        """Return those of these profiles that are registered, by name."""
        sendable = [name for name in set(names) if is_sendable(name)]
        return values(RegisteredProfile, await self._database.fetch(_NAMED, sendable))

    async def due_ids(self) -> list[int]:
        return [profile_id for (profile_id,) in await self._database.fetch(_DUE_IDS)]

    async def unpaused_ids(self) -> list[int]:
        return [profile_id for (profile_id,) in await self._database.fetch(_UNPAUSED_IDS)]

    async def find(self, profile_id: int) -> RegisteredProfile | None:
        found = values(RegisteredProfile, await self._database.fetch(_OF_ID, profile_id))
        return found[0] if found else None

    async def put(
        self, profiles: Sequence[ProfileChange], *, dry_run: bool = False, only_new: bool = False
    ) -> list[Planned]:
        """Add or change profiles by name, all or none, and return what was done with each, in their order.

        Where one of them is refused, and in a ``dry_run``, nothing is changed. ``only_new`` refuses what is registered.
        """
        async with self._database.transaction() as connection:
            return await _put(connection, profiles, dry_run=dry_run, only_new=only_new)

    async def edit(self, change: ProfileChange, new_name: str | None = None) -> Planned:
        """Change a registered profile, and its name if there is a new one, or neither; return what was done.

        What is chosen for the name stays with the profile.

        Raises:
            RegistryError: the profile is unknown, or the new name is another's.

        """
        await self.named([change.name])
        async with self._database.transaction() as connection:
            [planned] = await _put(connection, [change])
            if new_name is None or new_name == change.name or planned.action is Action.REFUSED:
                return planned
            if await connection.fetch(_NAMED, [new_name]):
                message = f"{new_name} is registered already"
                raise RegistryError(f"{message}; nothing was changed", fields={"name": message})
            await connection.execute(_RENAME, change.name, new_name)
            await connection.execute(_RENAME_SENSITIVITY, change.name, new_name)
        return planned

    async def rename(self, name: str, new: str) -> None:
        """Give a profile another name. Raises ``RegistryError``: it is unknown, or the new name is another's."""
        await self.edit(ProfileChange(name=name), new)

    async def pause(self, names: Sequence[str], reason: str) -> None:
        """Stop polling these profiles until they are resumed. Raises ``RegistryError`` for an unknown one."""
        await self.named(names)
        await self._database.execute(_PAUSE, names, reason)

    async def resume(self, names: Sequence[str]) -> None:
        """Poll these profiles again, now, whatever had stopped it. Raises ``RegistryError`` for an unknown one."""
        await self.named(names)
        await self._database.execute(_RESUME, names)

    async def rotate_key(self, name: str, *, ciphertext: bytes, fingerprint: bytes) -> None:
        """Replace a profile's key and poll it at once, unless it is paused.

        Raises:
            RegistryError: the profile is unknown, or the key belongs to another one.

        """
        await self.named([name])
        new = ProfileChange(name=name, key_fingerprint=fingerprint)
        async with self._database.transaction() as connection:
            await take(Lock.REGISTRY, connection)
            if taken := await _owners_of_keys(connection, [new]):
                raise RegistryError(f"{taken[name]}; nothing was changed")
            await connection.execute(_ROTATE_KEY, name, ciphertext, fingerprint)

    async def accept(self, names: Sequence[str]) -> list[RegisteredProfile]:
        """Take the marks off profiles that may show another account, and return how they were.

        Raises:
            RegistryError: one is unknown, or has no mark.

        """
        found = await self.named(names)
        unmarked = [profile.name for profile in found if profile.account_changed_at is None]
        if unmarked:
            raise RegistryError(f"not marked as another account: {', '.join(unmarked)}; nothing was changed")
        await self._database.execute(_ACCEPT, names)
        return found


async def _put(
    connection: asyncpg.Connection,
    profiles: Sequence[ProfileChange],
    *,
    dry_run: bool = False,
    only_new: bool = False,
) -> list[Planned]:
    await take(Lock.REGISTRY, connection)
    wanted = [profile.name for profile in profiles]
    current = values(CurrentProfile, await connection.fetch(_CURRENT, wanted))
    taken = await _owners_of_refs(connection, profiles) | await _owners_of_keys(connection, profiles)
    planned = plan(profiles, {profile.name: profile for profile in current}, taken, only_new=only_new)
    if dry_run or any(each.action is Action.REFUSED for each in planned):
        return planned
    for action, statement in ((Action.ADDED, _ADD), (Action.CHANGED, _CHANGE)):
        chosen = [p for p, each in zip(profiles, planned, strict=True) if each.action is action]
        if chosen:
            await connection.execute(statement, *_arguments(chosen))
    return planned


async def _owners_of_keys(connection: asyncpg.Connection, profiles: Sequence[ProfileChange]) -> dict[str, str]:
    """Return by name whose the keys are that the named profiles are to get."""
    keyed = [profile for profile in profiles if profile.key_fingerprint is not None]
    arguments = ([profile.name for profile in keyed], [profile.key_fingerprint for profile in keyed])
    shared = await connection.fetch(_SHARED_KEYS, *arguments)
    return {wanted: f"the profile key belongs to {registered} already" for registered, wanted in shared}


async def _owners_of_refs(connection: asyncpg.Connection, profiles: Sequence[ProfileChange]) -> dict[str, str]:
    """Return by name whose the refIds are that the named profiles are to get."""
    referred = [profile for profile in profiles if profile.ref_id]
    arguments = ([profile.name for profile in referred], [profile.ref_id for profile in referred])
    shared = await connection.fetch(_SHARED_REFS, *arguments)
    return {wanted: f"the ref_id belongs to {registered} already" for registered, wanted in shared}


def _arguments(profiles: Sequence[ProfileChange]) -> tuple[list[object], ...]:
    return (
        [profile.name for profile in profiles],
        [profile.client for profile in profiles],
        [profile.key_ciphertext for profile in profiles],
        [profile.key_fingerprint for profile in profiles],
        [profile.ref_id for profile in profiles],
        [None if profile.tags is None else "|".join(profile.tags) for profile in profiles],
    )
