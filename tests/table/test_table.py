"""Tables as programs write them: separators, encodings, headers, workbooks, and times without a zone."""

import io
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from collector.errors import BadLinesError, CollectorError
from collector.table.moment import DateFormat, MomentHints, Moments
from collector.table.scan import Columns, Scanned, scan_table

COLUMNS = Columns(("name", "profile_key"), ("tags",), longest_cell=100)
KNOWN = "Known: name,profile_key[,tags]"
BERLIN = ZoneInfo("Europe/Berlin")
HINTS = MomentHints(", or say it", {form: f", or say {form}" for form in (DateFormat.GERMAN, DateFormat.US)})


def scan(data: bytes | str) -> Scanned[dict[str, str]]:
    return scan_table(data.encode() if isinstance(data, str) else data, COLUMNS, lambda _line, cells: (cells, []))


def workbook(*rows: str) -> bytes:
    """Return a workbook of one sheet, made of the XML of its rows."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    book = (
        f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    date = '<cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
    files = {
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r0" Type="{rel}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{rel}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": book,
        "xl/styles.xml": f'<styleSheet xmlns="{main}">{date}</styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(rows)}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def row(number: int, *cells: str | float) -> str:
    inner = [
        f'<c r="{"ABCDEFG"[i]}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if isinstance(cell, str)
        else f'<c r="{"ABCDEFG"[i]}{number}"><v>{cell!r}</v></c>'
        for i, cell in enumerate(cells)
    ]
    return f'<row r="{number}">{"".join(inner)}</row>'


@pytest.mark.parametrize(
    "data",
    [
        "name,profile_key\nBüro,K1\n",
        "name;profile_key\nBüro;K1\n",
        "name\tprofile_key\r\nBüro\tK1\r\n",
        "sep=;\r\nname;profile_key\r\nBüro;K1\r\n",
        'SEP=|\n"name"|"profile_key"\nBüro|K1',
        "Profile Key,NAME\nK1,Büro\n",
        " profile-key ; Name \nK1;  Büro \n",
        "name,profile_key,,\nBüro,K1,,\n,,,\n ,,,\n",
        "name,profile_key\nBüro,K1,,,,\n",
        "\n\nname,profile_key\n\nBüro,K1\n",
        "name,profile_key\rBüro,K1\r",
        "\ufeffname,profile_key\nBüro,K1\n",
        "name\tprofile_key\r\nBüro\tK1\r\n".encode("utf-16"),
        "\ufeffname,profile_key\nBüro,K1\n".encode("utf-16-be"),
        workbook(row(1, "Name", "Profile Key", ""), row(3, "Büro", "K1", ""), row(4, "", "", "")),
    ],
)
def test_tables_are_read_as_programs_write_them(data: bytes | str) -> None:
    found = scan(data)

    assert [cells for _, cells in found.rows] == [{"name": "Büro", "profile_key": "K1"}]
    assert found.bad == []


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    found = scan('sep=;\r\nname;profile_key\r\n;;\r\n"two\nlines";K1\r\nb;K2;K3\r\n')

    assert [line for line, _ in found.rows] == [4]
    assert found.bad == [
        (6, "more cells than the header has names, which are 2; is a separator in a cell without quotes?")
    ]


@pytest.mark.parametrize(
    ("data", "line", "why"),
    [
        ("", 1, "the file is empty; its header must be name,profile_key[,tags]"),
        ("\n,,\n", 1, "the file is empty; its header must be name,profile_key[,tags]"),
        ("name;tags\n", 1, f"columns missing: profile_key. The header found: name, tags. {KNOWN}"),
        (
            "Name,Key,profile_key,tag\na,b,c,d\n",
            1,
            (
                "columns not known, delete or rename: Key (meant: profile_key?), tag (meant: tags?). "
                f"The header found: Name, Key, profile_key, tag. {KNOWN}"
            ),
        ),
        (
            "\nNAME,name,key\n",
            2,
            (
                "columns missing: profile_key; not known, delete or rename: key (meant: profile_key?); twice: name. "
                f"The header found: NAME, name, key. {KNOWN}"
            ),
        ),
        ("acme,SECRET\n", 1, "none of the columns is named here; the header must be name,profile_key[,tags]"),
        ("name,profile_key\n,,\n", 1, "nothing follows the header"),
        (
            "name,profile_key\na,K1\nMüller,K2\n".encode("cp1252"),
            3,
            (
                "the file is not UTF-8 but probably Windows' cp1252: this line has a letter with an accent; save it as "
                "`CSV UTF-8`, or run: iconv -f CP1252 -t UTF-8 FILE > NEW"
            ),
        ),
        (
            "name,profile_key\na,K1\n".encode("utf-16-le"),
            1,
            (
                "the file is UTF-16LE without a mark that says so; save it as `CSV UTF-8`, or run: "
                "iconv -f UTF-16LE -t UTF-8 FILE > NEW"
            ),
        ),
        (b"\x89PNG\r\n\x1a\n", 1, "the file is no text: neither CSV nor a workbook"),
        (b"\xff\xfea", 1, "the file begins as UTF-16 and does not go on like that; save it again as CSV UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_with_the_mend(data: bytes | str, line: int, why: str) -> None:
    with pytest.raises(BadLinesError) as refused:
        scan(data)

    assert refused.value.lines == [(line, why)]


def test_a_damaged_workbook_is_one_clear_line() -> None:
    with pytest.raises(BadLinesError, match="the workbook cannot be read: "):
        scan(b"PK\x03\x04 and no more")


def test_a_workbook_gives_numbers_and_dates_as_text_and_tells_which_numbers_are_cut() -> None:
    date = '<row r="3"><c r="A3" s="1"><v>46380.75</v></c><c r="B3"><v>42</v></c></row>'
    found = scan(workbook(row(1, "name", "profile_key"), row(2, 7.5, 814941012345678901.0), date))

    assert [cells for _, cells in found.rows][1] == {"name": "2026-12-24 18:00:00", "profile_key": "42"}
    assert found.bad == [
        (2, "profile_key is a number of which the program has dropped digits: make it text there, and type it again")
    ]


@pytest.mark.parametrize(
    ("text", "moments", "utc"),
    [
        ("2026-12-24T18:00:00Z", Moments(), "2026-12-24T18:00"),
        ("2026-12-24 18:00+01:00", Moments(BERLIN, DateFormat.US), "2026-12-24T17:00"),
        ("2026-12-24 18:00", Moments(BERLIN), "2026-12-24T17:00"),
        ("2026-07-24 18:00", Moments(BERLIN), "2026-07-24T16:00"),
        ("24.12.2026  18:00", Moments(BERLIN, DateFormat.GERMAN), "2026-12-24T17:00"),
        ("1.2.2026 8:05:30", Moments(BERLIN, DateFormat.GERMAN), "2026-02-01T07:05:30"),
        ("2026-12-24 18:00", Moments(BERLIN, DateFormat.GERMAN), "2026-12-24T17:00"),
        ("12/24/2026 6:00 PM", Moments(BERLIN, DateFormat.US), "2026-12-24T17:00"),
        ("1/2/2026 18:00", Moments(BERLIN, DateFormat.US), "2026-01-02T17:00"),
    ],
)
def test_times_are_read_as_was_said(text: str, moments: Moments, utc: str) -> None:
    assert moments.read(text) == datetime.fromisoformat(f"{utc}+00:00")


@pytest.mark.parametrize(
    ("text", "moments", "why"),
    [
        ("soon", Moments(), "is not a time: soon; write 2026-12-24T18:00:00Z"),
        (
            "2026-12-24T18:00",
            Moments(),
            "has no zone: 2026-12-24T18:00; write 2026-12-24T18:00:00Z or [+]01:00 at its end$",
        ),
        ("2026-12-24T18:00", Moments(hints=HINTS), "has no zone: .* at its end, or say it$"),
        ("24.12.2026 18:00", Moments(BERLIN), "is not a time: .*Z$"),
        ("24.12.2026 18:00", Moments(BERLIN, hints=HINTS), "is not a time: .*, or say german$"),
        ("12/24/2026 6:00 PM", Moments(BERLIN, hints=HINTS), "is not a time: .*, or say us$"),
        ("24/12/2026 18:00", Moments(BERLIN, DateFormat.US), "is not a time: .*; write 12/24/2026 6:00 PM$"),
        ("24.12.2026", Moments(BERLIN, DateFormat.GERMAN), "has no time of day: 24.12.2026; write 24.12.2026 18:00"),
        ("2026-12-24", Moments(BERLIN), "has no time of day: 2026-12-24"),
        ("2026-03-29 02:30", Moments(BERLIN), "does not exist in Europe/Berlin, where clocks change: 2026-03-29 02:30"),
        ("2026-10-25 02:30", Moments(BERLIN), "comes twice in Europe/Berlin.*, like 2026-10-25T02:30:00[+]02:00"),
        ("0001-01-01T00:00:00+14:00", Moments(), "is out of range"),
    ],
)
def test_a_time_that_could_be_another_is_refused(text: str, moments: Moments, why: str) -> None:
    with pytest.raises(CollectorError, match=why):
        moments.read(text)
