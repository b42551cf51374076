"""What an import would do with the lines of a table, in words. Pure."""

from collections import Counter
from collections.abc import Sequence

from collector.models.plan import Action, ColumnChange, Planned

Lines = Sequence[tuple[int, Planned]]


def whole_plan(lines: Lines, bad: Sequence[tuple[int, str]]) -> list[tuple[int, Planned]]:
    """Return what would be done with each line, in order; a ``bad`` one is refused with all that is wrong with it."""
    plan = dict(lines)
    for line, reason in bad:
        known = plan.get(line)
        reasons = [known.reason, reason] if known is not None and known.reason else [reason]
        plan[line] = Planned(known.name if known is not None else "", Action.REFUSED, reason="; ".join(reasons))
    return sorted(plan.items(), key=lambda item: item[0])


def counts(lines: Lines) -> Counter[Action]:
    return Counter(each.action for _, each in lines)


def details(planned: Planned) -> str:
    """Return why a line is refused, or what it changes."""
    return planned.reason or "; ".join(map(_change, planned.changes))


def _change(change: ColumnChange) -> str:
    return f"{change.column}: {change.old or '(none)'} → {change.new or '(none)'}"
