"""Turns a file into records of cells: CSV as programs write it, or a workbook. Knows nothing of what cells mean."""

import codecs
import csv
import io
import re
from collections.abc import Collection
from datetime import datetime

import msgspec

from collector.errors import BadLinesError

_SEPARATORS = (",", ";", "\t")
# Excel writes this line, and does not show it, so that every Excel reads the file alike.
_EXCEL_SEPARATOR = re.compile(r'\A"?sep=(.)"?[ ,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Excel keeps fifteen digits of a number.
_FIRST_INEXACT = 10**15
# Of a first line; one of a hundred thousand cells is no header.
_LONGEST_HEADER = 20_000
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


class Sheet(msgspec.Struct, frozen=True):
    """The records of a file, each with the line it begins on; ``broken`` is where reading had to end, and why.

    ``inexact`` are the cells (line, index) that hold a number of which the program has dropped digits.
    """

    records: list[tuple[int, list[str]]]
    broken: tuple[int, str] | None = None
    inexact: frozenset[tuple[int, int]] = frozenset()


def normalised(name: str) -> str:
    """Return a column's name in the form in which names are compared."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def is_workbook(data: bytes) -> bool:
    return data.startswith(_WORKBOOKS)


def read_sheet(data: bytes, columns: Collection[str], longest_cell: int) -> Sheet:
    """Read a file; ``columns`` are the names by which the separator is recognised.

    Raises:
        BadLinesError: it is no table, with what would make it one.

    """
    if is_workbook(data):
        return _workbook(data)
    text = _decoded(data)
    found = _EXCEL_SEPARATOR.match(text)
    if found is not None:
        return _records(text[found.end() :], found[1], longest_cell, first=2)
    return _records(text, _separator(text, columns), longest_cell, first=1)


def _decoded(data: bytes) -> str:
    try:
        if data.startswith(_UTF16):
            return data.decode("utf-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadLinesError([(1 + data.count(b"\n", 0, error.start), _not_utf8(data))]) from None
    if data[:2].count(0) == 1:
        kind = "UTF-16BE" if data[0] == 0 else "UTF-16LE"
        raise BadLinesError([(1, f"the file is {kind} without a mark that says so; {_save_as(kind)}")])
    return text


def _not_utf8(data: bytes) -> str:
    if data.startswith(_UTF16):
        return "the file begins as UTF-16 and does not go on like that; save it again as CSV UTF-8"
    if _NO_TEXT.search(data.decode("latin-1")):
        return "the file is no text: neither CSV nor a workbook"
    return f"the file is not UTF-8 but probably Windows' cp1252: this line has a letter with an accent; {_save_as()}"


def _save_as(encoding: str = "CP1252") -> str:
    return f"save it as `CSV UTF-8`, or run: iconv -f {encoding} -t UTF-8 FILE > NEW"


def _separator(text: str, columns: Collection[str]) -> str:
    """Return the separator that makes most of the first line's cells names of columns."""
    header = next((line for line in io.StringIO(text) if line.strip()), "")[:_LONGEST_HEADER]

    def known(separator: str) -> int:
        return sum(normalised(cell.strip(' "\r\n')) in columns for cell in header.split(separator))

    return max(_SEPARATORS, key=known)


def _records(text: str, separator: str, longest_cell: int, *, first: int) -> Sheet:
    csv.field_size_limit(longest_cell)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records = []
    # Where a record begins. The reader itself counts to its end, which for a quote that is never closed is the file's.
    number = first
    try:
        for record in reader:
            records.append((number, record))
            number = reader.line_num + first
    except csv.Error as error:
        return Sheet(records, broken=(number, _why_broken(str(error), longest_cell)))
    return Sheet(records)


def _why_broken(error: str, longest_cell: int) -> str:
    if "field limit" in error:
        return f"a cell is longer than {longest_cell} characters; is a quotation mark never closed?"
    if "unexpected end" in error:
        return "a quotation mark is opened here and never closed"
    return 'text follows a closing quotation mark; a mark inside a cell is written twice: ""'


def _workbook(data: bytes) -> Sheet:
    try:
        from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 -- an extra that may be missing
    except ImportError:
        raise BadLinesError(
            [(1, "the file is a workbook; save it as `CSV UTF-8`, or: pip install 'pinterest-collector[xlsx]'")]
        ) from None
    try:
        rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise BadLinesError([(1, f"the workbook cannot be read: {error}")]) from None
    inexact = {
        (line, index)
        for line, row in enumerate(rows, start=1)
        for index, cell in enumerate(row)
        if isinstance(cell, int | float) and abs(cell) >= _FIRST_INEXACT
    }
    return Sheet([(line, list(map(_text, row))) for line, row in enumerate(rows, start=1)], inexact=frozenset(inexact))


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
