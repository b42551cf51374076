from datetime import date

import pytest

from collector.detect.unusual import unusual


def of(day: date, country: str | None = None) -> float:
    return float(unusual(country, day, 1)[0])


@pytest.mark.parametrize(
    ("country", "day", "holiday"),
    [
        ("DE", date(2026, 10, 3), True),
        ("US", date(2026, 10, 3), False),
        ("US", date(2026, 7, 4), True),
        (None, date(2026, 7, 4), False),
        (None, date(2026, 4, 3), True),
        (None, date(2026, 12, 25), True),
        ("nowhere", date(2026, 12, 25), True),
    ],
)
def test_a_holiday_is_one_of_the_country_or_of_many(country: str | None, day: date, *, holiday: bool) -> None:
    assert (of(day, country) == 0.4) is holiday


def test_days_beside_a_holiday_the_turn_of_the_year_and_sales_are_unusual_too() -> None:
    assert 0 < of(date(2026, 4, 2)) < 0.4
    assert [of(date(2026, 12, 19)), of(date(2027, 1, 7))] == [0, 0]
    assert of(date(2026, 12, 21)) == of(date(2027, 1, 5)) > 0
    assert of(date(2026, 11, 27)) == of(date(2026, 12, 6)) > 0
    assert of(date(2026, 11, 15)) == 0
