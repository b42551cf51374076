"""What a contestant's process and the benchmark tell each other, one JSON value a line.

The benchmark sends the job; the process answers `{}` when it is ready. Each further line asks for one pass, which is
answered with what the pass took, and `{}` again. Standard library only: peers run in environments of their own.
"""

import json
import os
import resource
import sys
from typing import NamedTuple


class Job(NamedTuple):
    """What is to be polled, and where it is to be stored."""

    url: str
    dsn: str
    api_key: str
    keys: list[str]
    concurrency: int


class Usage(NamedTuple):
    """What a process has used since it began."""

    cpu_seconds: float
    peak_bytes: int


def usage() -> Usage:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


class Conversation:
    """The contestant's side. Standard output belongs to it alone: what libraries print goes to standard error."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.job = Job(**json.loads(sys.stdin.readline()))
        self._cpu_seconds = 0.0

    def wants_pass(self) -> bool:
        """Report that everything is prepared, and wait until a pass is wanted; False is the end."""
        self._say()
        wanted = bool(sys.stdin.readline())
        self._cpu_seconds = usage().cpu_seconds
        return wanted

    def report(self, seconds: float, *others: Usage) -> None:
        """Report a pass; `others` are processes that lived for this pass only."""
        used = usage()
        cpu_seconds = used.cpu_seconds - self._cpu_seconds + sum(other.cpu_seconds for other in others)
        peak_bytes = used.peak_bytes + sum(other.peak_bytes for other in others)
        self._say(seconds=seconds, cpu_seconds=cpu_seconds, peak_bytes=peak_bytes)

    def _say(self, **figures: float) -> None:
        self._answers.write(json.dumps(figures) + "\n")
        self._answers.flush()
