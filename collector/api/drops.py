"""Drops of engagement, each with its sentence and its why; and why a day was called one, or was not."""

from datetime import date
from typing import Annotated

import msgspec
from aiohttp import hdrs
from msgspec import Meta

from collector.access import Visitor
from collector.api.cursor import cursor
from collector.api.problem import FieldProblem, invalid, not_found
from collector.api.route import route
from collector.api.scope import IdPath, ListQuery, Text, bound, visible_profile
from collector.api.services import Services
from collector.detect.explain import Explanation, explain
from collector.errors import RegistryError
from collector.registry.validate import checked_text
from collector.store.drop import DropStore
from collector.store.drop_list import LONGEST_NOTE, DropList, DropRow
from collector.store.fleet_drop import FleetDrop
from collector.store.paging import DropFilter, DropState, Paging
from collector.store.profile import ProfileStore

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


class Dismissal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a drop is not a problem."""

    note: Annotated[str, Meta(description=f"Kept and shown with the drop; at most {LONGEST_NOTE} characters.")]


class VerdictQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which day."""

    day: Annotated[date, Meta(description="A settled day; without it the newest.")] | None = None


class Drops:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._paging = Paging(services.database)
        self._store = DropStore(services.database)
        self._drops = DropList(services.database)
        self._profiles = ProfileStore(services.database)

    @route(hdrs.METH_GET, "/drops")
    async def list_drops(self, visitor: Visitor, query: DropsQuery) -> DropsPage:
        """List drops, those that were detected last first.

        A drop that is `inhibited` began with one of the whole fleet, and is not reported. `decision` and `why` say what
        it rests on.
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

    @route(hdrs.METH_GET, "/drops/{id}")
    async def show_drop(self, visitor: Visitor, path: IdPath) -> DropRow:
        """Show a drop."""
        return await self._visible(visitor, path.id)

    @route(hdrs.METH_POST, "/drops/{id}/dismiss")
    async def dismiss_drop(self, visitor: Visitor, path: IdPath, body: Dismissal) -> DropRow:
        """Say that a drop is not a problem: nobody is told of it any more.

        The note is kept with the name of the token, also when the drop is found again where it began.
        """
        await self._visible(visitor, path.id)
        try:
            note = checked_text("note", body.note, LONGEST_NOTE)
        except RegistryError as error:
            raise invalid([FieldProblem("note", str(error))]) from None
        await self._drops.dismiss(path.id, note, visitor.known_as)
        return await self._visible(visitor, path.id)

    @route(hdrs.METH_POST, "/drops/{id}/restore")
    async def restore_drop(self, visitor: Visitor, path: IdPath) -> DropRow:
        """Take back that a drop is not a problem."""
        await self._visible(visitor, path.id)
        await self._drops.restore(path.id)
        return await self._visible(visitor, path.id)

    @route(hdrs.METH_GET, "/profiles/{id}/verdict")
    async def show_verdict(self, visitor: Visitor, path: IdPath, query: VerdictQuery) -> Explanation:
        """Say why a day of a profile was called a drop, or was not.

        The days until then are judged again; `checks` has each window that was held against the conditions.
        """
        profile = await visible_profile(self._profiles, visitor, path.id)
        try:
            return await explain(self._store, profile.name, query.day)
        except RegistryError as error:
            raise invalid([FieldProblem("day", str(error))]) from None

    async def _visible(self, visitor: Visitor, drop_id: int) -> DropRow:
        found = await self._drops.find(drop_id)
        if found is None or not visitor.may_see(found.client):
            raise not_found(f"drop {drop_id}")
        return found

    @route(hdrs.METH_GET, "/fleet-drops", for_clients=False)
    async def list_fleet_drops(self, query: FleetDropsQuery) -> FleetDrops:
        """List drops of the whole fleet: days on which a large share of the profiles dropped together."""
        return FleetDrops(drops=await self._drops.fleet_listed(query.days))
