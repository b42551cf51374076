"""Runs a private PostgreSQL as a child process: made on first use, kept alive, and stopped with its last user.

Everything lies under ``DATA_DIR/postgres``. Whoever holds the lock file there runs the server and restarts it when it
dies; other processes join it, and one of them takes it over, at the same address, when the first leaves.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from collector.cancellation import uninterrupted
from collector.embedded.binaries import find_binaries
from collector.embedded.folder import Folder, FolderLock
from collector.embedded.search import insist_on_cluster
from collector.embedded.server import Server, dsn_of
from collector.errors import EmbeddedError

__all__ = ["embedded"]

log = structlog.get_logger(__name__)

JOIN_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 5.0
_SUCCESSION_SECONDS: Final = 0.25
_FIRST_DELAY_SECONDS: Final = 0.1
_LONGEST_DELAY_SECONDS: Final = 10.0
_STABLE_SECONDS: Final = 30.0


@contextlib.asynccontextmanager
async def embedded(data_dir: Path, *, bindir: Path | None = None, create: bool = True) -> AsyncIterator[str]:
    """Yield the DSN of a private PostgreSQL under ``data_dir``, started here or already run by another process of ours.

    The DSN holds until the end: a server that dies is restarted at the same address, and when the process that ran it
    leaves, one of those that joined it runs it on. Connections break meanwhile; a pool heals by itself.
    Linux ends the server with the thread that runs the event loop, should that die; elsewhere the next start does.
    ``bindir`` has ``postgres`` and ``initdb``; without it those that came with the installation are used. Without
    ``create`` nothing is made where there is no database.

    Raises:
        EmbeddedError: there is no server to be had; the message says why and what to do.
        ConfigurationError: there is no database, and none was to be made.
    """
    if not create:
        insist_on_cluster(data_dir)
    folder = Folder.open(data_dir)
    server = Server(folder, await find_binaries(bindir, preferred_major=folder.cluster_major()))
    with folder.lock() as lock:
        try:
            await _own_or_join(server, lock)
            keeper = asyncio.create_task(_keep(server, lock), name="embedded PostgreSQL")
            try:
                yield server.dsn
            finally:
                keeper.cancel()
                await uninterrupted(asyncio.wait([keeper]))
        finally:
            await uninterrupted(server.stop())


async def _own_or_join(server: Server, lock: FolderLock) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while not lock.acquire():
        socket_folder = server.folder.running_socket_folder()
        if socket_folder is not None and await _answers(dsn_of(socket_folder)):
            server.socket_folder = socket_folder
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"Process {lock.owner() or 'of unknown id'} runs the embedded PostgreSQL in {server.folder.root}, but "
                f"the server did not answer within {JOIN_SECONDS:g} s. See {server.folder.log}; "
                "if that process hangs, end it and try again."
            )
        await asyncio.sleep(0.05)
    await server.create()
    await server.start()


async def _answers(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=_ANSWER_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    connection.terminate()
    return True


async def _keep(server: Server, lock: FolderLock) -> None:
    """Restart the server whenever it dies; one that was only joined is first inherited from its owner."""
    while not lock.acquire():  # noqa: ASYNC110 -- the kernel tells nobody; a blocking flock could not be cancelled
        await asyncio.sleep(_SUCCESSION_SECONDS)
    delay = _FIRST_DELAY_SECONDS
    while True:
        since = time.monotonic()
        if (status := await server.wait()) is not None:
            log.error("the embedded PostgreSQL died; restarting it", exit_status=status, last_lines=server.last_lines())
        if time.monotonic() - since > _STABLE_SECONDS:
            delay = _FIRST_DELAY_SECONDS
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)
        await _restart(server, delay)


async def _restart(server: Server, next_delay_seconds: float) -> None:
    try:
        await server.start()
    except EmbeddedError as error:
        log.error(  # noqa: TRY400 -- the message is the server's own; a traceback of ours tells nothing more
            "the embedded PostgreSQL does not start; trying again",
            reason=str(error),
            retry_in_seconds=next_delay_seconds,
        )
    except Exception:
        log.exception("the embedded PostgreSQL was not restarted; trying again", retry_in_seconds=next_delay_seconds)
    else:
        log.info("the embedded PostgreSQL runs again")
