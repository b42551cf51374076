"""Names the days on which people look for other things, or for more. Pure.

They are for reading a chart; the detector does not know them.
"""

from datetime import date, timedelta
from functools import lru_cache

_FIXED = {
    (1, 1): "New Year",
    (2, 14): "Valentine's Day",
    (10, 31): "Halloween",
    (12, 24): "Christmas Eve",
    (12, 25): "Christmas",
    (12, 31): "New Year's Eve",
}
_THURSDAY, _SUNDAY = 3, 6


def festivals(day: date) -> list[str]:
    """Return the names of the day, none for most."""
    found = [_FIXED[day.month, day.day]] if (day.month, day.day) in _FIXED else []
    return found + [name for moved, name in _moving(day.year) if moved == day]


@lru_cache(maxsize=16)
def _moving(year: int) -> list[tuple[date, str]]:
    thanksgiving = _nth(year, 11, _THURSDAY, 4)
    return [
        (_easter(year), "Easter"),
        (_nth(year, 5, _SUNDAY, 2), "Mother's Day"),
        (_nth(year, 6, _SUNDAY, 3), "Father's Day"),
        (thanksgiving, "Thanksgiving"),
        (thanksgiving + timedelta(days=1), "Black Friday"),
        (thanksgiving + timedelta(days=4), "Cyber Monday"),
    ]


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def _easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar: the algorithm of Meeus, Jones and Butcher."""
    century, of_century = divmod(year, 100)
    leap, rest = divmod(century, 4)
    moon = (19 * (year % 19) + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * rest + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, place = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, place + 1)
