"""Public holidays by country, and Black Friday: days on which people look for other things, or for more. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Final

MANY: Final = ("AU", "BR", "CA", "DE", "ES", "FR", "GB", "IT", "NL", "US")
"""The countries of which a day must be a holiday in most to be one where no country is known."""
_LANGUAGE: Final = "en_US"
_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6


def is_known(country: str) -> bool:
    """Return whether the holidays of a country, by its ISO 3166 code of two letters, are known."""
    import holidays  # noqa: PLC0415 -- only where a country is named: it loads all 250, which take 14 MiB

    return country in holidays.list_supported_countries(include_aliases=False)


@cache
def holidays_of(country: str | None, year: int) -> Mapping[date, str]:
    """Return the names of the public holidays of a country by day; without a known country, of those of many."""
    if country is None or not is_known(country):
        return _shared(year)
    import holidays  # noqa: PLC0415 -- as above

    return dict(holidays.country_holidays(country, years=year, language=_LANGUAGE))


def _shared(year: int) -> Mapping[date, str]:
    """Return the days that are holidays in most of `MANY`."""
    easter, christmas, may = _easter(year), date(year, 12, 25), date(year, 5, 1)
    days = {date(year, 1, 1): "New Year's Day", easter - timedelta(days=2): "Good Friday", christmas: "Christmas Day"}
    if christmas.weekday() == _SUNDAY:
        days[christmas + timedelta(days=1)] = "Christmas Day (observed)"
    # Half of them have each of these two; one more has it in years in which its own holiday falls on the same day.
    if may.weekday() == _MONDAY:
        days[may] = "Labor Day"
    if easter == date(year, 4, 20):
        days[easter + timedelta(days=1)] = "Easter Monday"
    return days


def _easter(year: int) -> date:
    """Return Easter Sunday, by the algorithm of Meeus, Jones and Butcher ("Astronomical Algorithms", 1991)."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)


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
