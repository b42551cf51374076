"""By how much days that are like no other may differ: holidays, the turn of the year, sales. Pure."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache

import numpy as np

from collector.detect import tuning
from collector.detect.model import Floats
from collector.holiday import black_friday, holidays_of

_DAY = timedelta(days=1)


def unusual(country: str | None, first_day: date, days: int) -> Floats:
    """Return by how much each day may differ from the usual: standard deviations (days) as shares of the expected.

    Days of the usual kind are 0. Without a known country, days count that are holidays of many.
    """
    years = range(first_day.year, (first_day + days * _DAY).year + 2)
    deviations = np.zeros(days)
    for year in years:
        for day, deviation in _of_year(country, year).items():
            place = (day - first_day).days
            if 0 <= place < days:
                deviations[place] = max(deviations[place], deviation)
    return deviations


@cache
def _of_year(country: str | None, year: int) -> dict[date, float]:
    found: dict[date, float] = {}
    season = (date(year - 1, *tuning.YEAR_END_DAYS[0]), date(year, *tuning.YEAR_END_DAYS[1]))
    _mark(found, _span(*season), tuning.YEAR_END)
    friday = black_friday(year)
    before, after = tuning.SALES_DAYS
    _mark(found, _span(friday - before * _DAY, friday + after * _DAY), tuning.SALES)
    for day in holidays_of(country, year):
        _mark(found, (day - _DAY, day + _DAY), tuning.BESIDE_HOLIDAY)
        _mark(found, (day,), tuning.HOLIDAY)
    return found


def _span(first: date, last: date) -> Iterable[date]:
    return (first + place * _DAY for place in range((last - first).days + 1))


def _mark(found: dict[date, float], days: Iterable[date], deviation: float) -> None:
    for day in days:
        found[day] = max(found.get(day, 0.0), deviation)
