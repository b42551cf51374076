"""Reads pins that people wrote: a table of them, and the time at which one is to be published.

What a pin may hold is checked by the database, for all ways into the queue alike.
"""

from datetime import datetime

from collector.errors import CollectorError, PinError
from collector.models.pin import NewPin, PinContent
from collector.store.pin import refuse_unsendable
from collector.table.moment import Moments
from collector.table.scan import Columns, Scanned, scan_table
from collector.table.sheet import Sheet

COLUMNS = Columns(
    ("profile", "client_ref", "publish_at", "description", "media_urls"),
    ("title", "link", "board_id", "alt_texts", "thumbnail_url", "note"),
    # Five URLs of the greatest length fit, with room for a message about a longer one.
    longest_cell=20_000,
)


def scan_pins(data: bytes | Sheet, moments: Moments) -> Scanned[NewPin]:
    """Read a table of pins; several values in a cell are separated by ``|``.

    A pin with a wrong time is among the rows as well, so that what else is wrong with it is found.

    Raises:
        BadLinesError: there is no table at all.

    """
    seen: dict[tuple[str, str], int] = {}

    def make(line: int, cells: dict[str, str]) -> tuple[NewPin | None, list[str]]:
        problems = []
        first = seen.setdefault((cells["profile"], cells["client_ref"]), line)
        if first != line:
            problems.append(f"client_ref: this profile has it on line {first} already")
        moment = None
        try:
            moment = publish_time(cells["publish_at"], moments) if cells["publish_at"] else None
        except PinError as error:
            problems.append(str(error))
        pin = _pin(cells, moment)
        try:
            refuse_unsendable(pin)
        except PinError as error:
            return None, [*problems, str(error)]
        return pin, problems

    return scan_table(data, COLUMNS, make)


def _pin(cells: dict[str, str], publish_at: datetime | None) -> NewPin:
    return NewPin(
        profile=cells["profile"],
        client_ref=cells["client_ref"],
        publish_at=publish_at,
        given=tuple(cells),
        content=PinContent(
            media_urls=_several(cells["media_urls"]),
            description=cells["description"],
            title=cells.get("title") or None,
            link=cells.get("link") or None,
            board_id=cells.get("board_id") or None,
            alt_texts=_several(cells.get("alt_texts", "")),
            thumbnail_url=cells.get("thumbnail_url") or None,
            note=cells.get("note") or None,
        ),
    )


def _several(cell: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in cell.split("|")) if cell else ()


def publish_time(text: str, moments: Moments | None = None) -> datetime:
    """Return a time in UTC. Raises ``PinError`` for anything else."""
    try:
        return (moments or Moments()).read(text)
    except CollectorError as error:
        raise PinError(f"publish_at {error}") from None
