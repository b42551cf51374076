"""The languages of reports: a file of phrases each, and how each writes numbers and days.

Two languages need the names of months and two separators; a library of locales would be ten megabytes for that. What a
file lacks is found when it is read.
"""

from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

from collector.chart import Wording
from collector.chart.scale import tick_text
from collector.report.month import Month

_MOST_DIGITS = 10_000_000
_DECIMALS_BELOW = 10
# Less than this is 0.0 per cent.
_LEAST_SHOWN = 0.0005
# Around a name, so that one that is written from right to left does not turn the words beside it.
_ISOLATE, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"


class Locale(StrEnum):
    """A language that reports are written in."""

    EN = "en"
    DE = "de"


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of ``languages``: sections of phrases, and the pieces of numbers and days."""

    name: str
    thousands: str
    decimal: str
    percent: str
    million: str
    months: tuple[str, ...]
    months_short: tuple[str, ...]
    weekdays: tuple[str, ...]
    day: str
    day_of_year: str
    month_of_year: str
    span: str
    span_in_month: str
    both: str = msgspec.field(name="and")
    metrics: dict[str, str]
    page: dict[str, str]
    legend: dict[str, str]
    summary: dict[str, str]
    drop: dict[str, str]
    quality: dict[str, str]
    reasons: dict[str, str]

    def number(self, value: float | None, decimals: int = 0) -> str:
        """Return a number; an en dash where there is none."""
        if value is None:
            return "\N{EN DASH}"
        return f"{value:,.{decimals}f}".translate({ord(","): self.thousands, ord("."): self.decimal})

    def short(self, value: float | None) -> str:
        """Return a number that is not too wide for a tile."""
        if value is None or value < _MOST_DIGITS:
            return self.number(value)
        return self.million.format(number=self.number(value / 1e6, 1))

    def mean(self, value: float) -> str:
        """Return a mean: small ones with a digit behind the point."""
        return self.number(value, 1 if value < _DECIMALS_BELOW and not float(value).is_integer() else 0)

    def share(self, value: float) -> str:
        """Return a share in per cent, without its sign."""
        size = 100 * abs(value)
        return self.percent.format(number=self.number(size, 1 if size < _DECIMALS_BELOW else 0))

    def change(self, value: float) -> str:
        """Return a change in per cent with its sign."""
        sign = "\N{PLUS-MINUS SIGN}" if abs(value) < _LEAST_SHOWN else "+" if value > 0 else "\N{MINUS SIGN}"
        return sign + self.share(value)

    def on(self, day: date) -> str:
        """Return a day without its year."""
        return self.day.format(day=day.day, month=self.months[day.month - 1])

    def dated(self, day: date) -> str:
        return self.day_of_year.format(day=day.day, month=self.months[day.month - 1], year=day.year)

    def between(self, first: date, last: date) -> str:
        """Return the days from one to another, or the one."""
        if first == last:
            return self.on(first)
        in_month = (first.year, first.month) == (last.year, last.month)
        span, begin = (self.span_in_month, str(first.day)) if in_month else (self.span, self.on(first))
        return span.format(first=begin, last=self.on(last))

    def of_month(self, month: Month) -> str:
        return self.month_of_year.format(month=self.months[month.number - 1], year=month.year)

    def beside(self, month: Month, other: Month) -> str:
        """Return a month that is named beside another one: its year only where it is another."""
        return self.months[month.number - 1] if month.year == other.year else self.of_month(month)

    def of_days(self, days: int) -> str:
        one, more = self.quality["profile_day"], self.quality["profile_days"]
        return one if days == 1 else more.format(number=self.number(days))

    def of_profiles(self, profiles: int) -> str:
        one, more = self.quality["profile"], self.quality["profiles"]
        return one if profiles == 1 else more.format(number=self.number(profiles))

    @property
    def axis(self) -> Wording:
        """How charts write their axes."""
        return Wording(
            value=lambda value: tick_text(value).replace(".", self.decimal),
            day=lambda day: self.day.format(day=day.day, month=self.months_short[day.month - 1]),
            month=lambda day: self.months_short[day.month - 1],
        )


@cache
def language_of(locale: Locale) -> Language:
    """Return a language, read once."""
    content = files(__package__).joinpath("languages", f"{locale}.toml").read_bytes()
    return msgspec.toml.decode(content, type=Language)


def isolated(name: str) -> str:
    return f"{_ISOLATE}{name}{_END}"
