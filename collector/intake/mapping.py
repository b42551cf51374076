"""Says which columns of a file hold what: by the names that are known, or by a TOML file for other programs."""

import tomllib
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collector.errors import ConfigurationError
from collector.models.intake import COUNTS
from collector.table.moment import DateFormat
from collector.table.sheet import normalised
from collector.wrong_place import wrong_places

DAY: Final = "day"
PROFILE: Final = "profile"
# Pinterest's names of today, those it had before (closeups, link clicks), and ours.
_ALIASES: Final = {
    DAY: ("day", "date", "datum", "report_date"),
    PROFILE: ("profile", "account", "profile_name", "account_name"),
    "impression": ("impression", "impressions", "impressionen"),
    "engagement": ("engagement", "engagements", "total_engagements", "interaktionen"),
    "save": ("save", "saves", "gemerkt", "repins"),
    "pin_click": ("pin_click", "pin_clicks", "pin_klicks", "closeups"),
    "outbound_click": ("outbound_click", "outbound_clicks", "ausgehende_klicks", "link_clicks"),
}
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Mapping(BaseModel):
    """The file: ``columns`` are of `COUNTS`, ``day`` and ``profile``; ``profiles`` gives names of the file ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    date_format: DateFormat | None = None
    columns: dict[str, Name] = {}
    profiles: dict[str, Name] = {}

    def meanings(self) -> dict[str, str]:
        """Return what each known name of a column, normalised, means."""
        chosen = {normalised(name): meaning for meaning, name in self.columns.items()}
        usual = {
            alias: meaning for meaning, aliases in _ALIASES.items() for alias in aliases if meaning not in self.columns
        }
        return usual | chosen


def load_mapping(path: Path | None) -> Mapping:
    """Read the file; without one the usual names are known.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    if path is None:
        return Mapping()
    try:
        mapping = Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError([f"--mapping: {path} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: {error}"]) from None
    except ValidationError as error:
        wrong = [f"{path}: {'.'.join(map(str, place))}: {why}" for place, why in wrong_places(error)]
        raise ConfigurationError(wrong) from None
    if unknown := sorted(set(mapping.columns) - {DAY, PROFILE, *COUNTS}):
        known = ", ".join((DAY, PROFILE, *COUNTS))
        raise ConfigurationError([f"{path}: columns: {', '.join(unknown)}: not known; there are {known}"])
    return mapping
