"""Formats values for a person or a program: JSON, tables, instants, lists of bad lines."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.errors import BadLinesError
from collector.table.line import csv_lines

_MOST_LINES_SHOWN = 50
_COLOURS = {
    **dict.fromkeys(("active", "published", "added"), "green"),
    **dict.fromkeys(("queued", "sending", "changed"), "cyan"),
    **dict.fromkeys(("paused", "cancelled", "unlinked", "unknown"), "yellow"),
    **dict.fromkeys(("suspended", "key_invalid", "failed", "refused"), "red"),
}


def as_json_text(value: object) -> str:
    """Return indented JSON; times are ISO 8601."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; on a terminal with coloured states, and in a pager when it is long.

    Where there is no terminal, nothing is cut, wrapped or coloured.
    """
    if sys.stdout.isatty():
        _print_on_terminal(titles, rows)
        return
    widths = [max(map(cell_len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        click.echo("  ".join(map(set_cell_size, row, widths)).rstrip())


def _print_on_terminal(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*titles, box=None)
    for row in rows:
        # A name in [brackets] or with a :colon: is no markup.
        table.add_row(*(Text(cell, style=_colour(title, cell)) for title, cell in zip(titles, row, strict=True)))
    console = Console(markup=False, emoji=False, highlight=False)
    if len(rows) < console.height:
        console.print(table)
        return
    # Colours as they are, and no pager for what fits after all.
    os.environ.setdefault("LESS", "-RFX")
    with console.pager(styles=True):
        console.print(table)


def _colour(title: str, cell: str) -> str:
    return _COLOURS.get(cell, "") if title in {"state", "what"} else ""


def print_csv(kind: type[msgspec.Struct], values: Sequence[msgspec.Struct]) -> None:
    """Print values as CSV, with the names of their fields; several values in a cell are separated by ``|``."""
    click.echo(csv_lines(kind, values), nl=False)


def when(instant: datetime | None) -> str:
    """Return a time in UTC and how far away it is."""
    return "never" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} ({ago(instant)})"


def ago(instant: datetime | None) -> str:
    """Return how long ago an instant was, in the largest unit that fits."""
    if instant is None:
        return "never"
    seconds = (datetime.now(UTC) - instant).total_seconds()
    if seconds < 0:
        return f"in {span(-seconds)}"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Return a length of time in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def bad_lines(error: BadLinesError) -> str:
    """Return what is wrong with a table, at most as much as a person would mend at once."""
    shown = [f"line {number}: {reason}" for number, reason in error.lines[:_MOST_LINES_SHOWN]]
    if len(error.lines) > _MOST_LINES_SHOWN:
        shown.append(f"... and {len(error.lines) - _MOST_LINES_SHOWN} more")
    return "\n".join(
        [f"nothing was imported; {counted(len({number for number, _ in error.lines}), 'bad line')}:", *shown]
    )


def counted(number: int, what: str) -> str:
    """Return a number with its noun, which has a plural in s."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def part_of(shown: int, total: int, what: str, *, which: str = "first") -> str:
    """Return how many of a list are shown, and how to see the others."""
    if shown == total:
        return counted(total, what)
    return f"the {which} {shown} of {counted(total, what)}; --limit shows more"


def as_text(value: object) -> str:
    """Return a value as one line: times in UTC, lists separated by commas."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(value) if isinstance(value, list) else str(value)
