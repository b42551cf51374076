"""Knows the folder ``DATA_DIR/postgres``: its files, its lock, and what the server's pid file says."""

import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from collector.errors import EmbeddedError

SOCKET_NAME: Final = ".s.PGSQL.5432"

_SUN_PATH_BYTES: Final = 103 if sys.platform == "darwin" else 107
_LOG_LIMIT_BYTES: Final = 10_000_000
_UNFINISHED: Final = "cluster.unfinished-"


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a postmaster writes about itself into ``postmaster.pid``; ``status`` is ``ready`` once it takes clients."""

    pid: int
    socket_folder: str
    status: str
    identity: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one embedded PostgreSQL; ``root`` is resolved, private to its owner, and never left."""

    root: Path

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def pid_path(self) -> Path:
        return self.cluster / "postmaster.pid"

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Return the folder under ``data_dir``, made if it is missing.

        Raises:
            EmbeddedError: it cannot be made or used.
        """
        with explained(data_dir):
            root = (data_dir / "postgres").resolve()
            if "\n" in str(root):
                raise EmbeddedError(f"{data_dir} cannot hold a database: PostgreSQL takes no line break in a path.")
            root.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                root.mkdir(mode=0o700)
                _give(root, to=root.parent)
            os.scandir(root).close()
            if root.stat().st_uid == os.geteuid():
                root.chmod(0o700)  # a copy may have come without its modes
        return cls(root)

    def new_unfinished_cluster(self) -> Path:
        """Return a name to make a cluster under: a new one each time, as an interrupted initdb may still be tidying."""
        return self.root / f"{_UNFINISHED}{secrets.token_hex(4)}"

    def remove_unfinished_clusters(self) -> None:
        for path in self.root.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path, ignore_errors=True)

    def cluster_major(self) -> int | None:
        """Return the major version that made the cluster; nothing when there is no cluster."""
        with explained(self.root):
            try:
                return int((self.cluster / "PG_VERSION").read_text())
            except FileNotFoundError:
                if not self.cluster.exists():
                    return None
                reason = "the file PG_VERSION is missing"
            except ValueError:
                reason = "the file PG_VERSION is unreadable"
        raise EmbeddedError(
            f"{self.cluster} is no PostgreSQL database: {reason}. Restore the folder from a backup, or move it away "
            "to begin with an empty database."
        )

    @contextmanager
    def lock(self) -> Iterator["FolderLock"]:
        """Open the lock file, without taking the lock; the lock is given back at the end, or by the process's death."""
        with explained(self.root):
            descriptor = self._open_file(self.root / "lock", os.O_RDWR)
        try:
            yield FolderLock(self.root, descriptor)
        finally:
            os.close(descriptor)

    def open_log(self) -> int:
        """Open the server's log for appending; one that has grown too long is put aside and replaces its forerunner."""
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_LIMIT_BYTES:
                self.log.replace(self.root / "log.old")
        return self._open_file(self.log, os.O_WRONLY | os.O_APPEND)

    def last_lines(self, since_bytes: int, count: int = 8) -> list[str]:
        """Return the log's last lines, of those written after its first ``since_bytes`` bytes."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(since_bytes, os.fstat(file.fileno()).st_size - 8192))
            return file.read().decode(errors="replace").splitlines()[-count:]
        return []

    def pid_file(self) -> PidFile | None:
        """Return what the server's pid file says; nothing when there is none, or not a whole one yet."""
        try:
            with self.pid_path.open("rb") as file:
                lines = os.fsdecode(file.read()).splitlines()
                found = os.fstat(file.fileno())
            # pid, data folder, start time, port, first socket folder, listen address, shared memory key, status
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        lines += [""] * 8
        return PidFile(pid, lines[4], lines[7].strip(), (found.st_ino, found.st_mtime_ns)) if pid > 0 else None

    def disown_pid_file(self) -> None:
        """Put this process's id into the pid file in place of one that an unrelated process has got since.

        A server refuses to start while the file names a living process, unless that is its own parent. The file is not
        removed, because by its shared memory key a starting server detects backends that outlived their postmaster.
        """
        _, _, rest = self.pid_path.read_bytes().partition(b"\n")
        self.pid_path.write_bytes(b"%d\n" % os.getpid() + rest)

    def socket_folder(self) -> Path:
        """Return the folder for the socket: this one; a private one beside other temporary files if that cannot be.

        A socket's address holds 107 bytes, and in a connection string a comma would separate two hosts. The temporary
        folder's name follows from this one's, so that a DSN outlives a restart by another process of ours.
        """
        if _fits_socket(self.root):
            return self.root
        name = "collector-" + hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 -- the folder in it is private, and checked to be so
            if _fits_socket(folder := Path(parent, name)):
                return folder
        raise EmbeddedError(f"{self.root} is too long for a socket, and so is {tempfile.gettempdir()}; set TMPDIR.")

    def make_socket_folder(self, folder: Path) -> None:
        if folder == self.root:
            return
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            _give(folder, to=self.root)
        if not self._is_private(folder):
            raise EmbeddedError(f"{folder} belongs to somebody else; remove it, or set TMPDIR to a private folder.")

    def remove_sockets(self, folder: Path) -> None:
        """Remove what a server left of its socket, and the folder if it was a temporary one."""
        (folder / SOCKET_NAME).unlink(missing_ok=True)
        (folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        if folder != self.root:
            with suppress(OSError):
                folder.rmdir()

    def running_socket_folder(self) -> Path | None:
        """Return where a server that calls itself ready has its socket, if that place is ours."""
        found = self.pid_file()
        if found is None or found.status != "ready":
            return None
        folder = Path(found.socket_folder)
        return folder if self._is_private(folder) else None

    def _is_private(self, folder: Path) -> bool:
        try:
            found = folder.lstat()
        except OSError:
            return False
        owners = {os.geteuid(), self.root.stat().st_uid}
        return stat.S_ISDIR(found.st_mode) and found.st_uid in owners and not found.st_mode & 0o077

    def _open_file(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        # A second name could have been planted by the folder's owner, to be given somebody else's file.
        if os.fstat(descriptor).st_nlink == 1:
            _give(descriptor, to=self.root)
        return descriptor


class FolderLock:
    """An advisory lock on an open file, which the kernel releases when its process ends, however it ends."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._folder = folder
        self._descriptor = descriptor

    def acquire(self) -> bool:
        """Take the lock if nobody has it; true if it is ours now, or was already."""
        with explained(self._folder):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        with suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        return True

    def owner(self) -> int | None:
        """Return the id of the process that took the lock last."""
        text = os.pread(self._descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None


def _fits_socket(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_NAME)) <= _SUN_PATH_BYTES and "," not in str(folder)


def _give(item: Path | int, *, to: Path) -> None:
    """As root, give a new item to the owner of ``to``, who else could not use it when running without root."""
    owner = to.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(item, owner.st_uid, owner.st_gid)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an error that says what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise EmbeddedError(
            f"{error.filename or folder} is not a folder, so no database can be kept in it. "
            "Set COLLECTOR_DATA_DIR to a folder."
        ) from error
    except OSError as error:
        raise EmbeddedError(
            f"The embedded PostgreSQL cannot use {error.filename or folder}: {error.strerror}. Run as the user who "
            "owns the folder, with room on its disk, or set COLLECTOR_DATA_DIR to another one."
        ) from error
