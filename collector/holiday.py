"""Public holidays by country, and Black Friday: days on which people look for other things, or for more. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Final

import holidays

# Of which countries a day must be a holiday in most to be one where no country is known.
_MANY: Final = ("AU", "BR", "CA", "DE", "ES", "FR", "GB", "IT", "NL", "US")
_LANGUAGE: Final = "en_US"
_THURSDAY = 3


def is_known(country: str) -> bool:
    """Return whether the holidays of a country, by its ISO 3166 code of two letters, are known."""
    return country in holidays.list_supported_countries(include_aliases=False)


@cache
def holidays_of(country: str | None, year: int) -> Mapping[date, str]:
    """Return the names of the public holidays of a country by day; without a known country, of those of many."""
    if country is not None and is_known(country):
        return dict(holidays.country_holidays(country, years=year, language=_LANGUAGE))
    every = [holidays.country_holidays(each, years=year, language=_LANGUAGE) for each in _MANY]
    days = {day for each in every for day in each}
    shared = {day for day in days if sum(day in each for each in every) > len(_MANY) / 2}
    return {day: next(each[day] for each in reversed(every) if day in each) for day in shared}


@cache
def black_friday(year: int) -> date:
    """Return the day after Thanksgiving, the fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta(days=(_THURSDAY - first.weekday()) % 7 + 22)


def name_of(country: str | None, day: date) -> str | None:
    """Return what a day is called, None for most."""
    if day == black_friday(day.year):
        return "Black Friday"
    return holidays_of(country, day.year).get(day)
