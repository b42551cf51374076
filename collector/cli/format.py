"""Formats values for a person or a program: JSON, tables, instants, lists of bad lines."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table

from collector.errors import BadLinesError

_MOST_LINES_SHOWN = 50


def as_json_text(value: object) -> str:
    """Return indented JSON; times are ISO 8601."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; where there is no terminal, nothing is cut, wrapped or coloured."""
    if sys.stdout.isatty():
        table = Table(*titles, box=None)
        for row in rows:
            table.add_row(*row)
        # A name in [brackets] or with a :colon: is no markup.
        Console(markup=False, emoji=False, highlight=False).print(table)
        return
    widths = [max(map(cell_len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        click.echo("  ".join(map(set_cell_size, row, widths)).rstrip())


def ago(instant: datetime | None) -> str:
    """Return how long ago an instant was, in the largest unit that fits."""
    if instant is None:
        return "never"
    seconds = (datetime.now(UTC) - instant).total_seconds()
    if seconds < 0:
        return f"in {_span(-seconds)}"
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def bad_lines(error: BadLinesError) -> str:
    """Return what is wrong with a table, at most as much as a person would mend at once."""
    shown = [f"line {number}: {reason}" for number, reason in error.lines[:_MOST_LINES_SHOWN]]
    if len(error.lines) > _MOST_LINES_SHOWN:
        shown.append(f"... and {len(error.lines) - _MOST_LINES_SHOWN} more")
    return "\n".join([f"nothing was imported; {counted(len(error.lines), 'bad line')}:", *shown])


def counted(number: int, what: str) -> str:
    """Return a number with its noun, which has a plural in s."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def as_text(value: object) -> str:
    """Return a value as one line: times in UTC, lists separated by commas."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(value) if isinstance(value, list) else str(value)
