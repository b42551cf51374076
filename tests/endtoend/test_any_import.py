"""Whatever stands in the cells of an import, a line is taken or refused in words that show no key."""

from contextlib import suppress
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from collector.errors import BadLinesError
from collector.intake.days import read_days
from collector.intake.mapping import Mapping
from collector.publish.table import scan_pins
from collector.registry.table import scan_profiles
from collector.table.line import csv_rows
from collector.table.moment import DateFormat, Moments

KEY = "PR0F1LE-K3Y-8XYZ.4321"
NEWEST = date(2026, 11, 24)
CELLS = st.text(max_size=30) | st.sampled_from(
    [
        *("", "a", "a|b", "|", "0", "-1", "1.5", "1,234", "1.234", "12.000", "1e3", "9" * 400, "NaN", "n/a", "=1+1"),
        *("2026-11-20", "20.11.2026", "11/20/2026", "2026-13-01", "0000-00-00", "2026-11-20T10:00:00Z", "2030-01-01"),
        *("https://x.example/a.jpg", "http://[", "\u202e", "\ufeff", "\r", '"', "a\nb", "\u0663"),
    ]
)
KEYS = st.sampled_from([KEY, f" {KEY} ", f"{KEY}\u200b", f'"{KEY}"', f"{KEY} {KEY}", f"\u202e{KEY}", KEY * 100])


def table(**columns: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Return files with these columns."""
    rows = st.lists(st.tuples(*columns.values()), min_size=1, max_size=4)
    return rows.map(lambda cells: csv_rows([tuple(columns), *cells]))


@given(data=table(name=CELLS, client=CELLS, profile_key=KEYS, ref_id=CELLS, tags=CELLS))
def test_any_profile_is_taken_or_refused_in_words_without_its_key(data: bytes) -> None:
    with suppress(BadLinesError):
        found = scan_profiles(data)
        assert [reason for _, reason in found.bad if KEY in reason] == []
        assert [profile for _, profile in found.rows if KEY in str(profile) or "\0" in str(profile)] == []


@given(
    data=table(
        profile=CELLS,
        client_ref=CELLS,
        publish_at=CELLS,
        description=CELLS,
        media_urls=CELLS,
        link=CELLS,
        board_id=CELLS,
    )
)
def test_any_pin_is_taken_or_refused(data: bytes) -> None:
    with suppress(BadLinesError):
        assert [pin for _, pin in scan_pins(data, Moments()).rows if "\0" in str(pin)] == []


@given(data=table(date=CELLS, impressions=CELLS, saves=CELLS), form=st.sampled_from(DateFormat))
def test_any_day_is_taken_or_refused(data: bytes, form: DateFormat) -> None:
    with suppress(BadLinesError):
        for _, day in read_days(data, Mapping(), profile="p", form=form, newest=NEWEST).days:
            assert date(2010, 1, 1) <= day.day <= NEWEST
            assert all(number is None or 0 <= number <= 10**12 for number in day.numbers)


@given(number=st.integers(0, 10**12), age=st.integers(0, 3000), form=st.sampled_from(DateFormat))
def test_a_number_as_a_spreadsheet_writes_it_is_read_as_it_is(number: int, age: int, form: DateFormat) -> None:
    day = NEWEST - timedelta(days=age)
    written = {DateFormat.ISO: "%Y-%m-%d", DateFormat.GERMAN: "%d.%m.%Y", DateFormat.US: "%m/%d/%Y"}[form]
    grouped = f"{number:,}" if form is not DateFormat.GERMAN else f"{number:,}".replace(",", ".")
    data = b"date,impressions,saves\n" + f'{day.strftime(written)},"{grouped}",{number}\n'.encode()
    [(_, read)] = read_days(data, Mapping(), profile="p", form=form, newest=NEWEST).days
    assert (read.day, read.numbers[0], read.numbers[2]) == (day, number, number)
