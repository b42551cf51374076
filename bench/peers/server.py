"""What the PostgreSQL server writes and works: bytes of WAL, and CPU seconds of all its processes. Linux only."""

import os
from pathlib import Path

from collector.store.pool import Database

_PROC = Path("/proc")
_NANOSECONDS = 1e-9
_PPID, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14  # fields of /proc/PID/stat behind the name


async def wal_position(database: Database) -> int:
    position: int = await database.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
    return position


async def postmaster_of(database: Database) -> int:
    """Return the process that is the parent of the one that serves this connection."""
    return _stat(await database.fetchval("SELECT pg_backend_pid()"), _PPID)


class ServerCpu:
    """CPU seconds of a postmaster's processes from now on."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self._running = self._of_running()
        self._ended = self._of_ended()

    def seconds(self) -> float:
        """Return the seconds since, of processes that run as well as of those that began or ended meanwhile."""
        now = self._of_running()
        running = sum(used - self._running.get(pid, 0.0) for pid, used in now.items())
        ended_before_now = sum(used for pid, used in self._running.items() if pid not in now)
        return running + self._of_ended() - self._ended - ended_before_now

    def _of_running(self) -> dict[int, float]:
        pids = [self._postmaster, *(pid for pid in _processes() if _stat(pid, _PPID) == self._postmaster)]
        return {pid: int((_text(pid, "schedstat").split() or ["0"])[0]) * _NANOSECONDS for pid in pids}

    def _of_ended(self) -> float:
        ticks = _stat(self._postmaster, _CHILDREN_USER) + _stat(self._postmaster, _CHILDREN_SYSTEM)
        return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int, field: int) -> int:
    return int((_text(pid, "stat").rpartition(")")[2].split() or ["0"] * 20)[field])


def _text(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text()
    except OSError:  # it has ended
        return ""
