"""Reads pins that people wrote: a CSV of them, and the time at which one is to be published.

What a pin may hold is checked by the database, for all ways into the queue alike.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from collector.errors import PinError
from collector.models import NewPin, PinContent
from collector.store.pin import refuse_unsendable
from collector.table import Columns, Scanned, scan_table

_COLUMNS = Columns(
    ("profile", "client_ref", "publish_at", "description", "media_urls"),
    ("title", "link", "board_id", "alt_texts", "thumbnail_url", "note"),
    # Five URLs of the greatest length fit, with room for a message about a longer one.
    longest_field=20_000,
)


def scan_pins(lines: Iterable[str]) -> Scanned[NewPin]:
    """Read a CSV of pins; several values in a cell are separated by ``|``.

    Raises:
        BadLinesError: there is no table at all.

    """
    seen: dict[tuple[str, str], int] = {}

    def make(line: int, fields: dict[str, str]) -> NewPin:
        pin = _pin({name: value.strip() for name, value in fields.items()})
        first = seen.setdefault((pin.profile, pin.client_ref), line)
        if first != line:
            raise PinError(f"the client_ref of this profile is already on line {first}")
        return pin

    return scan_table(lines, _COLUMNS, make)


def _pin(fields: dict[str, str]) -> NewPin:
    pin = NewPin(
        profile=fields["profile"],
        client_ref=fields["client_ref"],
        publish_at=publish_time(fields["publish_at"]) if fields["publish_at"] else None,
        content=PinContent(
            media_urls=_several(fields["media_urls"]),
            description=fields["description"],
            title=fields.get("title") or None,
            link=fields.get("link") or None,
            board_id=fields.get("board_id") or None,
            alt_texts=_several(fields.get("alt_texts", "")),
            thumbnail_url=fields.get("thumbnail_url") or None,
            note=fields.get("note") or None,
        ),
    )
    refuse_unsendable(pin)
    return pin


def _several(cell: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in cell.split("|")) if cell else ()


def publish_time(text: str) -> datetime:
    """Return a time with its zone. Raises ``PinError`` for anything else."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise PinError(f"publish_at is not a time: {text[:40]!r}; write 2026-12-24T18:00:00Z") from None
    if moment.tzinfo is None:
        raise PinError(f"publish_at has no zone: {text[:40]!r}; write {moment.isoformat()}Z, or +01:00 at its end")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PinError(f"publish_at is out of range: {text[:40]!r}") from None
