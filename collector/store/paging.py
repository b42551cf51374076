"""Lists page by page: a page begins after the last row of the one before, however far that is from the first."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec

from collector.errors import DataRefusedError
from collector.store.columns import names, values
from collector.store.drop_list import DropRow
from collector.store.listing import PINS, PROFILES, ListedPin, PinFilter, PinSort, ProfileFilter, ProfileSort
from collector.store.pool import Database
from collector.store.profile import RegisteredProfile

Row = TypeVar("Row", bound=msgspec.Struct)


class Page(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """Rows, where the next page begins (None: this is the last), and how many there are in all, if it was asked."""

    rows: list[Row]
    after: list[str] | None
    total: int | None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which page: ``after`` is that of the page before, ``total`` asks for the number of all rows.

    Where there are more than ``most_counted``, the total is that number and one: to count them all takes longest.
    """

    limit: int
    after: list[str] | None = None
    descending: bool = False
    total: bool = False
    most_counted: int | None = None


class ClientRow(msgspec.Struct, frozen=True, kw_only=True):
    """A client: its profiles by what they do, its newest settled day, the extremes of its freshness, its open drops.

    ``in_trouble`` are the profiles that are unlinked, suspended, without a valid key, or marked as another account.
    """

    client: str
    profiles: int
    active: int
    paused: int
    in_trouble: int
    settled_through: date | None
    oldest_success: datetime | None
    newest_success: datetime | None
    open_drops: int


class DropState(StrEnum):
    """Which drops: open ones without those that were dismissed, dismissed ones whether open or closed."""

    OPEN = "open"
    DISMISSED = "dismissed"
    CLOSED = "closed"
    ALL = "all"


class DropFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which drops; ``since`` and ``until`` bound the day of detection, ``text`` is in the profile or the client."""

    client: str | None = None
    profile: str | None = None
    state: DropState = DropState.OPEN
    since: date | None = None
    until: date | None = None
    text: str | None = None


class ClientFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which clients; ``text`` is in the name."""

    client: str | None = None
    text: str | None = None


class _Order(msgspec.Struct, frozen=True):
    """What rows are ordered by: expressions that are never NULL and together unique, and their types."""

    keys: tuple[tuple[str, str], ...]
    descending: bool = False


_PROFILE_ORDERS: Final = {
    ProfileSort.NAME: _Order((("name", "text"),)),
    ProfileSort.CLIENT: _Order((("client", "text"), ("name", "text"))),
    ProfileSort.STATE: _Order((("state", "text"), ("name", "text"))),
    ProfileSort.LAST_READ: _Order((("coalesce(last_success_at, '-infinity')", "timestamptz"), ("name", "text"))),
    ProfileSort.NEXT_POLL: _Order((("coalesce(next_poll_at, 'infinity')", "timestamptz"), ("name", "text"))),
}
_PIN_ORDERS: Final = {
    PinSort.NEWEST: _Order((("p.id", "bigint"),), descending=True),
    PinSort.DUE: _Order((("p.publish_at", "timestamptz"), ("p.id", "bigint"))),
    PinSort.PROFILE: _Order((("f.name", "text"), ("p.id", "bigint"))),
    PinSort.STATE: _Order((("p.state", "text"), ("p.id", "bigint"))),
}
_DROP_ORDER: Final = _Order((("detected_day", "date"), ("profile_id", "bigint"), ("metric", "text")), descending=True)
_CLIENT_ORDER: Final = _Order((("client", "text"),))

_DROPS = f"""
SELECT {names(DropRow)}
FROM engagement_drop
WHERE ($1::text IS NULL OR client = $1)
  AND ($2::text IS NULL OR profile = $2)
  AND CASE $3
      WHEN 'open' THEN open AND dismissed_at IS NULL
      WHEN 'dismissed' THEN dismissed_at IS NOT NULL
      WHEN 'closed' THEN NOT open
      ELSE true
  END
  AND ($4::date IS NULL OR detected_day >= $4)
  AND ($5::date IS NULL OR detected_day < $5)
  AND ($6::text IS NULL OR strpos(lower(concat_ws(' ', profile, client)), lower($6)) > 0)
"""

_CLIENTS = f"""
SELECT {names(ClientRow)}
FROM (
    SELECT
        p.client,
        count(*) AS profiles,
        count(*) FILTER (WHERE p.state = 'active') AS active,
        count(*) FILTER (WHERE p.state = 'paused') AS paused,
        count(*) FILTER (
            WHERE p.state IN ('unlinked', 'suspended', 'key_invalid') OR p.account_changed_at IS NOT NULL
        ) AS in_trouble,
        coalesce(
            min(p.settled_through) FILTER (WHERE p.state = 'active'), max(p.settled_through)
        ) AS settled_through,
        min(p.last_success_at) AS oldest_success,
        max(p.last_success_at) AS newest_success,
        coalesce(sum(d.drops), 0)::bigint AS open_drops
    FROM profile p
    LEFT JOIN (
        SELECT profile_id, count(*) AS drops
        FROM engagement_drop
        WHERE told
        GROUP BY profile_id
    ) d ON d.profile_id = p.id
    WHERE ($1::text IS NULL OR p.client = $1)
      AND ($2::text IS NULL OR strpos(lower(p.client), lower($2)) > 0)
    GROUP BY p.client
) AS clients
WHERE true
"""


class Paging:
    """What the API lists; each page is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def profiles(self, wanted: ProfileFilter, sort: ProfileSort, wish: Wish) -> Page[RegisteredProfile]:
        return await self._page(RegisteredProfile, PROFILES, _PROFILE_ORDERS[sort], wanted, wish)

    async def pins(self, wanted: PinFilter, sort: PinSort, wish: Wish) -> Page[ListedPin]:
        return await self._page(ListedPin, PINS, _PIN_ORDERS[sort], wanted, wish)

    async def drops(self, wanted: DropFilter, wish: Wish) -> Page[DropRow]:
        """Return drops, those that were detected last first."""
        return await self._page(DropRow, _DROPS, _DROP_ORDER, wanted, wish)

    async def clients(self, wanted: ClientFilter, wish: Wish) -> Page[ClientRow]:
        return await self._page(ClientRow, _CLIENTS, _CLIENT_ORDER, wanted, wish)

    async def _page(
        self, kind: type[Row], statement: str, order: _Order, wanted: msgspec.Struct, wish: Wish
    ) -> Page[Row]:
        if wish.after is not None and len(wish.after) != len(order.keys):
            raise DataRefusedError("this is no page of this list")
        arguments = msgspec.structs.astuple(wanted)
        sql = _paged(statement, order, wish, len(arguments))
        rows = await self._database.lists.fetch(sql, *arguments, wish.limit + 1, *(wish.after or ()))
        total = None
        if wish.total:
            total = int(rows[0]["total"]) if rows else 0 if wish.after is None else None
        found = values(kind, [_without_own(row) for row in rows[: wish.limit]])
        more = len(rows) > wish.limit
        return Page(rows=found, after=list(rows[wish.limit - 1]["keys"]) if more else None, total=total)


def _paged(statement: str, order: _Order, wish: Wish, given: int) -> str:
    """Add the order, the limit ``$given+1`` and, after it, what the page begins after, all as texts."""
    descending = order.descending != wish.descending
    direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
    keys = ", ".join(expression for expression, _ in order.keys)
    texts = ", ".join(f"({expression})::text" for expression, _ in order.keys)
    ordered = ", ".join(f"{expression} {direction}" for expression, _ in order.keys)
    after = ""
    if wish.after is not None:
        bounds = ", ".join(f"${given + 2 + n}::text::{kind}" for n, (_, kind) in enumerate(order.keys))
        after = f"AND ({keys}) {beyond} ({bounds})"
    head, _, body = statement.strip().partition("\nFROM ")
    most = "" if wish.most_counted is None else f"LIMIT {wish.most_counted + 1}"
    total = f", (SELECT count(*) FROM ({statement} {most}) AS counted) AS total" if wish.total else ""
    return f"{head}, ARRAY[{texts}] AS keys{total}\nFROM {body} {after}\nORDER BY {ordered}\nLIMIT ${given + 1}"


def _without_own(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"keys", "total"}}
