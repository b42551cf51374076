"""A month of the calendar. Pure."""

import re
from datetime import date, timedelta

import msgspec

_WRITTEN = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)


class Month(msgspec.Struct, frozen=True, order=True):
    """A month; as text ``2026-10``."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return self.before(-1).first - timedelta(days=1)

    @property
    def days(self) -> int:
        return self.last.day

    def before(self, months: int = 1) -> "Month":
        """Return the month that was so many months before."""
        year, place = divmod(12 * self.year + self.number - 1 - months, 12)
        return Month(year, place + 1)


def month_of(day: date) -> Month:
    return Month(day.year, day.month)


def read_month(text: str) -> Month:
    """Read ``2026-10``. Raises ``ValueError`` for another text, and for a year that has no calendar here."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not 1990 <= int(found[1]) <= 9000:  # noqa: PLR2004 -- beyond any data, within the calendar
        raise ValueError(f"{text} is no month: write it like 2026-10")
    return Month(int(found[1]), int(found[2]))
