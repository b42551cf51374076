"""Any file at all is a table or is refused in words, and so is any time and any zone."""

import io
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlsxwriter import Workbook

from collector.errors import BadLinesError, CollectorError, MomentError
from collector.table.line import csv_rows
from collector.table.moment import DateFormat, Moments, zone_named
from collector.table.scan import Columns, Scanned, scan_table

COLUMNS = Columns(("name", "profile_key"), ("tags",), longest_cell=100)
HEAD = b"name,profile_key,tags\n"
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
YEAR_1 = datetime.min  # noqa: DTZ901 -- clocks on a wall have no zone
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


def scan(data: bytes) -> Scanned[dict[str, str]] | None:
    try:
        return scan_table(data, COLUMNS, lambda _line, cells: (cells, []))
    except BadLinesError:
        return None


@pytest.fixture(scope="module")
def workbook() -> bytes:
    packed = io.BytesIO()
    with Workbook(packed) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate((("name", "profile_key", "tags"), ("a", "KEY-1", 5), ("b", "KEY-2", 1e20))):
            sheet.write_row(row, 0, cells)
    return packed.getvalue()


@given(
    data=st.binary() | st.text().map(str.encode),
    head=st.sampled_from([b"", HEAD, b"sep=;\n", b"\xff\xfe", b"PK\x03\x04"]),
)
def test_any_bytes_are_a_table_or_refused(data: bytes, head: bytes) -> None:
    scan(head + data)


@given(place=st.floats(0, 1, exclude_max=True), other=st.binary(max_size=8), cut=st.booleans())
def test_a_damaged_workbook_is_a_table_or_refused(workbook: bytes, place: float, other: bytes, *, cut: bool) -> None:
    at = int(place * len(workbook))
    scan(workbook[:at] + other + (b"" if cut else workbook[at + len(other) :]))


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_what_is_written_as_a_table_is_read_as_it_was(rows: list[tuple[str, str, str]]) -> None:
    told = [tuple(map(str.strip, row)) for row in rows if any(map(str.strip, row))]
    read = scan(HEAD + csv_rows(rows))
    found = [] if read is None else [tuple(cells.values()) for _, cells in read.rows]
    # A formula has a mark before it, which is for spreadsheets.
    assert [tuple(cell.removeprefix("'") for cell in row) for row in found] == [
        tuple(cell.removeprefix("'") for cell in row) for row in told
    ]


@given(
    text=st.text()
    | st.datetimes().map(str)
    | st.from_regex(r"\d{1,2}[./]\d{1,2}[./]\d{4} \d{1,2}:\d\d( [AP]M)?", fullmatch=True),
    zone=st.none() | st.sampled_from(ZONES).map(ZoneInfo),
    form=st.sampled_from(DateFormat),
)
def test_any_text_is_a_moment_or_refused(text: str, zone: ZoneInfo | None, form: DateFormat) -> None:
    with suppress(MomentError):
        assert Moments(zone, form).read(text).tzinfo is UTC


@given(
    local=st.datetimes(YEAR_1.replace(year=1980), YEAR_1.replace(year=2100)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_a_local_time_is_the_moment_at_which_clocks_there_show_it(local: datetime, zone: ZoneInfo) -> None:
    with suppress(MomentError):
        assert Moments(zone).read(local.isoformat()).astimezone(zone).replace(tzinfo=None) == local


@given(
    name=st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["", ".", "..", "/", "Europe", "../etc/passwd", "\0", "a" * 300])
)
def test_any_name_is_a_zone_or_refused(name: str) -> None:
    with suppress(CollectorError):
        assert zone_named(name).key == name
