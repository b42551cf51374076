"""Shows what an import does, or would do, with each line of a table."""

from collections import Counter
from collections.abc import Sequence

import click

from collector.cli.format import print_table
from collector.models.plan import Action, Planned
from collector.registry.trial import Standing, Trial
from collector.table.plan import Lines, counts, details, whole_plan

_MOST_SHOWN = 50


def refused(lines: Lines) -> list[tuple[int, str]]:
    """Return the lines that cannot be taken, with their reasons."""
    return [(line, each.reason or "") for line, each in lines if each.action is Action.REFUSED]


def show_dry_run(lines: Lines, bad: Sequence[tuple[int, str]]) -> None:
    """Print what would be done with each line; exit with 1 where the import would be refused."""
    plan = whole_plan(lines, bad)
    print_table(
        ("line", "name", "what", "details"),
        [(str(line), each.name, each.action, details(each)) for line, each in plan],
    )
    click.echo(f"{done(plan)}; this was a dry run: nothing was changed")
    if refused(plan):
        raise click.exceptions.Exit(1)


def done(lines: Lines) -> str:
    """Return what was done in a sentence."""
    found = counts(lines)
    parts = [action for action in Action if action is not Action.REFUSED or found[action]]
    return ", ".join(f"{found[action]} {action}" for action in parts)


def sentence(planned: Planned) -> str:
    """Return what was done with one thing."""
    return f"{planned.name}: {details(planned) or planned.action}"


def trial_summary(lines: Sequence[tuple[int, Trial]]) -> str:
    """Return how many keys are what, with the lines of those that are not linked."""
    counts = Counter(trial.standing for _, trial in lines)
    parts = [f"keys: {', '.join(f'{counts[each]} {each}' for each in Standing if counts[each]) or 'none'}"]
    others = [f"line {line}: {trial}" for line, trial in lines if trial.standing is not Standing.LINKED]
    more = [f"... and {len(others) - _MOST_SHOWN} more"] if len(others) > _MOST_SHOWN else []
    return "\n".join([*parts, *others[:_MOST_SHOWN], *more])
