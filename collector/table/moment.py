"""Reads the time at which something is to happen, as people and their programs write it.

Pure: no clock, no I/O. A day that could be read in two ways is read in one only when it was said which.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from collector.errors import CollectorError, MomentError

_SHOWN = 40
_DAY_ONLY = re.compile(r"[0-9]+([-./])[0-9]+\1[0-9]+|[0-9]{8}")


class DateFormat(StrEnum):
    """How days are written: 2026-12-24, 24.12.2026, or 12/24/2026."""

    ISO = "iso"
    GERMAN = "german"
    US = "us"


_PATTERNS = {
    DateFormat.GERMAN: ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    DateFormat.US: ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
}
_LOOKS = {
    DateFormat.GERMAN: re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}"),
    DateFormat.US: re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}"),
}
_EXAMPLES = {
    DateFormat.ISO: "2026-12-24T18:00:00Z",
    DateFormat.GERMAN: "24.12.2026 18:00",
    DateFormat.US: "12/24/2026 6:00 PM",
}


class MomentHints(msgspec.Struct, frozen=True):
    """How whoever wrote the times can say their zone and their form, each as the end of a sentence."""

    zone: str = ""
    forms: dict[DateFormat, str] = {}


_NO_HINTS = MomentHints()


class Moments(msgspec.Struct, frozen=True):
    """How times are written; ``zone`` is that of times which name none."""

    zone: ZoneInfo | None = None
    form: DateFormat = DateFormat.ISO
    hints: MomentHints = _NO_HINTS

    def read(self, text: str) -> datetime:
        """Return the moment in UTC. Raises ``MomentError`` with what is wrong, to follow the column's name."""
        text = " ".join(text.split())
        if _DAY_ONLY.fullmatch(text):
            raise MomentError(f"has no time of day: {text}", f"write {_EXAMPLES[self.form]}")
        moment = self._parsed(text)
        if moment.tzinfo is None:
            if self.zone is None:
                remedy = f"write {moment.isoformat()}Z or +01:00 at its end{self.hints.zone}"
                raise MomentError(f"has no zone: {text[:_SHOWN]}", remedy)
            moment = in_zone(moment, self.zone, text[:_SHOWN])
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise MomentError(f"is out of range: {text[:_SHOWN]}") from None

    def _parsed(self, text: str) -> datetime:
        # A workbook's own dates come in ISO's form, whatever the language.
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
        for pattern in _PATTERNS.get(self.form, ()):
            try:
                return datetime.strptime(text, pattern)  # noqa: DTZ007 -- the zone follows
            except ValueError:
                continue
        raise MomentError(f"is not a time: {text[:_SHOWN]}", f"write {_EXAMPLES[self.form]}{self._hint(text)}")

    def _hint(self, text: str) -> str:
        if self.form is not DateFormat.ISO:
            return ""
        return next((self.hints.forms.get(form, "") for form, looks in _LOOKS.items() if looks.match(text)), "")


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raises ``CollectorError``."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CollectorError(
            f"there is no time zone {name[:_SHOWN]}; write one like Europe/Berlin or America/New_York"
        ) from None


def in_zone(local: datetime, zone: ZoneInfo, text: str) -> datetime:
    """Return what the clocks of ``zone`` show as a moment; ``text`` is how it was written.

    Raises ``MomentError`` as `Moments.read`: a change of the clocks skips this hour, or repeats it.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    where = f"in {zone}, where clocks change: {text}"
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise MomentError(f"does not exist {where}", "write a later one")
    offset = first.utcoffset() or timedelta()
    raise MomentError(f"comes twice {where}", f"write its zone, like {_iso(local, offset)}")


def _iso(local: datetime, offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{local.isoformat()}{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
