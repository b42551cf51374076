"""Writes a file that is there as a whole, or not at all, however the writing ends."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from collector.errors import CollectorError, ConfigurationError


@contextmanager
def whole_file(path: Path, option: str) -> Iterator[BinaryIO]:
    """Yield a file that is at ``path`` once the block has ended well.

    Where the system can, the file has no name until then, so that even a process that is killed leaves nothing.

    Raises:
        ConfigurationError: ``path``, which ``option`` names, cannot be written.
        CollectorError: writing failed.
    """
    target = path.resolve()
    half = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
            raise ConfigurationError([f"{option}: {path} is there and cannot be written"])
        file, named = _opened(half)
    except OSError as error:
        raise ConfigurationError([f"{option}: {path} cannot be written: {error.strerror}"]) from error
    try:
        with file:
            yield file
            file.flush()
            if not named:
                _name(file, half)
        half.replace(target)
    except OSError as error:
        raise CollectorError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            half.unlink()


def make_folder(folder: Path, option: str) -> None:
    """Make a folder for files. Raises ``ConfigurationError``, which names ``option``, where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"{option}: the folder {folder} cannot be made: {error.strerror}"]) from None


def _name(file: BinaryIO, half: Path) -> None:
    folder = os.open(half.parent, os.O_RDONLY)
    try:
        # Only with a folder does Python follow the link, to the file itself.
        os.link(f"/proc/self/fd/{file.fileno()}", half.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _opened(half: Path) -> tuple[BinaryIO, bool]:
    """Return a new file beside the target, and whether it has a name."""
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is not None:
        with suppress(OSError):
            return os.fdopen(os.open(half.parent, nameless | os.O_RDWR, 0o666), "w+b"), False
    return half.open("xb"), True
