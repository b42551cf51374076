"""The benchmark's tables, as Markdown, and where they go."""

import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench.peers.contestants import PHASES, PROJECT
from collector.store.pool import Database

DOCUMENT = Path("docs/benchmarks.md")
_HEADER = """\
| {phase} | polls/s | this project: times as fast | WAL a poll | CPU s per 1,000 polls: client | server | peak memory |
|---|---:|---:|---:|---:|---:|---:|
"""
_VERSIONS = """
SELECT current_setting('server_version') AS postgresql,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb
"""


class Figures(NamedTuple):
    """What a pass took; CPU seconds are of 1,000 polls, bytes of WAL of one, `peak_bytes` of the client."""

    polls_per_second: float
    wal_bytes: float
    client_cpu_seconds: float
    server_cpu_seconds: float
    peak_bytes: float


class Round(NamedTuple):
    """What one process took to start, and its passes by phase."""

    start_seconds: float
    figures: dict[str, Figures]


Results = Mapping[str, Sequence[Round]]


async def machine(database: Database, *, profiles: int, days: int, rounds: int, concurrency: int) -> str:
    """Say in one paragraph what was measured, when, and on what."""
    versions = (await database.fetch(_VERSIONS))[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{profiles} profiles x {days} days, {concurrency} requests at once, medians of {rounds} rounds, "
        f"{datetime.now(UTC):%Y-%m-%d}. {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}, PostgreSQL "
        f"{versions['postgresql'].partition(' ')[0]}, {_named(versions['timescaledb'])}. "
        f"Load of the last five minutes, all programs of the machine: {os.getloadavg()[1]:.1f}."
    )


def tables(results: Results) -> str:
    return "\n".join([*(_table(phase, results) for phase in PHASES), _starts(results)])


def write(text: str, *, timescaledb: bool) -> None:
    """Replace the tables of this kind of server in the document."""
    mark = "timescaledb" if timescaledb else "postgresql"
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
    before = DOCUMENT.read_text()
    assert pattern.search(before), f"{DOCUMENT} has no place for {mark}"
    DOCUMENT.write_text(pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", before))


def _table(phase: str, results: Results) -> str:
    lines = [_line(name, phase, results) for name, rounds in results.items() if phase in rounds[0].figures]
    return _HEADER.format(phase=phase) + "\n".join(lines) + "\n"


def _line(name: str, phase: str, results: Results) -> str:
    found = [round_.figures[phase] for round_ in results[name]]
    ours = [round_.figures[phase] for round_ in results[PROJECT.name]]
    ratio = statistics.median(our.polls_per_second / its.polls_per_second for our, its in zip(ours, found, strict=True))
    it = Figures(*map(statistics.median, zip(*found, strict=True)))
    factor = "" if name == PROJECT.name else f"{ratio:.2f}"
    return (
        f"| {name} | {it.polls_per_second:,.0f} | {factor} | {_bytes(it.wal_bytes)} | {it.client_cpu_seconds:.2f} "
        f"| {it.server_cpu_seconds:.2f} | {it.peak_bytes / 2**20:.0f} MiB |"
    )


def _starts(results: Results) -> str:
    starts = (
        f"{name} {statistics.median(round_.start_seconds for round_ in rounds):.1f} s"
        for name, rounds in results.items()
    )
    return f"Start of the process, not counted above: {', '.join(starts)}."


def _bytes(count: float) -> str:
    return f"{count / 1000:.1f} kB" if count >= 1000 else f"{count:.0f} B"


def _named(timescaledb: str | None) -> str:
    return f"TimescaleDB {timescaledb}" if timescaledb else "without TimescaleDB"


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()
