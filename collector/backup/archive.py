"""A backup as a file: a zip with what is in the database, `contents.json`, and a file of COPY's text for each table."""

import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, Final

import msgspec

from collector.errors import CollectorError
from collector.models.backup import Contents, TableContents
from collector.store.contents import Connection, read_table

Advance = Callable[[int], None]

_CONTENTS: Final = "contents.json"
_PIECE_BYTES: Final = 1 << 20
_LEVEL: Final = 3
# As much would be thousands of tables.
_MOST_CONTENTS_BYTES: Final = 1 << 20
# The last is what an encrypted or endlessly nested entry raises.
_NOT_WHOLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, KeyError, EOFError, UnicodeDecodeError, msgspec.MsgspecError),
    RuntimeError,
)


async def write_archive(connection: Connection, found: Contents, file: BinaryIO, advance: Advance) -> None:
    """Write the tables of a snapshot; ``advance`` is told of rows as they are written."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        archive.writestr(_CONTENTS, msgspec.json.format(msgspec.json.encode(found), indent=2))
        for table in found.tables:
            with archive.open(_entry(table), "w", force_zip64=True) as entry:

                async def take(piece: bytes, entry: IO[bytes] = entry) -> None:
                    entry.write(piece)
                    advance(piece.count(b"\n"))

                await read_table(connection, table, take)


class Archive:
    """A backup to read from."""

    def __init__(self, archive: zipfile.ZipFile, contents: Contents) -> None:
        self.contents = contents
        self._archive = archive

    async def pieces(self, table: TableContents, advance: Advance) -> AsyncIterator[bytes]:
        """Yield the lines of a table. Raises ``CollectorError`` where the file is damaged."""
        with _whole(), self._archive.open(_entry(table)) as entry:
            while piece := entry.read(_PIECE_BYTES):
                yield piece
                advance(piece.count(b"\n"))


@contextmanager
def open_archive(file: BinaryIO) -> Iterator[Archive]:
    """Yield the backup in a file. Raises ``CollectorError`` where it is none."""
    with _whole():
        archive = zipfile.ZipFile(file)
    with archive:
        with _whole():
            contents = _contents(archive)
        yield Archive(archive, contents)


def _contents(archive: zipfile.ZipFile) -> Contents:
    if archive.getinfo(_CONTENTS).file_size > _MOST_CONTENTS_BYTES:
        raise zipfile.BadZipFile(f"{_CONTENTS} is too large")
    found = msgspec.json.decode(archive.read(_CONTENTS), type=Contents)
    if not found.migrations:
        raise zipfile.BadZipFile(f"{_CONTENTS} names no migration")
    return found


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except _NOT_WHOLE as error:
        raise CollectorError(f"this is no whole backup of `collector backup`: {error}; nothing was changed") from error


def _entry(table: TableContents) -> str:
    return f"{table.name}.copy"
