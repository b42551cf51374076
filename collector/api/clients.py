"""Clients: the customers of the agency, which group profiles."""

from typing import Annotated

import msgspec
from aiohttp import hdrs
from msgspec import Meta

from collector.access import Visitor
from collector.api.cursor import cursor
from collector.api.route import route
from collector.api.scope import ListQuery, Text, bound
from collector.api.services import Services
from collector.store.paging import ClientFilter, ClientRow, Paging

_ORDER = "client"


class ClientsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which clients."""

    client: Text | None = None
    text: Annotated[Text, Meta(description="Is in the name, in any case.")] | None = None


class ClientsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list; ``next`` is the cursor of the page after it."""

    clients: list[ClientRow]
    next: str | None
    total: int | None


class Clients:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._paging = Paging(services.database)

    @route(hdrs.METH_GET, "/clients")
    async def list_clients(self, visitor: Visitor, query: ClientsQuery) -> ClientsPage:
        """List clients by name, with their profiles by state, freshness and open drops."""
        wanted = ClientFilter(client=bound(visitor, query.client), text=query.text)
        found = await self._paging.clients(wanted, query.wish(_ORDER))
        return ClientsPage(clients=found.rows, next=cursor(_ORDER, found.after), total=found.total)
