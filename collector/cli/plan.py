"""Shows what an import does, or would do, with each line of a table."""

from collections import Counter
from collections.abc import Sequence

import click

from collector.cli.format import print_table
from collector.models.plan import Action, ColumnChange, Planned
from collector.registry.trial import Standing, Trial

_MOST_SHOWN = 50

Lines = Sequence[tuple[int, Planned]]


def refused(lines: Lines) -> list[tuple[int, str]]:
    """Return the lines that cannot be taken, with their reasons."""
    return [(line, each.reason or "") for line, each in lines if each.action is Action.REFUSED]


def show_dry_run(lines: Lines, bad: Sequence[tuple[int, str]]) -> None:
    """Print what would be done with each line; exit with 1 where the import would be refused."""
    unreadable = [(line, Planned("", Action.REFUSED, reason=reason)) for line, reason in bad]
    wrong = {line for line, _ in bad}
    readable = [(line, each) for line, each in lines if line not in wrong or each.action is Action.REFUSED]
    everything = sorted([*readable, *unreadable], key=lambda each: each[0])
    rows = [(str(line), each.name, each.action, _details(each)) for line, each in everything]
    print_table(("line", "name", "what", "details"), rows)
    # A line may be refused for two reasons.
    click.echo(f"{_counts(list(dict(everything).values()))}; this was a dry run: nothing was changed")
    if refused(everything):
        raise click.exceptions.Exit(1)


def done(lines: Lines) -> str:
    """Return what was done in a sentence."""
    return _counts([each for _, each in lines])


def sentence(planned: Planned) -> str:
    """Return what was done with one thing."""
    return f"{planned.name}: {_details(planned) or planned.action}"


def trial_summary(lines: Sequence[tuple[int, Trial]]) -> str:
    """Return how many keys are what, with the lines of those that are not linked."""
    counts = Counter(trial.standing for _, trial in lines)
    parts = [f"keys: {', '.join(f'{counts[each]} {each}' for each in Standing if counts[each]) or 'none'}"]
    others = [f"line {line}: {trial}" for line, trial in lines if trial.standing is not Standing.LINKED]
    more = [f"... and {len(others) - _MOST_SHOWN} more"] if len(others) > _MOST_SHOWN else []
    return "\n".join([*parts, *others[:_MOST_SHOWN], *more])


def _counts(planned: Sequence[Planned]) -> str:
    counts = Counter(each.action for each in planned)
    parts = [action for action in Action if action is not Action.REFUSED or counts[action]]
    return ", ".join(f"{counts[action]} {action}" for action in parts)


def _details(planned: Planned) -> str:
    return planned.reason or "; ".join(map(_change, planned.changes))


def _change(change: ColumnChange) -> str:
    return f"{change.column}: {change.old or '(none)'} → {change.new or '(none)'}"
