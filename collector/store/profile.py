"""The registry of profiles: adding, importing, listing, and changing them. Keys come and go only encrypted."""

import re
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from collector.errors import RegistryError
from collector.models import ProfileState
from collector.store.columns import names, values
from collector.store.pool import Database


class NewProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as it is to be stored; ``name`` identifies it."""

    name: str
    client: str
    key_ciphertext: bytes
    key_fingerprint: bytes
    ref_id: str | None = None
    tags: tuple[str, ...] = ()


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


class Imported(msgspec.Struct, frozen=True):
    """What an import changed."""

    added: int
    updated: int
    unchanged: int


_LIST = f"SELECT {names(RegisteredProfile)} FROM profile ORDER BY name"
_NAMED = f"SELECT {names(RegisteredProfile)} FROM profile WHERE name = ANY ($1::text[]) ORDER BY name"

_DUE_IDS = "SELECT id FROM profile WHERE next_poll_at <= now() ORDER BY next_poll_at"
_UNPAUSED_IDS = "SELECT id FROM profile WHERE state <> 'paused' ORDER BY next_poll_at"
_SAMPLE_OF_CIPHERTEXTS = """
SELECT key_ciphertext
FROM profile
WHERE id IN ((SELECT min(id) FROM profile), (SELECT max(id) FROM profile))
"""

# An argument that is not UTF-8 arrives with surrogates: no profile has such a name, and the driver cannot send it.
_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")

# Imports are rare and must see each other's keys, so they go one at a time.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('collector.registry'))"

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

# A key that did not change keeps its old ciphertext, so that an import repeated writes nothing. A profile whose key did
# change is read at once; taking its lease away makes the result of a poll with the old key void.
_UPSERT = """
WITH incoming AS (
    SELECT name, client, key_ciphertext, key_fingerprint, ref_id, string_to_array(nullif(tags, ''), '|') AS tags
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[])
        AS i (name, client, key_ciphertext, key_fingerprint, ref_id, tags)
),
updated AS (
    UPDATE profile AS p
    SET client = i.client,
        tags = coalesce(i.tags, '{}'),
        ref_id = i.ref_id,
        key_ciphertext = CASE
            WHEN p.key_fingerprint = i.key_fingerprint THEN p.key_ciphertext
            ELSE i.key_ciphertext
        END,
        key_fingerprint = i.key_fingerprint,
        state = CASE
            WHEN p.key_fingerprint <> i.key_fingerprint AND p.state = 'key_invalid' THEN 'active'
            ELSE p.state
        END,
        next_poll_at = CASE
            WHEN p.key_fingerprint <> i.key_fingerprint AND p.state <> 'paused' THEN now()
            ELSE p.next_poll_at
        END,
        lease_until = CASE WHEN p.key_fingerprint = i.key_fingerprint THEN p.lease_until END,
        lease_owner = CASE WHEN p.key_fingerprint = i.key_fingerprint THEN p.lease_owner END
    FROM incoming i
    WHERE p.name = i.name
      AND (p.client, p.tags, p.ref_id, p.key_fingerprint)
          IS DISTINCT FROM (i.client, coalesce(i.tags, '{}'), i.ref_id, i.key_fingerprint)
    RETURNING p.name
),
added AS (
    INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, ref_id, tags)
    SELECT i.name, i.client, i.key_ciphertext, i.key_fingerprint, i.ref_id, coalesce(i.tags, '{}')
    FROM incoming i
    WHERE NOT EXISTS (SELECT FROM profile p WHERE p.name = i.name)
    RETURNING name
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM updated) AS updated
"""

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
    lease_until = NULL, lease_owner = NULL
WHERE name = $1
"""
_REMOVE = "DELETE FROM profile WHERE name = ANY ($1::text[]) RETURNING id"
_REMOVE_DATA = tuple(
    f"DELETE FROM {table} WHERE profile_id = ANY ($1::bigint[])"
    for table in (
        "daily_metric",
        "daily_metric_revision",
        "account_snapshot",
        "poll_log",
        "drop_episode",
        "drop_verdict",
    )
)
# A choice for a name would else be that of the next profile of this name.
_REMOVE_SENSITIVITY = "DELETE FROM drop_sensitivity WHERE scope = 'profile' AND name = ANY ($1::text[])"
_REMOVE_PINS = "DELETE FROM pin WHERE profile_id IN (SELECT id FROM profile WHERE name = ANY ($1::text[]))"
# Or a pin could be queued between looking and deleting.
_LOCK_NAMED = "SELECT FROM profile WHERE name = ANY ($1::text[]) ORDER BY id FOR UPDATE"
_OPEN_PINS = """
SELECT f.name, count(*)
FROM pin p
JOIN profile f ON f.id = p.profile_id
WHERE f.name = ANY ($1::text[])
  AND p.state IN ('queued', 'sending', 'unknown')
GROUP BY f.name
ORDER BY f.name
"""
_COUNT_DAYS = "SELECT count(*) FROM daily_metric WHERE profile_id = ANY ($1::bigint[])"


class ProfileStore:
    """Everything an operator does to the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sample_of_ciphertexts(self) -> list[bytes]:
        """Return the encrypted keys of the oldest and the newest profile, to try the encryption keys on."""
        return [ciphertext for (ciphertext,) in await self._database.fetch(_SAMPLE_OF_CIPHERTEXTS)]

    async def all(self) -> list[RegisteredProfile]:
        return values(RegisteredProfile, await self._database.fetch(_LIST))

    async def named(self, names: Sequence[str]) -> list[RegisteredProfile]:
        """Return these profiles.

        Raises:
            RegistryError: one or more are not registered.

        """
        sendable = [name for name in set(names) if not _UNSENDABLE.search(name)]
        found = values(RegisteredProfile, await self._database.fetch(_NAMED, sendable))
        unknown = sorted(set(names) - {profile.name for profile in found})
        if unknown:
            raise RegistryError(f"no such profile: {', '.join(unknown)}; `collector profiles list` shows them all")
        return found

    async def due_ids(self) -> list[int]:
        return [profile_id for (profile_id,) in await self._database.fetch(_DUE_IDS)]

    async def unpaused_ids(self) -> list[int]:
        return [profile_id for (profile_id,) in await self._database.fetch(_UNPAUSED_IDS)]

    async def put(self, profiles: Sequence[NewProfile]) -> Imported:
        """Add or update profiles by name, all or none.

        Raises:
            RegistryError: a key is already registered under another name.

        """
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            await _refuse_shared_keys(connection, profiles)
            added, updated = await connection.fetchrow(
                _UPSERT,
                [p.name for p in profiles],
                [p.client for p in profiles],
                [p.key_ciphertext for p in profiles],
                [p.key_fingerprint for p in profiles],
                [p.ref_id for p in profiles],
                ["|".join(p.tags) for p in profiles],
            )
        return Imported(added, updated, len(profiles) - added - updated)

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
        [profile] = await self.named([name])
        new = NewProfile(name=name, client=profile.client, key_ciphertext=ciphertext, key_fingerprint=fingerprint)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            await _refuse_shared_keys(connection, [new])
            await connection.execute(_ROTATE_KEY, name, ciphertext, fingerprint)

    async def count_days(self, names: Sequence[str]) -> int:
        """Return how many days of metrics these profiles have. Raises ``RegistryError`` for an unknown one."""
        return int(await self._database.fetchval(_COUNT_DAYS, [profile.id for profile in await self.named(names)]))

    async def remove(self, names: Sequence[str]) -> None:
        """Delete profiles with their keys, all their data and their pins.

        Raises:
            RegistryError: one is unknown, or has pins that are not published yet or whose fate is not known.

        """
        await self.named(names)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_NAMED, names)
            open_pins = await connection.fetch(_OPEN_PINS, names)
            if open_pins:
                listed = ", ".join(f"{name} has {count}" for name, count in open_pins)
                raise RegistryError(f"pins are not settled: {listed}; `collector pins cancel` them first")
            await connection.execute(_REMOVE_PINS, names)
            await connection.execute(_REMOVE_SENSITIVITY, names)
            ids = [profile_id for (profile_id,) in await connection.fetch(_REMOVE, names)]
            for statement in _REMOVE_DATA:
                await connection.execute(statement, ids)


async def _refuse_shared_keys(connection: asyncpg.Connection, profiles: Sequence[NewProfile]) -> None:
    names = [profile.name for profile in profiles]
    shared = await connection.fetch(_SHARED_KEYS, names, [profile.key_fingerprint for profile in profiles])
    if shared:
        pairs = ", ".join(f"{wanted} has the key of {registered}" for registered, wanted in shared[:5])
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""  # noqa: PLR2004 -- as many as fit a line
        raise RegistryError(f"a profile key belongs to one profile only: {pairs}{more}; nothing was changed")
