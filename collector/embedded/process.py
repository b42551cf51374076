"""Identifies a process before it is signalled: its number may belong to another one by now."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LivingProcess:
    """A process held by a pidfd where the system has them, so that a reused number is never mistaken for it."""

    pid: int
    _descriptor: int | None

    def is_alive(self) -> bool:
        if self._descriptor is not None:
            return not select.select([self._descriptor], [], [], 0)[0]
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.pid, number)

    async def ended(self, *, within_seconds: float) -> bool:
        deadline = time.monotonic() + within_seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def is_postgres_of(self, cluster: Path) -> bool:
        """Tell whether this is a server of exactly that cluster, and not a stranger who was given its old number."""
        if sys.platform == "linux":
            process = Path(f"/proc/{self.pid}")
            with suppress(OSError):  # another user's process is seen by its command line only
                program = (process / "exe").readlink().name.removesuffix(" (deleted)")
                return program == "postgres" and (process / "cwd").samefile(cluster)
        program, found, _ = _command_line(self.pid).partition(f" -D {cluster} -c ")
        return bool(found) and program.endswith("/postgres")


@contextmanager
def living_process(pid: int) -> Iterator[LivingProcess | None]:
    """Yield the process with that number, or nothing."""
    descriptor = None
    try:
        if sys.platform == "linux":
            with suppress(PermissionError):
                descriptor = os.pidfd_open(pid)
        else:
            os.kill(pid, 0)
    except PermissionError:
        pass
    except OSError:
        yield None
        return
    try:
        yield LivingProcess(pid, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _command_line(pid: int) -> str:
    text = b""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        else:
            command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
            text = subprocess.run(command, capture_output=True, check=True, timeout=5).stdout  # noqa: S603 -- a fixed command
    return os.fsdecode(text)
