"""Lays an account's counters out as a table: a column for each, a line for each day. Pure."""

from collections.abc import Sequence

from collector.store.counter import CounterDay

FIRST = "followers"


def counter_names(days: Sequence[CounterDay]) -> list[str]:
    """Return every counter that any of the days has: the followers, then the others by name."""
    found = {name for each in days for name in each.counters}
    return sorted(found, key=lambda name: (name != FIRST, name))


def counter_table(days: Sequence[CounterDay]) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return the names of the columns, and the lines; None is a counter that was not told on that day."""
    names = counter_names(days)
    lines: list[tuple[object, ...]] = [(each.day, each.observed_at, *map(each.counters.get, names)) for each in days]
    return ["day", "observed_at", *names], lines
