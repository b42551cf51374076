"""Makes up the demo's pins: some weeks that went out, and two weeks to come. Pure but for what it is given."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Final

import msgspec

from collector.ayrshare.pin_numbers import parse_pin_numbers
from collector.demo.cast import Member
from collector.demo.story import DROPPING, FAILING, SLOW, VANISHING, monday
from collector.emulator import Emulator
from collector.emulator.accounts import Account
from collector.emulator.analytics import pin_metrics
from collector.emulator.pins import Pin
from collector.emulator.traffic import uniforms
from collector.models.pin import NewPin, PinContent, Publication
from collector.models.result import PinNumbers
from collector.store.past import PastPin, PastResult
from collector.track.decision import LOOKS

_WEEKS_PAST: Final = 8
_WEEKS_AHEAD: Final = 2
_DAYS_A_WEEK: Final = 7
_SHARE_OF_DAYS: Final = 0.4
_HOURS: Final = (8, 9, 12, 15, 17, 19)
_QUARTERS: Final = (0, 15, 30, 45)
_COLLECTION: Final = 60
_TITLES: Final = (
    "{Goods} for small rooms",
    "Behind the scenes: how we make our {goods}",
    "Five ways to style {goods}",
    "New this week: {goods} in forest green",
    "How to choose {goods}",
    "The {goods} our customers come back for",
    "{Goods} in the morning light",
    "A gift guide: {goods}",
    "Before and after: {goods}",
    "{Goods}, photographed by you",
)


def calendar(members: Sequence[Member], today: date) -> Iterator[tuple[NewPin, datetime]]:
    """Yield the pins of some weeks past and to come with their times."""
    first = monday(today) - timedelta(weeks=_WEEKS_PAST)
    for member in members:
        for ahead in range(_DAYS_A_WEEK * (_WEEKS_PAST + _WEEKS_AHEAD)):
            day = first + timedelta(days=ahead)
            u = uniforms("pin", member.name, day)
            if u[0] < _SHARE_OF_DAYS:
                clock = time(_HOURS[int(u[1] * len(_HOURS))], _QUARTERS[int(u[2] * len(_QUARTERS))], tzinfo=UTC)
                moment = datetime.combine(day, clock)
                yield _pin(member, day.isoformat(), _TITLES[int(u[3] * len(_TITLES))], moment), moment


def failing_pin(members: Sequence[Member], today: date) -> NewPin | None:
    """Return a pin that Pinterest refuses, if its profile is there; so the next two."""
    return _now(members, FAILING, f"small-image-{monday(today)}", "{Goods}: the whole range")


def vanishing_pin(members: Sequence[Member], today: date) -> NewPin | None:
    """Return a pin of which nobody knows whether it went out."""
    return _now(members, VANISHING, f"lost-answer-{monday(today)}", "A year of {goods}")


def cancelled_pin(members: Sequence[Member], today: date) -> NewPin | None:
    """Return a pin that its agency withdrew."""
    return _now(members, DROPPING, f"withdrawn-{monday(today)}", "Last chance: {goods} at half the price")


def slow_pins(members: Sequence[Member], today: date) -> list[NewPin]:
    """Return a collection that is going out now, one pin after the other."""
    return [
        pin
        for number in range(1, _COLLECTION + 1)
        if (pin := _now(members, SLOW, f"collection-{monday(today)}-{number:02d}", f"{{Goods}}, look {number}"))
    ]


def past_pin(
    emulator: Emulator, account: Account, profile_id: int, pin: NewPin, at: datetime, now: datetime
) -> PastPin:
    """Return a pin that went out at its time, which the emulator is told of as well, with its results until now."""
    pin_id = "9" + "".join(str(int(u * 10)) for u in uniforms("id", account.index, pin.client_ref))
    published = Pin(
        id=f"demo{pin_id}",
        pin_id=pin_id,
        profile=account.title,
        ref_id=account.identity.ref_id,
        text=pin.content.description,
        title=pin.content.title,
        media_urls=pin.content.media_urls,
        notes=None,
        idempotency_key=None,
        created=at.timestamp(),
        due=at.timestamp(),
    )
    emulator.pins.add(account, published)
    where = Publication(ayrshare_id=published.id, pinterest_pin_id=pin_id, pin_url=published.url)
    return PastPin(profile_id, pin.client_ref, at, pin.content, where, tuple(_results(emulator, published, at, now)))


def _results(emulator: Emulator, pin: Pin, at: datetime, now: datetime) -> Iterator[PastResult]:
    """Yield what Ayrshare would have answered about a pin when it would have been asked, where it was news."""
    known = PinNumbers()
    for day in LOOKS:
        asked_at = at + timedelta(days=day, hours=1)
        if asked_at >= now:
            return
        analytics = pin_metrics(emulator.config.seed, pin, asked_at.timestamp())
        body = msgspec.json.encode({"pinterest": {"analytics": analytics}, "status": "success"})
        told = parse_pin_numbers(HTTPStatus.OK, body, ayrshare_id=None, pinterest_pin_id=None).numbers
        if told != known:
            yield PastResult(asked_at, told)
        known = told


def _now(members: Sequence[Member], name: str, ref: str, title: str) -> NewPin | None:
    member = next((each for each in members if each.name == name), None)
    return None if member is None else _pin(member, ref, title, None)


def _pin(member: Member, ref: str, title: str, publish_at: datetime | None) -> NewPin:
    words = title.format(goods=member.goods, Goods=member.goods[0].upper() + member.goods[1:])
    content = PinContent(
        media_urls=(f"https://images.example.com/{member.name}/{ref}.jpg",),
        title=words,
        description=f"{words}. From {member.client}, with free delivery this month.",
        link=f"https://shop.example.com/{member.name}/{ref}",
        alt_texts=(words,),
    )
    return NewPin(profile=member.name, client_ref=ref, content=content, publish_at=publish_at)
