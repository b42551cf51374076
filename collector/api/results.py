"""The results of published pins: of one over time, the best of them, and the best times to publish."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import hdrs
from msgspec import Meta

from collector.access import Visitor
from collector.api.problem import FieldProblem, invalid, not_found
from collector.api.route import route
from collector.api.scope import IdPath, Limit, Text, bound, known_subject
from collector.api.services import Services
from collector.errors import CollectorError
from collector.store.client import ClientStore
from collector.store.series import SeriesStore
from collector.store.top_pin import Following, PinPoint, PinRank, TopPin, TopPinStore, TopWish
from collector.table.moment import zone_named
from collector.track.timing import DAYS, Timing, compare_times

_UNKNOWN = {HTTPStatus.NOT_FOUND: "there is no such profile or client, or none that the token may see"}
_Moment = Annotated[datetime, Meta(tz=True)]


class TopPinsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pins, and by what they are ranked."""

    client: Text | None = None
    profile: Text | None = None
    since: Annotated[_Moment, Meta(description="Published then or later.")] | None = None
    until: Annotated[_Moment, Meta(description="Published before.")] | None = None
    by: PinRank = PinRank.ENGAGEMENT
    limit: Limit = 10


class TopPins(msgspec.Struct, frozen=True, kw_only=True):
    """The best pins, the best first; the numbers are totals since each went out."""

    pins: list[TopPin]


class PinMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """A pin over time; ``following`` is null where the pin is not followed, because nobody knows that it is live."""

    pin_id: int
    published_at: datetime | None
    following: Following | None
    points: list[PinPoint]


class BestTimesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose pins, and in which zone; a token of one client may leave the client out."""

    client: Text | None = None
    zone: Annotated[Text, Meta(description="IANA name; unset: the client's, or UTC.")] | None = None


class Results:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._results = TopPinStore(services.database)
        self._clients = ClientStore(services.database)
        self._subjects = SeriesStore(services.database)

    @route(
        hdrs.METH_GET,
        "/pins/{id}/metrics",
        problems={HTTPStatus.NOT_FOUND: "there is no such pin, or none that the token may see"},
    )
    async def show_pin_metrics(self, visitor: Visitor, path: IdPath) -> PinMetrics:
        """Show how a pin did over time: its totals whenever they were others, and when it is asked about next."""
        owner = await self._results.owner(path.id)
        if owner is None or not visitor.may_see(owner.client):
            raise not_found(f"pin {path.id}")
        return PinMetrics(
            pin_id=path.id,
            published_at=owner.published_at,
            following=await self._results.following(owner.profile_id, path.id),
            points=await self._results.points(owner.profile_id, path.id),
        )

    @route(hdrs.METH_GET, "/top-pins", problems=_UNKNOWN)
    async def list_top_pins(self, visitor: Visitor, query: TopPinsQuery) -> TopPins:
        """List the published pins that did best.

        By `week-engagement`, what each had after a week, young pins and old ones compare.
        """
        client = bound(visitor, query.client)
        if client is not None or query.profile is not None:
            await known_subject(self._subjects, client=client, profile=query.profile)
        wish = TopWish(client=client, profile=query.profile, since=query.since, until=query.until)
        return TopPins(pins=await self._results.top(wish, query.by, query.limit))

    @route(hdrs.METH_GET, "/best-times", problems=_UNKNOWN)
    async def show_best_times(self, visitor: Visitor, query: BestTimesQuery) -> Timing:
        """Show on which weekdays and at which hours a client's pins did better, and how many pins that rests on.

        A pin counts by its engagement after a week against what is usual for its profile. There is no finding of a
        weekday or an hour with too few pins.
        """
        client = bound(visitor, query.client)
        if client is None:
            raise invalid([FieldProblem("client", "name a client")])
        await known_subject(self._subjects, client=client, profile=None)
        name = query.zone or await self._clients.zone(client) or "UTC"
        try:
            zone = zone_named(name)
        except CollectorError as error:
            raise invalid([FieldProblem("zone", f"zone: {error}")]) from None
        return compare_times(await self._results.week_old(client=client, days=DAYS), zone)
