"""Collects what was left out of an answer and why, in words that are safe to store."""

from typing import Final

from collector.ayrshare.refusal import clean
from collector.models.analytics import Problem

_MOST_PROBLEMS: Final = 50
_LONGEST_DETAIL: Final = 300


class UnusableError(Exception):
    """Something that is left out: the reason and the detail of its Problem."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Problems:
    """The first problems of an answer, and the number of those that followed."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._more = 0

    def add(self, reason: str, detail: str) -> None:
        if len(self._kept) < _MOST_PROBLEMS:
            self._kept.append(Problem(reason, clean(detail, _LONGEST_DETAIL)))
        else:
            self._more += 1

    def listed(self) -> tuple[Problem, ...]:
        more = (Problem("more_problems", str(self._more)),) if self._more else ()
        return (*self._kept, *more)


def shown(value: object) -> str:
    """Show a value to the operator without walking into it: its depth and size are a stranger's choice."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return f'"{value[:80]}"'
        case None | bool():
            return str(value).lower().replace("none", "null")
        case _:
            return str(value)[:80]
