"""A process of ``collector run``: its log, its pages, and what it holds."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.support.paths import ROOT

_ADDRESS = re.compile(r"running .*?address=(http://[0-9.:]+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_LOOK_SECONDS = 0.25
_PAGES = ("/", "/healthz", "/readyz", "/metrics", "/metrics/profiles")
_ANSWER = aiohttp.ClientTimeout(total=8.0)
_PROGRAM = (sys.executable, "-m", "collector", "run")


class Held(msgspec.Struct, frozen=True):
    """What a process holds: sockets to the database and to the API, other descriptors, resident memory."""

    database: int
    api: int
    other: int
    resident_mib: float


class Daemon:
    """One daemon. Its ``reasons`` are all that ``/readyz`` named while :attr:`watched` was set."""

    def __init__(self, folder: Path, settings: dict[str, str], *, program: Sequence[str] = _PROGRAM) -> None:
        self.log = ""
        self.url: str | None = None
        self.ready = False
        self.watched = False
        self.reasons: set[str] = set()
        self._folder = folder
        self._settings = settings
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status, None while it runs."""
        assert self._process is not None
        return self._process.returncode

    async def start(self, session: aiohttp.ClientSession) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._program,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **self._settings},
            cwd=self._folder,
            start_new_session=True,
        )
        self._tasks = [asyncio.create_task(self._read_log()), asyncio.create_task(self._watch(session))]

    async def until_running(self, seconds: float = 60.0) -> str:
        """Wait for its address, and return it."""
        async with asyncio.timeout(seconds):
            while self.url is None:
                assert self.ended is None, f"a daemon ended with {self.ended}:\n{self.log[-3000:]}"
                await asyncio.sleep(0.05)
        return self.url

    def send(self, number: signal.Signals) -> None:
        if self.ended is None:
            assert self._process is not None
            self._process.send_signal(number)

    async def wait(self, seconds: float) -> int | None:
        """Wait for its end, and return the exit status, None if it still runs."""
        assert self._process is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        return None

    async def stop(self, seconds: float) -> str | None:
        """Tell it to stop; return what was wrong with how it ended."""
        self.send(signal.SIGTERM)
        began = time.monotonic()
        status = await self.wait(seconds)
        took = time.monotonic() - began
        left = session_of(self.pid) if status is not None else []
        await self.kill()
        if status is None:
            return f"a daemon had not stopped {seconds:.0f} s after SIGTERM; its log ends: {self.log[-600:]}"
        if status != 0 or left:
            return f"a daemon ended with {status} after {took:.1f} s and left the processes {left}: {self.log[-600:]}"
        return None

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self._process is not None
        await self._process.wait()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.ready = False

    async def pages(self, session: aiohttp.ClientSession) -> str:
        texts = []
        for path in _PAGES if self.url is not None else ():
            async with session.get(f"{self.url}{path}", timeout=_ANSWER) as response:
                texts.append(await response.text())
        return "\n".join(texts)

    def held(self, database_port: int, api_port: int) -> Held:
        """Count what the process holds, by what the kernel says."""
        inodes = _sockets_to(self.pid)
        ports = [inodes.get(link) for link in _descriptors(self.pid)]
        database, api = ports.count(database_port), ports.count(api_port)
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return Held(database, api, len(ports) - database - api, resident)

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    async def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.log += _ESCAPES.sub("", line.decode(errors="replace"))
            if self.url is None and (found := _ADDRESS.search(self.log)):
                self.url = found[1]

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        while True:
            if self.url is not None:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/readyz", timeout=_ANSWER) as response:
                        answer: Any = await response.json()
                        self.ready = response.status == 200
                    if self.watched:
                        self.reasons.update(answer["problems"])
            await asyncio.sleep(_LOOK_SECONDS)


def session_of(pid: int) -> list[int]:
    """Return the processes that live in the session that this one began."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == pid and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def _descriptors(pid: int) -> list[str]:
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(str(path.readlink()))
    return links


def _sockets_to(pid: int) -> dict[str, int]:
    """Return the remote port of each TCP socket, by what its descriptor is called."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {f"socket:[{each[9]}]": int(each[2].rpartition(":")[2], 16) for each in fields}
