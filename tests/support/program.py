"""Runs ``collector`` as its user does: in a process of its own, with only the settings that the test names."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import msgspec

from tests.support.paths import ROOT

PATIENCE_SECONDS = 30.0
_PASSED_ON = ("PATH", "HOME", "COLLECTOR_PG_BINDIR")


class Ended(msgspec.Struct, frozen=True):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


class Program:
    """``collector`` in a folder, with settings that are named without their prefix."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings

    def with_settings(self, **settings: str) -> "Program":
        return Program(self._folder, **(self._settings | settings))

    async def __call__(self, *arguments: str | bytes, stdin: str | bytes = b"", **settings: str) -> Ended:
        async with self.started(*arguments, **settings) as process, asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def started(self, *arguments: str | bytes, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "collector", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._folder,
            env=self._environment(settings),
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(SIGKILL)
            await process.communicate()

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        chosen = {f"COLLECTOR_{name}": value for name, value in (self._settings | settings).items()}
        return {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)} | passed_on | chosen
