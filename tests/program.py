"""Runs ``collector`` as its user does: a process of its own, with the settings that the test names and no others."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import msgspec
from cryptography.fernet import Fernet
from pydantic import SecretStr

from collector.crypto import KeyRing, fingerprint
from collector.store.pool import Database
from collector.store.profile import NewProfile, ProfileStore

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0
ENCRYPTION_KEY = Fernet.generate_key().decode()
KEYS = KeyRing([SecretStr(ENCRYPTION_KEY)])
_PASSED_ON = ("PATH", "HOME", "COLLECTOR_PG_BINDIR")


async def registered(database: Database, keys: dict[str, str]) -> None:
    """Register profiles of client ``acme`` by name and key, so that the program can open the keys."""
    secrets = {name: SecretStr(key) for name, key in keys.items()}
    await ProfileStore(database).put(
        [
            NewProfile(name=name, client="acme", key_ciphertext=KEYS.encrypt(key), key_fingerprint=fingerprint(key))
            for name, key in secrets.items()
        ]
    )


class Ended(msgspec.Struct, frozen=True):
    """How a command ended, and all that it printed."""

    code: int
    out: str
    err: str


class Program:
    """``collector`` in a folder and with settings, named without their prefix."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings

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
