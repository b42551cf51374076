"""Ayrshare's two stamps: when it asked Pinterest, and when it will ask again."""

from collections.abc import Iterable
from datetime import UTC, datetime

from collector.ayrshare.problems import Problems, shown


def read_stamp(key: str, values: Iterable[object], problems: Problems) -> datetime | None:
    """Return the first of the values that is a stamp; one without an offset is UTC."""
    for value in values:
        if value is None:
            continue
        stamp = utc(value) if isinstance(value, str) else None
        if stamp is not None:
            return stamp
        problems.add("bad_stamp", f"{key}: {shown(value)}")
    return None


def utc(text: str) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(text)
        return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
