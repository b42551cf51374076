from datetime import date

import holidays
import pytest

from collector.holiday import MANY, black_friday, holidays_of, is_known, name_of


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("DE", date(2026, 10, 3), "German Unity Day"),
        ("US", date(2026, 10, 3), None),
        (None, date(2026, 10, 3), None),
        (None, date(2026, 4, 3), "Good Friday"),
        ("DE", date(2026, 11, 27), "Black Friday"),
        ("FR", date(2026, 7, 14), "National Day"),
    ],
)
def test_a_day_has_the_name_that_the_country_gives_it(country: str | None, day: date, name: str | None) -> None:
    assert name_of(country, day) == name


@pytest.mark.parametrize("year", range(2015, 2041))
def test_without_a_country_it_is_the_days_that_are_holidays_in_most_of_ten(year: int) -> None:
    calendars = [holidays.country_holidays(country, years=year) for country in MANY]
    days = {day for calendar in calendars for day in calendar}
    most = {day for day in days if sum(day in calendar for calendar in calendars) > len(MANY) / 2}

    assert set(holidays_of(None, year)) == most


def test_black_friday_follows_the_fourth_thursday() -> None:
    assert [black_friday(year) for year in (2024, 2025, 2026, 2029)] == [
        date(2024, 11, 29),
        date(2025, 11, 28),
        date(2026, 11, 27),
        date(2029, 11, 23),
    ]


def test_countries_are_known_by_their_code() -> None:
    assert is_known("DE")
    assert not is_known("XX")
