"""The files that settings come from: ``.env`` in the working directory, and a folder of secrets. Shows no value."""

import os
import re
import shlex
import stat
from collections.abc import Iterable
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv.parser import Original, parse_stream

from collector.errors import ConfigurationError

PREFIX = "COLLECTOR_"
ENV_FILE = ".env"
ENV_FILE_ENCODING = "utf-8-sig"


def names_in_env_file() -> set[str]:
    """Return the names that ``.env`` gives a value, in upper case.

    Raises:
        ConfigurationError: it has lines that cannot be read, which would be passed over otherwise.

    """
    path = Path(ENV_FILE)
    if not path.is_file():
        return set()
    data = path.read_bytes()
    try:
        found = list(parse_stream(StringIO(data.decode(ENV_FILE_ENCODING))))
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise ConfigurationError([f"{ENV_FILE}, line {line}: is not UTF-8; save the file as UTF-8"]) from None
    problems = [_bad_line(each.original) for each in found if each.error]
    if problems:
        raise ConfigurationError(problems)
    return {each.key.upper() for each in found if each.key and each.value}


def _bad_line(original: Original) -> str:
    # Never the value: it may be a secret.
    name = re.match(r"\s*(?:export\s+)?(\w+)", original.string)
    what = f"{name[1]} cannot be read" if name else "is no setting"
    return f"{ENV_FILE}, line {original.line}: {what}; write NAME=value, between one pair of quotation marks or none"


def files_in_folder(folder: str | None) -> list[Path]:
    """Return the files of the folder of secrets that are named like settings."""
    if folder is None:
        return []
    return sorted(path for path in Path(folder).iterdir() if path.name.upper().startswith(PREFIX) and path.is_file())


def misspelt(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return what to say of each name with our prefix that is not ``known``, with the nearest that is."""
    known = list(known)
    unknown = sorted(name for name in names if name.upper().startswith(PREFIX) and name.upper() not in known)
    return [f"{name}: there is no such setting{_nearest(name.upper(), known)}" for name in unknown]


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1)
    return f"; is {PREFIX}{near[0]} meant?" if near else "; `collector run --help` lists them all"


def is_readable_by_others(path: Path) -> bool:
    """Tell whether every user of this machine may read a file."""
    mode = path.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def exposed(paths: Iterable[Path]) -> str | None:
    """Say that every user of this machine may read these files, and what to do; None where it is not so.

    Secrets that Docker and Kubernetes mount are left out: their mode is theirs, and nobody else is in the container.
    """
    open_to_all = [str(path) for path in paths if is_readable_by_others(path) and not _is_mounted_read_only(path)]
    if not open_to_all:
        return None
    holds = "hold secrets, and every user of this machine can read them"
    if len(open_to_all) == 1:
        holds = "holds secrets, and every user of this machine can read it"
    return f"{', '.join(open_to_all)} {holds}; run: chmod 600 {shlex.join(open_to_all)}"


def _is_mounted_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
