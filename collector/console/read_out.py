"""Says what a chart shows of a day, a line each. Pure."""

from collections.abc import Iterable
from datetime import date

from collector.console import words


def read_out(
    day: date,
    metric: str,
    value: float | None,
    *,
    settled: bool = True,
    missing: bool = False,
    before: float | None = None,
    expected: float | None = None,
    low: float | None = None,
    notes: Iterable[str] = (),
) -> str:
    """Return a day's numbers and what happened on it; ``low`` is the least that is normal."""
    lines = [words.long_day(day), f"{metric} {words.exact(value)}"]
    if missing:
        lines[1] = f"{metric}: the day is missing"
    if expected is not None:
        least = "" if low is None else f" (at least {words.exact(max(0.0, low))})"
        lines.append(f"Expected {words.exact(expected)}{least}")
    if before is not None:
        lines.append(f"The period before {words.exact(before)}")
    if not settled:
        lines.append("Provisional: Pinterest may still change it")
    return "\n".join([*lines, *notes])
