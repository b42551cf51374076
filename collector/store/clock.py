"""This machine's clock as the database sees it. What depends on the date goes by the database's clock."""

from datetime import UTC, datetime
from typing import Final

MOST_OFFSET_SECONDS: Final = 60.0


def machine_time() -> datetime:
    return datetime.now(UTC)


def clock_offset(parameter: int) -> str:
    """Return the SQL of how many seconds the database's clock is ahead of the time in a parameter."""
    return f"extract(epoch FROM now() - ${parameter}::timestamptz)::double precision"


def clock_problem(offset_seconds: float) -> str | None:
    """Say what is wrong with the clocks, or return None while they agree."""
    if abs(offset_seconds) <= MOST_OFFSET_SECONDS:
        return None
    direction = "behind" if offset_seconds > 0 else "ahead of"
    return (
        f"this machine's clock is {abs(offset_seconds):.0f} s {direction} the database's, and no day is settled: "
        "set both by NTP"
    )
