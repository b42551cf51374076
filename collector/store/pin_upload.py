"""Keeps uploaded tables of pins until somebody confirms them."""

from datetime import datetime

import msgspec

from collector.store.columns import names, values
from collector.store.pin_import import Imported
from collector.store.pool import Database


class NewUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A file and how it is read; an empty ``time_zone`` is none, ``media`` is JSON, ``client`` who may see it."""

    client: str | None
    file_name: str
    data: bytes
    time_zone: str
    date_format: str
    replaces: bool
    past: bool
    media: str


class Upload(NewUpload, frozen=True, kw_only=True):
    """An upload; ``done_at`` is when its pins were queued, and the counts what became of its lines."""

    id: str
    created_at: datetime
    done_at: datetime | None
    queued: int | None
    changed: int | None
    known: int | None


_FORGET = "DELETE FROM pin_upload WHERE created_at < now() - interval '1 day'"
# With the new one there are twenty at most of a client: nobody pushes out what others uploaded.
_ADD = f"""
WITH full_up AS (
    DELETE FROM pin_upload
    WHERE id IN (
        SELECT id FROM pin_upload WHERE client IS NOT DISTINCT FROM $1 ORDER BY created_at DESC OFFSET 19
    )
)
INSERT INTO pin_upload ({names(NewUpload)})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id::text
"""
_FIND = f"""
SELECT {names(NewUpload)}, id::text, created_at, done_at, queued, changed, known
FROM pin_upload
WHERE id = $1::uuid
  AND client IS NOT DISTINCT FROM $2
  AND created_at > now() - interval '1 day'
"""
# Of two that confirm at once, one queued the pins, and the other found them known; either may come first here.
_FINISH = """
UPDATE pin_upload
SET done_at = coalesce(done_at, now()), data = '', queued = greatest(queued, $2), changed = greatest(changed, $3),
    known = least(known, $4)
WHERE id = $1::uuid
"""


class UploadStore:
    """What was uploaded; each is seen by the visitors of the client whose visitor uploaded it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewUpload) -> str:
        """Keep an upload, forget the oldest where there are many, and return its id."""
        return str(await self._database.fetchval(_ADD, *msgspec.structs.astuple(new)))

    async def find(self, upload_id: str, client: str | None) -> Upload | None:
        found = values(Upload, await self._database.fetch(_FIND, upload_id, client))
        return found[0] if found else None

    async def finish(self, upload_id: str, done: Imported, *, lines: int) -> None:
        """Record what became of an upload's ``lines``, and drop its file."""
        known = lines - done.created - done.replaced
        await self._database.execute(_FINISH, upload_id, done.created, done.replaced, known)


async def forget_uploads(database: Database) -> int:
    """Delete what nobody confirmed within a day, and return how many there were."""
    return await database.execute(_FORGET)
