"""The page Fleet: the week's sums, what needs attention, the trend, and the list of clients and profiles."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from aiohttp import web
from markupsafe import Markup

from collector.chart import Day, Mark, MarkKind, line_chart
from collector.console import words
from collector.console.overview import TREND_DAYS, Overview, OverviewKeeper, change
from collector.console.page import Loader, answer
from collector.console.query import page_number, text_of
from collector.console.read_out import read_out
from collector.console.render import Kept
from collector.console.words import Word
from collector.loops.recent import Recent
from collector.store.overview import (
    COUNTS,
    PROFILE_ORDERS,
    ClientSummary,
    FleetDropNote,
    OpenDrop,
    OverviewStore,
    ProfileRow,
    ProfileWish,
)
from collector.store.pool import Database

_ENGAGEMENT = COUNTS.index("engagement")
_IMPRESSION = COUNTS.index("impression")
_PAGE_SIZE = 50
_MOST_DROPS = 6
_SPARK_DAYS = 28
# Everybody who opens the page asks for it.
_URGENT_SECONDS = 2.0
_TOGETHER = ", all profiles together"
_STATES: Final = (
    ("", "Every state"),
    ("trouble", "In trouble"),
    ("failing", "Failing"),
    *((name, word.name) for name, word in words.PROFILE_STATES.items()),
)


class Tile(msgspec.Struct, frozen=True):
    """A metric's week, how it changed, and its last days."""

    metric: str
    week: int
    change: float | None
    days: list[float | None]


class Totals(msgspec.Struct, frozen=True):
    profiles: int
    clients: int
    settled: date | None
    made_at: datetime
    tiles: list[Tile]
    fleet_drops: list[FleetDropNote]


class Trouble(msgspec.Struct, frozen=True):
    """Something that keeps data from coming, how often, and where to look."""

    title: str
    word: Word
    address: str
    since: datetime | None = None


class Attention(msgspec.Struct, frozen=True):
    """What wants somebody; ``profiles`` and ``open_drops`` are None as long as not all is known."""

    profiles: int | None
    open_drops: int | None
    drops: list[OpenDrop]
    troubles: list[Trouble]


class Trend(msgspec.Struct, frozen=True):
    metric: str
    drawing: Markup
    legend: list[tuple[str, str]]


class ClientLine(msgspec.Struct, frozen=True):
    """A client in the list."""

    client: str
    profiles: int
    paused: int
    badges: list[Word]
    days: list[float | None]
    engagement: int
    change: float | None
    impression: int
    read_at: datetime | None


class ProfileLine(msgspec.Struct, frozen=True):
    """A profile in the list."""

    id: int
    name: str
    client: str
    badges: list[Word]
    days: list[float | None]
    week: int | None
    change: float | None
    last_success_at: datetime | None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list, and what it was asked for."""

    view: str
    rows: list[ClientLine] | list[ProfileLine]
    text: str
    state: str
    sort: str
    page: int
    total: int
    sorts: tuple[str, ...]
    states: tuple[tuple[str, str], ...] = _STATES

    @property
    def filtered(self) -> bool:
        return bool(self.text or self.state)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // _PAGE_SIZE))

    @property
    def summary(self) -> str:
        """Which of them are shown."""
        if self.pages == 1:
            return words.counted(self.total, self.view[:-1])
        first = (self.page - 1) * _PAGE_SIZE + 1
        return f"{first:,}\N{EN DASH}{first + len(self.rows) - 1:,} of {words.counted(self.total, self.view[:-1])}"


# What is wrong first; then the clients with the most engagement.
_CLIENT_ORDERS: Final[dict[str, Callable[[ClientSummary], tuple[object, ...]]]] = {
    "attention": lambda each: (-each.troubled, -each.week[_ENGAGEMENT], each.client),
    "name": lambda each: (each.client.casefold(), each.client),
    "engagement": lambda each: (-each.week[_ENGAGEMENT], each.client),
    "change": lambda each: (_change_of(each) is None, _change_of(each) or 0.0, each.client),
    "read": lambda each: (each.read_at is not None, each.read_at, each.client),
}


def _change_of(client: ClientSummary) -> float | None:
    return change(client.compared[_ENGAGEMENT], client.before[_ENGAGEMENT])


class FleetPage:
    """Answers for the fleet."""

    def __init__(self, database: Database, keeper: OverviewKeeper) -> None:
        self._store = OverviewStore(database)
        self._keeper = keeper
        self._urgent = Recent(self._read_urgent, seconds=_URGENT_SECONDS)
        # Thousands of clients are put into an order once, and their days read once, not for each visitor.
        self._known_of: Overview | None = None
        self._orders: dict[str, list[ClientSummary]] = {}
        self._sparks: dict[str, dict[date, float | None]] = {}

    async def answer(self, request: web.Request) -> web.Response:
        parts: dict[str, Loader] = {
            "totals": self._totals,
            "attention": self._attention,
            "trend": self._trend,
            "list": partial(self._list, request),
        }
        return await answer(request, "fleet", parts, section="fleet")

    async def _totals(self) -> Kept | None:
        if (overview := await self._keeper.get()) is None:
            return None
        days = _last_days(overview, _SPARK_DAYS)
        totals = Totals(
            profiles=overview.profiles,
            clients=len(overview.clients),
            settled=overview.settled,
            made_at=overview.made_at,
            tiles=[
                Tile(each.metric, each.week, each.change, [counts[COUNTS.index(each.metric)] for _, counts in days])
                for each in sorted(overview.sums, key=lambda each: list(words.METRICS).index(each.metric))
            ],
            fleet_drops=[each for each in overview.fleet_drops if each.open],
        )
        return Kept(totals, overview)

    async def _attention(self) -> Attention:
        overview, (drops, refused) = await self._keeper.get(), await self._urgent.get()
        return Attention(
            profiles=overview.profiles if overview else None,
            open_drops=overview.open_drops if overview else None,
            drops=drops,
            troubles=[*refused, *(_other_troubles(overview) if overview else [])],
        )

    async def _read_urgent(self) -> tuple[list[OpenDrop], list[Trouble]]:
        refused = [
            Trouble(
                words.counted(each.profiles, "profile"),
                words.PROFILE_STATES[each.state],
                f"/?view=profiles&state={each.state}",
                each.since,
            )
            for each in await self._store.troubles()
        ]
        return await self._store.open_drops(_MOST_DROPS), refused

    async def _trend(self) -> Kept | None:
        if (overview := await self._keeper.get()) is None:
            return None
        metric = "engagement"
        days = _last_days(overview, TREND_DAYS) if overview.days else []
        drawn = [
            Day(day=day, value=counts[_ENGAGEMENT], text=read_out(day, words.METRICS[metric], counts[_ENGAGEMENT]))
            for day, counts in days
        ]
        marks = [Mark(MarkKind.FLEET_DROP, each.first_day, each.last_day) for each in overview.fleet_drops]
        svg = line_chart(drawn, marks, name="trend", label=f"{words.METRICS[metric]} of the fleet by day")
        legend = [("fleet-drop", "the fleet dropped together")] if overview.fleet_drops else []
        return Kept(Trend(metric, Markup(svg), legend), overview)  # noqa: S704 -- escaped where it was drawn

    async def _list(self, request: web.Request) -> Kept | Listed | None:
        if request.query.get("view") == "profiles":
            return await self._profiles(request)
        return await self._clients(request)

    async def _clients(self, request: web.Request) -> Kept | Listed | None:
        if (overview := await self._keeper.get()) is None:
            return None
        text, state = text_of(request, "q"), _state_of(request)
        sort = request.query.get("sort", "")
        sort = sort if sort in _CLIENT_ORDERS else "attention"
        found = self._sorted(overview, sort)
        if text:
            matching = await self._store.matching(text)
            found = [each for each in found if each.client in matching]
        if state:
            found = [each for each in found if _is_in(each, state)]
        page = page_number(request, len(found), _PAGE_SIZE)
        shown = found[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
        rows = await self._lines(overview, shown)
        listed = Listed(
            view="clients", rows=rows, text=text, state=state, sort=sort, page=page, total=len(found),
            sorts=tuple(_CLIENT_ORDERS),
        )  # fmt: skip
        # What a search finds may change at any time.
        return listed if text else Kept(listed, overview)

    def _sorted(self, overview: Overview, sort: str) -> list[ClientSummary]:
        if self._known_of is not overview:
            self._known_of, self._orders, self._sparks = overview, {}, {}
        if sort not in self._orders:
            self._orders[sort] = sorted(overview.clients, key=_CLIENT_ORDERS[sort])
        return self._orders[sort]

    async def _lines(self, overview: Overview, shown: list[ClientSummary]) -> list[ClientLine]:
        until = overview.settled or overview.made_at.date()
        sparks = self._sparks
        if unread := [each.client for each in shown if each.client not in sparks]:
            sparks |= await self._store.sparks(unread, until)
        days = [until - timedelta(days=age) for age in range(_SPARK_DAYS - 1, -1, -1)]
        return [
            ClientLine(
                client=each.client,
                profiles=each.profiles,
                paused=each.paused,
                badges=_client_badges(each),
                days=[sparks[each.client].get(day) for day in days],
                engagement=each.week[_ENGAGEMENT],
                change=_change_of(each),
                impression=each.week[_IMPRESSION],
                read_at=each.read_at,
            )
            for each in shown
        ]

    async def _profiles(self, request: web.Request) -> Listed:
        text, state = text_of(request, "q"), _state_of(request)
        sort = request.query.get("sort", "")
        sort = sort if sort in PROFILE_ORDERS else PROFILE_ORDERS[0]
        wish = ProfileWish(state=state or None, text=text or None, limit=_PAGE_SIZE)
        total = await self._store.count_profiles(wish)
        page = page_number(request, total, _PAGE_SIZE)
        wish = msgspec.structs.replace(wish, offset=(page - 1) * _PAGE_SIZE)
        until = await self._keeper.settled() or datetime.now(UTC).date()
        found = await self._store.profiles(wish, sort, until)
        return Listed(
            view="profiles", rows=[profile_line(each) for each in found], text=text, state=state, sort=sort,
            page=page, total=total, sorts=PROFILE_ORDERS,
        )  # fmt: skip


def profile_line(row: ProfileRow) -> ProfileLine:
    return ProfileLine(
        id=row.id,
        name=row.name,
        client=row.client,
        badges=profile_badges(row),
        days=row.days,
        week=row.week,
        change=change(row.week, row.before) if row.whole else None,
        last_success_at=row.last_success_at,
    )


def profile_badges(row: ProfileRow) -> list[Word]:
    """Return a profile's state, and what is wrong besides."""
    badges = [words.PROFILE_STATES[row.state]]
    if row.open_drops:
        badges.append(words.drops(row.open_drops))
    if row.account_changed:
        badges.append(words.ACCOUNT_CHANGED)
    if row.state == "active" and row.consecutive_failures >= words.FAILING_AFTER:
        badges.append(words.failing(row.consecutive_failures, row.last_outcome))
    return badges


def _client_badges(client: ClientSummary) -> list[Word]:
    badges = []
    if client.open_drops:
        badges.append(words.drops(client.open_drops))
    badges += [words.several(state, number) for state, number in client.refused.items() if number]
    if client.replaced:
        badges.append(words.ACCOUNT_CHANGED)
    if client.failing:
        badges.append(Word(f"{client.failing:,} failing", "warn", "Their last three polls or more failed."))
    if client.missing_days:
        badges.append(words.missing(client.missing_days, _TOGETHER))
    if not badges and client.paused == client.profiles:
        badges.append(words.PROFILE_STATES["paused"])
    if not badges and client.never_read == client.profiles:
        badges.append(Word("Not read yet", "info"))
    return badges or [words.PROFILE_STATES["active"]]


def _is_in(client: ClientSummary, state: str) -> bool:
    match state:
        case "trouble":
            return client.troubled > 0
        case "failing":
            return client.failing > 0
        case "paused":
            return client.paused > 0
        case "active":
            return client.paused + sum(client.refused.values()) < client.profiles
    return client.refused[state] > 0


def _other_troubles(overview: Overview) -> list[Trouble]:
    found = []
    if overview.failing:
        word = Word("Failing", "warn", "Their last three polls or more failed.")
        found.append(Trouble(words.counted(overview.failing, "profile"), word, "/?view=profiles&state=failing"))
    if overview.replaced:
        replaced = words.counted(overview.replaced, "profile")
        found.append(Trouble(replaced, words.ACCOUNT_CHANGED, "/?view=profiles&state=trouble"))
    if overview.missing_days:
        clients = words.counted(overview.short_of_days, "client")
        found.append(Trouble(clients, words.missing(overview.missing_days, _TOGETHER), "/?state=trouble"))
    return found


def _last_days(overview: Overview, count: int) -> list[tuple[date, list[int | None]]]:
    """Return the newest settled days without a hole; one that nobody has is full of None."""
    if overview.settled is None:
        return []
    known = {each.day: each.counts for each in overview.days}
    first = overview.settled - timedelta(days=count - 1)
    if overview.days:
        first = max(first, overview.days[0].day)
    days = [first + timedelta(days=age) for age in range((overview.settled - first).days + 1)]
    return [(day, known.get(day) or [None] * len(COUNTS)) for day in days]


def _state_of(request: web.Request) -> str:
    state = request.query.get("state", "")
    return state if state in dict(_STATES) else ""
