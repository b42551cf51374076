"""Makes, starts, waits for and stops one PostgreSQL server, a child process. The caller decides who may."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from collector.cancellation import uninterrupted
from collector.embedded import launch
from collector.embedded.binaries import Binaries
from collector.embedded.folder import Folder, explained
from collector.embedded.process import living_process
from collector.errors import EmbeddedError

log = structlog.get_logger(__name__)

_START_SECONDS: Final = 120.0  # a crash recovery may have a gigabyte of WAL to read
_STILL_IN_USE_SECONDS: Final = 15.0
_FIRST_WITH_UNICODE_OF_ITS_OWN: Final = 17  # a major version: it has a provider for that
_STOP: Final = ((signal.SIGINT, 8.0), (signal.SIGQUIT, 7.0), (signal.SIGKILL, 5.0))  # fast, immediate, by force

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "max_worker_processes": "24",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
_TIMESCALEDB_SETTINGS: Final = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "8",
}

# The server says one of these while backends of its predecessor, or the predecessor itself, have not quite gone.
_STILL_IN_USE: Final = ("is still in use", "already exists")


class Server:
    """A server of one folder. Only whoever holds the folder's lock may call ``create`` and ``start``."""

    def __init__(self, folder: Folder, binaries: Binaries) -> None:
        self.folder = folder
        self.socket_folder = folder.socket_folder()
        self._binaries = binaries
        self._process: asyncio.subprocess.Process | None = None
        self._log_bytes = 0

    @property
    def dsn(self) -> str:
        return dsn_of(self.socket_folder)

    async def create(self) -> None:
        """Make the cluster if there is none; what an interrupted attempt left is removed."""
        with explained(self.folder.root):
            await asyncio.to_thread(self.folder.remove_unfinished_clusters)
            if self.folder.cluster_major() is None:
                unfinished = self.folder.new_unfinished_cluster()
                await self._initdb(unfinished)
                unfinished.rename(self.folder.cluster)
                _sync(self.folder.root)

    async def start(self) -> None:
        """Start the server and return once it takes clients; one that an earlier process left behind is ended first.

        Raises:
            EmbeddedError: it does not start; the message ends with what it said.
        """
        self._check_version()
        deadline = time.monotonic() + _STILL_IN_USE_SECONDS
        while True:
            try:
                with explained(self.folder.root):
                    await self._start_once()
            except EmbeddedError as error:
                if time.monotonic() > deadline or not any(words in str(error) for words in _STILL_IN_USE):
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def wait(self) -> int | None:
        """Return the exit status when the server has ended; nothing, at once, when there is none."""
        return None if self._process is None else await self._process.wait()

    async def stop(self) -> None:
        """End the server that was started here, if any: politely, then less so."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, seconds in _STOP:
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                break
            log.warning("the embedded PostgreSQL takes long to stop", pid=process.pid, signal=number.name)
        self.folder.remove_sockets(self.socket_folder)

    def last_lines(self) -> list[str]:
        """Return the end of what the server has logged since its start."""
        return self.folder.last_lines(self._log_bytes)

    def _check_version(self) -> None:
        major, ours = self.folder.cluster_major(), self._binaries.major
        if major is None:
            raise EmbeddedError(f"{self.folder.cluster} is gone. Restore it from a backup, or start again without it.")
        if major != ours:
            raise EmbeddedError(
                f"The database in {self.folder.cluster} was made by PostgreSQL {major}, but {self._binaries.bindir} is "
                f"PostgreSQL {ours}. Set COLLECTOR_PG_BINDIR to the programs of PostgreSQL {major}, bring the database "
                f"over with pg_upgrade or pg_dump, or move that folder away to begin with an empty one."
            )

    async def _initdb(self, path: Path) -> None:
        arguments = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
        if self._binaries.major >= _FIRST_WITH_UNICODE_OF_ITS_OWN:
            arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = await asyncio.create_subprocess_exec(
            *self._launched(self._binaries.initdb),
            *(*arguments, "--auth-local=trust", "--auth-host=reject", "-D", str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        finally:
            await uninterrupted(_killed_session(process))
        if process.returncode != 0:
            raise self._failure("could not be set up", process.returncode, output.decode(errors="replace").splitlines())

    async def _start_once(self) -> None:
        await self._end_predecessor()
        # Nobody listens there now, but the server refuses a socket's lock file whose process number is in use again.
        self.folder.remove_sockets(self.socket_folder)
        self.folder.make_socket_folder(self.socket_folder)
        before = self.folder.pid_file()
        try:
            await uninterrupted(self._spawn())
            await self._ready(before.identity if before else None)
        except BaseException:
            await uninterrupted(self.stop())
            self.folder.remove_sockets(self.socket_folder)
            raise

    async def _spawn(self) -> None:
        settings = _SETTINGS | {"unix_socket_directories": _quoted(self.socket_folder)}
        if self._binaries.has_timescaledb:
            settings |= _TIMESCALEDB_SETTINGS
        descriptor = self.folder.open_log()
        try:
            self._log_bytes = os.fstat(descriptor).st_size
            self._process = await asyncio.create_subprocess_exec(
                *self._launched(self._binaries.postgres),
                *("-D", str(self.folder.cluster)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is for the daemon, which ends the server last
            )
        finally:
            os.close(descriptor)

    async def _ready(self, stale: tuple[int, int] | None) -> None:
        process = self._process
        assert process is not None  # noqa: S101 -- just spawned
        deadline = time.monotonic() + _START_SECONDS
        while process.returncode is None:
            found = self.folder.pid_file()
            # In a container numbers repeat: a stale file can name our own pid.
            if found and found.pid == process.pid and found.identity != stale and found.status == "ready":
                return
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {_START_SECONDS:g} s", None, self.last_lines())
            await asyncio.sleep(0.01)
        raise self._failure("does not start", process.returncode, self.last_lines())

    async def _end_predecessor(self) -> None:
        found = self.folder.pid_file()
        if found is None:
            return
        with living_process(found.pid) as process:
            if process is None:
                return
            if not process.is_postgres_of(self.folder.cluster):
                self.folder.disown_pid_file()
                return
            log.warning("ending an embedded PostgreSQL that an earlier process left behind", pid=process.pid)
            for number, seconds in _STOP[:-1]:
                process.send(number)
                if await process.ended(within_seconds=seconds):
                    return
        raise EmbeddedError(
            f"Process {found.pid}, a PostgreSQL server that an earlier run left behind in {self.folder.cluster}, "
            "does not stop. End it by hand and try again."
        )

    def _launched(self, program: Path) -> list[str]:
        launcher = [sys.executable, "-I", "-S", launch.__file__]
        return [*launcher, str(os.getpid()), str(self.folder.root), str(self.socket_folder), str(program)]

    def _failure(self, what: str, status: int | None, lines: list[str]) -> EmbeddedError:
        if status == launch.REFUSED and lines:
            return EmbeddedError(lines[-1])
        said = "".join(f"\n  {line}" for line in lines[-8:])
        status_text = "" if status is None else f" (exit status {status})"
        return EmbeddedError(
            f"The embedded PostgreSQL {what}{status_text}; it said:{said}\nIts log is {self.folder.log}, its programs "
            f"are in {self._binaries.bindir}. If the database is damaged, restore {self.folder.cluster} from a backup, "
            "or move it away to begin with an empty one."
        )


def dsn_of(socket_folder: Path) -> str:
    # The port is named lest PGPORT in the environment be taken for it.
    return f"postgresql://postgres@/postgres?host={quote(str(socket_folder))}&port=5432"


async def _killed_session(process: asyncio.subprocess.Process) -> None:
    """End an initdb that was interrupted, with the servers it runs; the next start removes its half-made cluster."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def _environment() -> dict[str, str]:
    """The environment without what would steer PostgreSQL, and with its messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _quoted(folder: Path) -> str:
    # The setting is a list of names: a comma would separate, a space at the end would be lost.
    return '"' + str(folder).replace('"', '""') + '"'


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
