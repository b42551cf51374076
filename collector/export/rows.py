"""Writes rows as Parquet and as workbooks, a few at a time. The libraries are optional."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from collector.errors import ConfigurationError
from collector.models.export import Column, Kind

# With its header, what a sheet holds at most.
_ROWS_OF_A_SHEET: Final = 1_048_576
_LETTERS_OF_A_CELL: Final = 32_767
# What describes a group of rows is in memory until the file ends, and the group itself until it is written.
_ROWS_OF_A_GROUP: Final = 65_536


class RowWriter(Protocol):
    """Writes rows to a file; it is whole after ``close``."""

    def write(self, rows: Sequence[Sequence[Any]]) -> None: ...

    def close(self) -> None: ...


def open_parquet(file: BinaryIO, name: str, columns: Sequence[Column]) -> RowWriter:
    """Raises ``ConfigurationError`` where pyarrow is not installed."""
    del name
    try:
        import pyarrow  # noqa: ICN001, PLC0415 -- optional, and slow to import
        from pyarrow import parquet  # noqa: PLC0415 -- as above
    except ImportError as error:
        raise _missing("parquet", "pyarrow", error) from error
    types = {
        Kind.TEXT: pyarrow.string(),
        Kind.WHOLE: pyarrow.int64(),
        Kind.FRACTION: pyarrow.float64(),
        Kind.DATE: pyarrow.date32(),
        Kind.TIME: pyarrow.timestamp("us", "UTC"),
        Kind.FLAG: pyarrow.bool_(),
        Kind.LIST: pyarrow.list_(pyarrow.string()),
        Kind.JSON: pyarrow.string(),
    }
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    # The usual one keeps what is freed: a sixth more at the peak.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    return _Parquet(
        parquet.ParquetWriter(file, schema),
        partial(pyarrow.record_batch, schema=schema),
        partial(pyarrow.Table.from_batches, schema=schema),
    )


def open_workbook(file: BinaryIO, name: str, columns: Sequence[Column]) -> RowWriter:
    """Raises ``ConfigurationError`` where XlsxWriter is not installed."""
    try:
        import xlsxwriter  # noqa: PLC0415 -- optional
    except ImportError as error:
        raise _missing("xlsx", "XlsxWriter", error) from error
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    return _Workbook(xlsxwriter.Workbook(file, options), name, columns)


def _missing(form: str, library: str, error: ImportError) -> ConfigurationError:
    how = f"pip install 'pinterest-collector[{form}]'"
    return ConfigurationError([f"--format {form} needs {library}: {how} ({error})"])


class _Parquet:
    def __init__(
        self,
        writer: Any,  # noqa: ANN401 -- pyarrow has no types
        batch: Callable[[list[Any]], Any],
        group: Callable[[list[Any]], Any],
    ) -> None:
        self._writer = writer
        self._batch = batch
        self._group = group
        self._held: list[Any] = []

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._held.append(self._batch([list(column) for column in zip(*rows, strict=True)]))
        if sum(map(len, self._held)) >= _ROWS_OF_A_GROUP:
            self._write_group()

    def close(self) -> None:
        if self._held:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(self._group(self._held))
        self._held.clear()


class _Workbook:
    def __init__(self, workbook: Any, name: str, columns: Sequence[Column]) -> None:  # noqa: ANN401 -- optional
        self._workbook = workbook
        self._name = name
        self._columns = columns
        self._forms = {
            Kind.DATE: workbook.add_format({"num_format": "yyyy-mm-dd"}),
            Kind.TIME: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        self._sheets = 0
        self._row = _ROWS_OF_A_SHEET
        self._sheet: Any = None
        self._next_sheet()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            if self._row == _ROWS_OF_A_SHEET:
                self._next_sheet()
            for number, (column, value) in enumerate(zip(self._columns, row, strict=True)):
                self._cell(number, column.kind, value)
            self._row += 1

    def close(self) -> None:
        self._workbook.close()

    def _next_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._workbook.add_worksheet(self._name if self._sheets == 1 else f"{self._name} {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        for number, column in enumerate(self._columns):
            self._sheet.write_string(0, number, column.name)
        self._row = 1

    def _cell(self, number: int, kind: Kind, value: Any) -> None:  # noqa: ANN401 -- what the column's kind says
        match value:
            case None:
                return
            case bool():
                self._sheet.write_boolean(self._row, number, value)
            case int() | float():
                self._sheet.write_number(self._row, number, value)
            case date() | datetime():
                self._sheet.write_datetime(self._row, number, value, self._forms[kind])
            case _:
                text = "|".join(value) if isinstance(value, list) else str(value)
                self._sheet.write_string(self._row, number, text[:_LETTERS_OF_A_CELL])


def columns_of(kind: type[msgspec.Struct]) -> list[Column]:
    """Return the columns of values that are already read."""
    kinds = {date: Kind.DATE, datetime: Kind.TIME, bool: Kind.FLAG, int: Kind.WHOLE, float: Kind.FRACTION}
    return [
        Column(field.name, kinds.get(field.type, Kind.WHOLE if field.type == int | None else Kind.TEXT))
        for field in msgspec.structs.fields(kind)
    ]
