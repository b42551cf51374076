"""Looks for a database without making one, and says where it looked and what is there."""

from contextlib import suppress
from pathlib import Path

from collector.errors import ConfigurationError

_CLUSTER = Path("postgres", "cluster")
_MOST_NAMED = 5


def insist_on_cluster(data_dir: Path) -> None:
    """Refuse a folder without a database. Raises ``ConfigurationError``, which names those beside it that have one."""
    if (data_dir / _CLUSTER).exists():
        return
    message = f"COLLECTOR_DATA_DIR: there is no database in {data_dir.absolute()}: {_what_is_there(data_dir)}"
    elsewhere = sorted(
        {str(found) for place in (Path.cwd(), data_dir.absolute().parent) for found in _databases(place)}
    )
    if elsewhere:
        message += f"; there is one in {' and in '.join(elsewhere[:_MOST_NAMED])}"
    mend = "Name its folder, or COLLECTOR_DATABASE_URL; `collector run` and `collector profiles add` make a new one"
    raise ConfigurationError([f"{message}. {mend}"])


def _what_is_there(folder: Path) -> str:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return "the folder does not exist"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not names:
        return "the folder is empty"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"it holds {', '.join(names[:_MOST_NAMED])}{more}"


def _databases(place: Path) -> list[Path]:
    found = []
    with suppress(OSError):
        for folder in place.iterdir():
            with suppress(OSError):
                if (folder / _CLUSTER).exists():
                    found.append(folder)
    return found
