"""A pin as it is typed into the form: texts only, right or wrong. Pure."""

import secrets
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from multidict import MultiDict

from collector.errors import CollectorError, MomentError, PinError
from collector.models.pin import NewPin, PinContent, PinProblem
from collector.store.pin import PinDetails
from collector.table.moment import Moments, zone_named

MOST_IMAGES: Final = 5
LIMITS: Final = {"description": 500, "title": 100, "alt_texts": 500, "note": 1000, "client_ref": 200}
"""The longest texts that the table takes, in characters as it counts them."""

_LOCAL = "%Y-%m-%dT%H:%M"
_USUAL_TIME = time(9)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed; ``publish_at`` is what the clocks of ``zone`` show, empty is at once.

    ``made_ref`` is the reference of a pin that is given none, so that a form that is sent twice queues one pin.
    ``media_urls`` and ``alt_texts`` are rows: each has one of both, which may be empty. ``version`` is that of the pin
    that is changed; ``as_they_are`` takes the images whatever is found.
    """

    profile: str = ""
    client_ref: str = ""
    made_ref: str = ""
    publish_at: str = ""
    zone: str = "UTC"
    description: str = ""
    title: str = ""
    link: str = ""
    board_id: str = ""
    media_urls: tuple[str, ...] = ()
    alt_texts: tuple[str, ...] = ()
    carousel: str = ""
    thumbnail_url: str = ""
    note: str = ""
    version: str = ""
    as_they_are: str = ""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The rows of the form, the empty ones at the end."""
        filled = list(zip(self.media_urls, self.alt_texts, strict=True))
        return filled + [("", "")] * (MOST_IMAGES - len(filled))

    @property
    def content(self) -> PinContent:
        alt_texts = self.alt_texts
        while alt_texts and not alt_texts[-1]:
            alt_texts = alt_texts[:-1]
        return PinContent(
            media_urls=self.media_urls,
            description=self.description,
            title=self.title or None,
            link=self.link or None,
            board_id=self.board_id or None,
            alt_texts=alt_texts,
            carousel=self.carousel or None,
            thumbnail_url=self.thumbnail_url or None,
            note=self.note or None,
        )

    def moment(self) -> datetime | None:
        """Return when the pin is due, None for at once. Raises ``PinError``."""
        if not self.publish_at:
            return None
        try:
            return Moments(zone_named(self.zone)).read(self.publish_at)
        except MomentError as error:
            field, message = "publish_at", f"the time {error.wrong}; choose another one, or UTC as its zone"
        except CollectorError as error:
            field, message = "zone", str(error)
        raise PinError(message, problems=[PinProblem(field, message)])

    def pin(self, publish_at: datetime | None) -> NewPin:
        return NewPin(
            profile=self.profile,
            client_ref=self.client_ref or self.made_ref,
            publish_at=publish_at,
            content=self.content,
        )


def new_ref() -> str:
    return f"console-{secrets.token_hex(8)}"


def empty_draft(profile: str, day: date | None, zone: ZoneInfo) -> Draft:
    """Return the draft of a new pin; a ``day`` gives it a time that can be changed."""
    at = "" if day is None else datetime.combine(day, _USUAL_TIME).strftime(_LOCAL)
    return Draft(profile=profile, made_ref=new_ref(), publish_at=at, zone=zone.key)


def draft_of(pin: PinDetails, zone: ZoneInfo) -> Draft:
    """Return the draft that changes a pin."""
    urls = tuple(pin.media_urls)
    return Draft(
        profile=pin.profile,
        client_ref=pin.client_ref,
        publish_at=_shown(pin.publish_at, zone),
        zone=zone.key,
        description=pin.description,
        title=pin.title or "",
        link=pin.link or "",
        board_id=pin.board_id or "",
        media_urls=urls,
        alt_texts=(*pin.alt_texts, *[""] * (len(urls) - len(pin.alt_texts))),
        carousel=pin.carousel or "",
        thumbnail_url=pin.thumbnail_url or "",
        note=pin.note or "",
        version=pin.version,
    )


def copy_of(pin: PinDetails, zone: ZoneInfo) -> Draft:
    """Return the draft of a new pin that says the same as another one, at once."""
    return msgspec.structs.replace(draft_of(pin, zone), client_ref="", made_ref=new_ref(), publish_at="", version="")


def typed(fields: MultiDict[str]) -> Draft:
    """Return what a form sent; line ends are those that the table counts."""
    rows = ("media_urls", "alt_texts")
    texts = {name: _lines(fields.get(name, "")) for name in Draft.__struct_fields__ if name not in rows}
    urls, alts = (fields.getall(name, []) for name in rows)
    alts = [*alts, *[""] * (len(urls) - len(alts))]
    filled = [(url.strip(), _lines(alt)) for url, alt in zip(urls, alts, strict=False)]
    kept = [row for row in filled if any(row)]
    return Draft(
        **{**texts, "zone": texts["zone"] or "UTC"},
        media_urls=tuple(url for url, _ in kept),
        alt_texts=tuple(alt for _, alt in kept),
    )


def unchanged_time(draft: Draft, pin: PinDetails) -> bool:
    """Tell whether a draft has the time of the pin that it changes, of which the form has no seconds."""
    try:
        return draft.publish_at == _shown(pin.publish_at, zone_named(draft.zone))
    except CollectorError:
        return False


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime(_LOCAL)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
