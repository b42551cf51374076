"""The encrypted profile keys, all of them, for who encrypts them anew while daemons poll."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database

_AT_ONCE = 100


class StoredKey(msgspec.Struct, frozen=True):
    """A profile's key as it is stored."""

    id: int
    name: str
    key_ciphertext: bytes


class RenewedKey(msgspec.Struct, frozen=True):
    """The same profile key, encrypted twice."""

    id: int
    before: bytes
    after: bytes


_AFTER = f"SELECT {names(StoredKey)} FROM profile WHERE id > $1 ORDER BY id LIMIT {_AT_ONCE}"

# Whoever waited for a row here could deadlock with the end of polls, so what is locked is left for the next pass. The
# lease stays: the profile key is the same, and so is what a poll under way brings.
_RENEW = f"""
WITH free AS MATERIALIZED (
    SELECT id
    FROM profile
    WHERE id = ANY ($1::bigint[])
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE profile AS p
SET key_ciphertext = r.after
FROM unnest({arrays(RenewedKey)}) AS r ({names(RenewedKey)})
JOIN free USING (id)
WHERE p.id = r.id
  AND p.key_ciphertext = r.before
"""


class CiphertextStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def batches(self) -> AsyncIterator[list[StoredKey]]:
        """Yield all profile keys by id, a hundred at a time."""
        last = 0
        while batch := values(StoredKey, await self._database.fetch(_AFTER, last)):
            yield batch
            last = batch[-1].id

    async def renew(self, renewed: Sequence[RenewedKey]) -> int:
        """Store keys that are still as they were and that nobody has locked; return how many."""
        return await self._database.execute(_RENEW, *columns(RenewedKey, renewed))
