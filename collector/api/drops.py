"""Drops of engagement, each with its sentence."""

from datetime import date
from typing import Annotated

import msgspec
from aiohttp import hdrs
from msgspec import Meta

from collector.access import Visitor
from collector.api.cursor import cursor
from collector.api.route import route
from collector.api.scope import ListQuery, Text, bound
from collector.api.services import Services
from collector.store.drop import DropStore
from collector.store.fleet_drop import FleetDrop
from collector.store.paging import DropFilter, DropRow, DropState, Paging

_ORDER = "detected"


class DropsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which drops; all filters apply together."""

    client: Text | None = None
    profile: Text | None = None
    state: DropState = DropState.OPEN
    detected_since: date | None = None
    detected_until: Annotated[date, Meta(description="Detected before this day.")] | None = None


class DropsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list; ``next`` is the cursor of the page after it."""

    drops: list[DropRow]
    next: str | None
    total: int | None


class FleetDropsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far back."""

    days: Annotated[int, Meta(ge=0, le=3650, description="Those that ended within so many settled days, too.")] = 0


class FleetDrops(msgspec.Struct, frozen=True, kw_only=True):
    """Drops of the whole fleet."""

    drops: list[FleetDrop]


class Drops:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._paging = Paging(services.database)
        self._store = DropStore(services.database)

    @route(hdrs.METH_GET, "/drops")
    async def list_drops(self, visitor: Visitor, query: DropsQuery) -> DropsPage:
        """List drops, those that were detected last first.

        A drop that is `inhibited` began with one of the whole fleet, and is not reported.
        """
        wanted = DropFilter(
            client=bound(visitor, query.client),
            profile=query.profile,
            state=query.state,
            since=query.detected_since,
            until=query.detected_until,
        )
        found = await self._paging.drops(wanted, query.wish(_ORDER))
        return DropsPage(drops=found.rows, next=cursor(_ORDER, found.after), total=found.total)

    @route(hdrs.METH_GET, "/fleet-drops", for_clients=False)
    async def list_fleet_drops(self, query: FleetDropsQuery) -> FleetDrops:
        """List drops of the whole fleet: days on which a large share of the profiles dropped together."""
        return FleetDrops(drops=await self._store.fleet_listed(query.days))
