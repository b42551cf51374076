"""Lines of CSV, read again by what spreadsheets do."""

import csv
import io

import msgspec

from collector.table.line import csv_lines


class Note(msgspec.Struct):
    """A row with a text."""

    text: str
    number: int


def test_whatever_a_text_holds_is_one_cell() -> None:
    texts = ["a\rb", "a\r\nb", "a\nb", 'a"b,c;d', "\r=1+1"]
    lines = csv_lines(Note, [Note(text, -1) for text in texts], head=False).decode()
    rows = list(csv.reader(io.StringIO(lines, newline="")))
    assert rows == [["a\nb", "-1"], ["a\nb", "-1"], ["a\nb", "-1"], ['a"b,c;d', "-1"], ["\n=1+1", "-1"]]
