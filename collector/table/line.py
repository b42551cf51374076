"""Writes tables as lines of CSV that a spreadsheet takes for text where they are text."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

# A spreadsheet would calculate a cell that begins so.
_FORMULA = ("=", "+", "-", "@", "\t")


def csv_lines(kind: type[msgspec.Struct], values: Sequence[msgspec.Struct], *, head: bool = True) -> bytes:
    """Return values as CSV, with the names of their fields first; several values in a cell are separated by ``|``.

    A ``'`` is put before a text that a spreadsheet would take for a formula.
    """
    return csv_rows([*([kind.__struct_fields__] if head else []), *map(msgspec.structs.astuple, values)])


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV, with the same care."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = "" if value is None else "|".join(value) if isinstance(value, list) else str(value)
    # The writer quotes for the sake of the line ends that it writes, and a return alone would end the line as well.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) else text
