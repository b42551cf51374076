"""Turns rows into what a person or a program reads."""

import sys
from collections.abc import Mapping, Sequence
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


def profile_report(status: Mapping[str, object], polls: Sequence[Mapping[str, object]], *, as_json: bool) -> str:
    """Return everything that is known of one profile: a row of ``profile_status`` and its last polls."""
    if as_json:
        return as_json_text({**status, "polls": [dict(poll) for poll in polls]})
    width = max(len(name) for name in status)
    lines = [f"{name:<{width}}  {_text(value)}" for name, value in status.items() if value is not None and name != "id"]
    lines += ["", "last polls"]
    for poll in polls:
        took = f"{poll['duration_seconds']:.2f} s"
        rows = f"{poll['rows_new']} new, {poll['rows_changed']} changed"
        why = f"  {poll['detail']}" if poll["detail"] else ""
        lines.append(f"{_text(poll['polled_at'])}  {poll['outcome']}  {took}  {rows}{why}")
        if poll["excerpt"]:
            lines.append(f"    {poll['excerpt']}")
    return "\n".join(lines)


def pin_report(pin: Mapping[str, object], attempts: Sequence[Mapping[str, object]], *, as_json: bool) -> str:
    """Return the whole story of a pin: a row of ``pin`` with its lane, and its attempts."""
    shown = {name: value for name, value in pin.items() if name not in {"profile_id", "owner", "token"}}
    if as_json:
        return as_json_text({**shown, "attempts": [dict(attempt) for attempt in attempts]})
    width = max(len(name) for name in shown)
    lines = [f"{name:<{width}}  {_text(value)}" for name, value in shown.items() if value not in (None, "", [])]
    for attempt in attempts:
        lines += ["", f"attempt {attempt['attempt']}", *_attempt_lines(attempt)]
    return "\n".join(lines)


def _attempt_lines(attempt: Mapping[str, object]) -> list[str]:
    ended = f"{attempt['outcome']} at {_text(attempt['ended_at'])}" if attempt["ended_at"] else "under way"
    lines = [f"  {_text(attempt['started_at'])}  sent by {attempt['owner']}", f"  {ended}"]
    titles = (("reason", ""), ("http_status", "HTTP "), ("code", "code "), ("detail", ""))
    told = [f"{title}{attempt[name]}" for name, title in titles if attempt[name]]
    if told:
        lines.append(f"  {': '.join(told)}")
    if attempt["excerpt"]:
        lines.append(f"  {attempt['excerpt']}")
    if attempt["looked_at"]:
        lines.append(f"  looked for at {_text(attempt['looked_at'])}: {attempt['look']}")
    return lines


def bad_lines(error: BadLinesError) -> str:
    """Return what is wrong with a table, at most as much as a person would mend at once."""
    shown = [f"line {number}: {reason}" for number, reason in error.lines[:_MOST_LINES_SHOWN]]
    if len(error.lines) > _MOST_LINES_SHOWN:
        shown.append(f"... and {len(error.lines) - _MOST_LINES_SHOWN} more")
    return "\n".join([f"nothing was imported; {len(error.lines)} bad lines:", *shown])


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(value) if isinstance(value, list) else str(value)
