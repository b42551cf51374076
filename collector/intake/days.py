"""Reads days from a file of another program: a table, or several below one another with texts between them.

A table begins with a line that names a day and a metric. Pinterest's own export has texts above it, and may have a
table for each metric, and one of pins; what is in no table of days is skipped, and told. Pure: no clock, no I/O.
"""

import re
from collections.abc import Mapping as Names
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from collector.ayrshare.numbers import MOST_COUNT
from collector.errors import BadLinesError, CollectorError
from collector.intake.mapping import DAY, PROFILE, Mapping
from collector.models.intake import COUNTS, FileDay
from collector.table.moment import DateFormat
from collector.table.sheet import Sheet, normalised, read_sheet

_LONGEST_CELL: Final = 10_000
_ISO_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([T ]00:00(:00)?)?")
_PATTERNS = {DateFormat.GERMAN: "%d.%m.%Y", DateFormat.US: "%m/%d/%Y"}
_EXAMPLES = {DateFormat.ISO: "2026-12-24", DateFormat.GERMAN: "24.12.2026", DateFormat.US: "12/24/2026"}
_NOTHING = frozenset({"", "-", "\N{EN DASH}", "n/a", "null"})
_ABSENT: Final = -1
# Pinterest began in 2010.
_FIRST_DAY: Final = date(2010, 1, 1)
_SHOWN = 40


class FoundDays(msgspec.Struct, frozen=True, kw_only=True):
    """The days with the line that each began on, what is wrong, and what was not used.

    ``skipped`` are lines outside of tables, ``unused`` names of columns.
    """

    days: list[tuple[int, FileDay]]
    bad: list[tuple[int, str]]
    skipped: list[int]
    unused: list[str]


def read_days(
    data: bytes, mapping: Mapping, *, profile: str | None, form: DateFormat, newest: date, oldest: date | None = None
) -> FoundDays:
    """Read the days of a file; those of a file without a column for it are of ``profile``.

    Days are refused that come after ``newest`` or before ``oldest``.

    Raises:
        BadLinesError: there is no table of days at all.
    """
    meanings = mapping.meanings()
    sheet = read_sheet(data, meanings, _LONGEST_CELL)
    reader = _Reader(mapping, profile, form, newest, max(oldest or _FIRST_DAY, _FIRST_DAY))
    reader.read(sheet, meanings)
    if not reader.tables:
        names = ", ".join(sorted(meanings))
        raise BadLinesError([sheet.broken or (1, f"no line names a day and a metric; names that are known: {names}")])
    return reader.found(sheet)


class _Reader:
    def __init__(self, mapping: Mapping, profile: str | None, form: DateFormat, newest: date, oldest: date) -> None:
        self._mapping = mapping
        self._profile = profile
        self._form = form
        self._newest, self._oldest = newest, oldest
        # The line on which a day began, and its counts; what no table of it had is `_ABSENT`.
        self._days: dict[tuple[str, date], tuple[int, list[int | None]]] = {}
        self._bad: list[tuple[int, str]] = []
        self._skipped: list[int] = []
        self._unused: dict[str, None] = {}
        self.tables = 0

    def read(self, sheet: Sheet, meanings: Names[str, str]) -> None:
        header: list[str] = []
        after_blank = False
        for line, record in sheet.records:
            cells = [cell.strip() for cell in record]
            if not any(cells):
                after_blank = True
                continue
            names = [meanings.get(normalised(cell), "") for cell in cells]
            if DAY in names and set(COUNTS) & set(names):
                header = self._begin(line, cells, names)
            elif not header or (after_blank and not self._is_a_day(header, cells)):
                header = []
                self._skipped.append(line)
            else:
                self._take(line, header, cells)
            after_blank = False

    def _begin(self, line: int, cells: Sequence[str], names: list[str]) -> list[str]:
        self.tables += 1
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            self._bad.append((line, f"several columns mean {', '.join(twice)}: choose by a --mapping"))
        if PROFILE not in names and self._profile is None:
            self._bad.append((line, "no column names the profile: name it by --profile"))
        self._unused |= dict.fromkeys(cell for cell, name in zip(cells, names, strict=True) if cell and not name)
        return names

    def _is_a_day(self, header: Sequence[str], cells: Sequence[str]) -> bool:
        place = header.index(DAY)
        try:
            return place < len(cells) and self._day(cells[place]) is not None
        except CollectorError:
            return False

    def _take(self, line: int, header: Sequence[str], cells: Sequence[str]) -> None:
        if len(cells) < len(header) or any(cells[len(header) :]):
            self._bad.append((line, f"{len(cells)} cells, where the header has {len(header)}"))
            return
        fields = {name: cell for name, cell in zip(header, cells, strict=False) if name}
        name = fields.get(PROFILE) or self._profile or ""
        profile = self._mapping.profiles.get(name, name)
        try:
            key = profile, self._day(fields[DAY])
            numbers = [self._count(each, fields[each]) if each in fields else _ABSENT for each in COUNTS]
        except CollectorError as error:
            self._bad.append((line, str(error)))
            return
        if not profile:
            self._bad.append((line, "no profile is named"))
            return
        first, known = self._days.setdefault(key, (line, [_ABSENT] * len(COUNTS)))
        for place, number in enumerate(numbers):
            if number != _ABSENT and known[place] != _ABSENT:
                problem = f"{COUNTS[place]} of {profile} on {key[1]} is there already; the day is on line {first}"
                self._bad.append((line, problem))
            elif number != _ABSENT:
                known[place] = number

    def _day(self, text: str) -> date:
        day = self._parsed(text)
        if day > self._newest:
            raise CollectorError(f"{day} is not over yet")
        if day < self._oldest:
            raise CollectorError(f"{day} is older than what is kept: {self._oldest} is the first")
        return day

    def _parsed(self, text: str) -> date:
        try:
            if found := _ISO_DAY.fullmatch(text):
                return date.fromisoformat(found[1])
            if self._form in _PATTERNS:
                return datetime.strptime(text, _PATTERNS[self._form]).date()  # noqa: DTZ007 -- a day has no zone
        except ValueError:
            pass
        hint = "" if self._form is not DateFormat.ISO else ", or say by --date-format how days are written"
        raise CollectorError(f"not a day: {text[:_SHOWN]}; write {_EXAMPLES[self._form]}{hint}")

    def _count(self, name: str, text: str) -> int | None:
        if text.lower() in _NOTHING:
            return None
        separator = r"\." if self._form is DateFormat.GERMAN else ","
        if re.fullmatch(rf"[0-9]{{1,3}}({separator}[0-9]{{3}}){{1,6}}", text):
            number = int(re.sub(r"[.,]", "", text))
        elif found := re.fullmatch(r"([0-9]{1,15})(\.0{1,2})?", text):  # 12.000 may be twelve thousand
            number = int(found[1])
        else:
            raise CollectorError(f"{name} is no whole number: {text[:_SHOWN]}")
        if number > MOST_COUNT:
            raise CollectorError(f"{name} is more than a trillion: {text[:_SHOWN]}")
        return number

    def found(self, sheet: Sheet) -> FoundDays:
        days = []
        for (profile, day), (line, known) in self._days.items():
            numbers = tuple(None if number == _ABSENT else number for number in known)
            if all(number is None for number in numbers):
                self._bad.append((line, f"{day} has no number"))
            days.append((line, FileDay(profile, day, numbers)))
        if sheet.broken is not None:
            self._bad.append(sheet.broken)
        if not days and not self._bad:
            self._bad.append((1, "no day follows the header"))
        return FoundDays(
            days=sorted(days, key=lambda each: each[0]),
            bad=sorted(self._bad),
            skipped=self._skipped,
            unused=list(self._unused),
        )
