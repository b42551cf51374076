"""Finds the columns of a table by their names, and makes a value of every record."""

from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Generic, TypeVar

import msgspec

from collector.errors import BadLinesError
from collector.table.sheet import Sheet, normalised, read_sheet

T = TypeVar("T")

# More of a header than this is no header.
_LONGEST_NAME = 40
# A file that is no table can have a million names, and each is compared with the known ones.
_MOST_NAMED = 20


class Columns(msgspec.Struct, frozen=True):
    """The columns of a table: those that must be there, those that may, and the longest cell (in characters)."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    longest_cell: int

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)

    def __str__(self) -> str:
        return f"{','.join(self.required)}[,{','.join(self.optional)}]"


class Scanned(msgspec.Struct, Generic[T], frozen=True):
    """What was read, each with the line it began on; and what is wrong, also with lines that could be read."""

    rows: list[tuple[int, T]]
    bad: list[tuple[int, str]]


# Takes the line and its cells, those of the columns that the table has, and returns what is wrong beside the value.
Make = Callable[[int, dict[str, str]], tuple[T | None, list[str]]]


def scan_table(data: bytes | Sheet, columns: Columns, make: Make[T]) -> Scanned[T]:
    """Make a value of every line of a file, or of a sheet that was read, that is not empty.

    Raises:
        BadLinesError: there is no table at all.

    """
    sheet = data if isinstance(data, Sheet) else read_sheet(data, columns.all, columns.longest_cell)
    records = [(line, list(map(str.strip, record))) for line, record in sheet.records if any(map(str.strip, record))]
    if not records:
        raise BadLinesError([sheet.broken or (1, f"the file is empty; its header must be {columns}")])
    (header_line, header), *records = records
    names = _names(header_line, header, columns)
    found: Scanned[T] = Scanned([], [])
    for line, cells in records:
        problems = [_cut(names[i]) for i in range(len(names)) if names[i] and (line, i) in sheet.inexact]
        if problem := _wrong_width(names, cells):
            found.bad.append((line, problem))
            continue
        fields = {name: cell for name, cell in zip(names, cells, strict=False) if name}
        value, wrong = make(line, fields)
        if value is not None:
            found.rows.append((line, value))
        found.bad.extend((line, reason) for reason in (*problems, *wrong))
    if sheet.broken is not None:
        found.bad.append(sheet.broken)
    if not found.rows and not found.bad:
        raise BadLinesError([(header_line, "nothing follows the header")])
    return found


def _cut(name: str) -> str:
    return f"{name} is a number of which the program has dropped digits: make it text there, and type it again"


def _wrong_width(names: Sequence[str], cells: Sequence[str]) -> str | None:
    if len(cells) < len(names):
        return f"{len(cells)} cells, where the header has {len(names)}; {names[len(cells)] or 'the last'} is missing"
    if any(cell and (index >= len(names) or not names[index]) for index, cell in enumerate(cells)):
        return f"more cells than the header has names, which are {len(names)}; is a separator in a cell without quotes?"
    return None


def _names(line: int, header: Sequence[str], columns: Columns) -> list[str]:
    """Return the names of the columns; one that has none is empty."""
    names = [normalised(cell) for cell in header]
    if not set(names) & set(columns.all):
        # Whatever it is, a key may be in it.
        raise BadLinesError([(line, f"none of the columns is named here; the header must be {columns}")])
    missing = [name for name in columns.required if name not in names]
    unknown = [cell for cell, name in zip(header, names, strict=True) if name and name not in columns.all]
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    problems = []
    if missing:
        problems.append(f"missing: {', '.join(missing)}")
    if unknown:
        problems.append(f"not known, delete or rename: {_listed(unknown, partial(_with_guess, columns))}")
    if twice:
        problems.append(f"twice: {_listed(twice)}")
    if problems:
        found = _listed([cell for cell in header if cell])
        raise BadLinesError([(line, f"columns {'; '.join(problems)}. The header found: {found}. Known: {columns}")])
    return names


def _listed(cells: Sequence[str], shown: Callable[[str], str] = lambda cell: cell[:_LONGEST_NAME]) -> str:
    more = [f"and {len(cells) - _MOST_NAMED:,} more"] if len(cells) > _MOST_NAMED else []
    return ", ".join([*map(shown, cells[:_MOST_NAMED]), *more])


def _with_guess(columns: Columns, cell: str) -> str:
    name = normalised(cell)
    guess = get_close_matches(name, columns.all, n=1, cutoff=0.7) or [each for each in columns.all if name in each]
    return f"{cell[:_LONGEST_NAME]} (meant: {guess[0]}?)" if guess else cell[:_LONGEST_NAME]
