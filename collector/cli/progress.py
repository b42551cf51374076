"""Shows how far long work is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 5.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with how many pieces of ``total`` were finished. Everything goes to standard error."""
    if sys.stderr.isatty():
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda pieces: bar.advance(task, pieces)
        return
    yield _plain(title, total)


def _plain(title: str, total: int) -> Callable[[int], None]:
    done = 0
    next_line = time.monotonic() + _LINE_SECONDS

    def advance(pieces: int) -> None:
        nonlocal done, next_line
        done += pieces
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + _LINE_SECONDS
            click.echo(f"{title}: {done} of {total}", err=True)

    return advance
