"""Reads CSV tables that people made: every bad line with its number and its reason, to be mended at once."""

import csv
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from collector.errors import BadLinesError, CollectorError

T = TypeVar("T")


class Columns(msgspec.Struct, frozen=True):
    """The columns of a table: those that must be there, those that may, and the longest field (in characters)."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    longest_field: int

    def header(self) -> str:
        return f"the header must be {','.join(self.required)}[,{','.join(self.optional)}]"


class Scanned(msgspec.Struct, Generic[T], frozen=True):
    """What was read, each with the line it began on; and the lines that could not be."""

    rows: list[tuple[int, T]]
    bad: list[tuple[int, str]]


def scan_table(lines: Iterable[str], columns: Columns, make: Callable[[int, dict[str, str]], T]) -> Scanned[T]:
    """Make something of every line; what ``make`` raises as a ``CollectorError`` is the reason of a bad one.

    Raises:
        BadLinesError: there is no table at all.

    """
    csv.field_size_limit(columns.longest_field)
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    found: Scanned[T] = Scanned([], [])
    # Where a record begins. The reader itself counts to its end, which for a quote that is never closed is the file's.
    number = 1
    try:
        for record in reader:
            if record and header is None:
                header = _header(record, columns)
            elif record and header is not None:
                try:
                    found.rows.append((number, make(number, _fields(header, record))))
                except CollectorError as error:
                    found.bad.append((number, str(error)))
            number = reader.line_num + 1
    except csv.Error as error:
        found.bad.append((number, f"not CSV: {error}"))
    if not found.rows and not found.bad:
        raise BadLinesError([(max(number - 1, 1), "nothing follows the header" if header else columns.header())])
    return found


def _header(record: Sequence[str], columns: Columns) -> list[str]:
    names = [name.strip() for name in record]
    known = {*columns.required, *columns.optional}
    if not known.issuperset(names) or not set(names).issuperset(columns.required) or len(set(names)) != len(names):
        raise BadLinesError([(1, columns.header())])
    return names


def _fields(header: list[str], record: list[str]) -> dict[str, str]:
    if len(record) != len(header):
        raise CollectorError(f"{'more' if len(record) > len(header) else 'fewer'} fields than the header has")
    return dict(zip(header, record, strict=True))
