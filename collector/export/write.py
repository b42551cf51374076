"""Writes a table to a file in the format that is asked for, in constant memory however long the table is."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, BinaryIO, Final

import msgspec

from collector.export.rows import RowWriter, columns_of, open_parquet, open_workbook
from collector.models.export import Choice, Column, Table
from collector.models.gap import Gap
from collector.store.export import COLUMNS, ExportStore
from collector.table.line import csv_lines

Advance = Callable[[int], None]


class FileFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    XLSX = "xlsx"


_OPEN: Final[dict[FileFormat, Callable[[BinaryIO, str, Sequence[Column]], RowWriter]]] = {
    FileFormat.PARQUET: open_parquet,
    FileFormat.XLSX: open_workbook,
}


async def write_table(
    store: ExportStore, table: Table, choice: Choice, form: FileFormat, file: BinaryIO, advance: Advance
) -> None:
    """Write a table; ``advance`` is told of rows as they are written.

    Raises:
        ConfigurationError: the format needs a library that is not installed.
    """
    if form is FileFormat.CSV:
        await store.as_csv(table, choice, _lines(file, advance))
    elif form is FileFormat.JSON:
        array = _Array(file)
        await store.as_json(table, choice, _lines(array, advance))
        array.end()
    else:
        writer = _OPEN[form](file, table.value, COLUMNS[table])
        async for rows in store.rows(table, choice):
            writer.write(rows)
            advance(len(rows))
        writer.close()


def write_gaps(found: Sequence[Gap], choice: Choice, form: FileFormat, file: BinaryIO) -> int:
    """Write the gaps that have any of the days, and return how many. Raises as :func:`write_table` does."""
    first, last = choice.first_day or date.min, choice.last_day or date.max
    gaps = [gap for gap in found if gap.last_day >= first and gap.first_day <= last]
    if form is FileFormat.CSV:
        file.write(csv_lines(Gap, gaps))
    elif form is FileFormat.JSON:
        file.write(msgspec.json.format(msgspec.json.encode(gaps), indent=2) + b"\n")
    else:
        writer = _OPEN[form](file, Table.GAPS.value, columns_of(Gap))
        writer.write([msgspec.structs.astuple(gap) for gap in gaps])
        writer.close()
    return len(gaps)


class _Array:
    """Makes a JSON array of lines that come in pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._before = b"["

    def write(self, piece: bytes) -> None:
        """Take whole lines."""
        self._file.write(self._before + b"\n" + piece[:-1].replace(b"\n", b",\n"))
        self._before = b","

    def end(self) -> None:
        self._file.write(b"[]\n" if self._before == b"[" else b"\n]\n")


def _lines(file: Any, advance: Advance) -> Callable[[bytes], Awaitable[None]]:  # noqa: ANN401 -- whatever has write
    async def write(piece: bytes) -> None:
        file.write(piece)
        advance(piece.count(b"\n"))

    return write
