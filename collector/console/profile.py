"""The page of a profile: is it read, what are its numbers, and what happened; and the page of one of its days."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import msgspec
from aiohttp import web

from collector.access import VISITOR, for_each_client
from collector.console import words
from collector.console.best import BestReader
from collector.console.numbers import Reading
from collector.console.overview import change
from collector.console.page import Loader, answer
from collector.console.period import wish_of
from collector.console.render import profile_url
from collector.console.words import Word
from collector.console.zone import zone_of
from collector.detect.explain import Explanation, explain
from collector.errors import RegistryError
from collector.history.counters import FIRST, counter_names
from collector.models.gap import Gap
from collector.store.budget import Budget, budget_of
from collector.store.counter import CounterDay, CounterStore
from collector.store.drop import DropStore
from collector.store.drop_list import DropRow
from collector.store.fleet import FleetStore, Poll, ProfileStatus
from collector.store.gap import GapStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.timeline import DayVersion, NamedProfile, TimelineStore, Whose

_POLLS = 12
_SHOWN_DAYS = 365
_MONTH = timedelta(days=30)
_PAUSED = "paused in the console"


class Head(msgspec.Struct, frozen=True):
    """A profile, and whether and why it is not read as planned."""

    profile: ProfileStatus
    badges: list[Word]
    why: str | None


class ToldPoll(msgspec.Struct, frozen=True):
    """A poll and its outcome in words."""

    poll: Poll
    word: Word


class Polls(msgspec.Struct, frozen=True):
    """The last polls, and how much of what Ayrshare allows is used; None where the profile was removed meanwhile."""

    budget: Budget | None
    told: list[ToldPoll]


class Trouble(msgspec.Struct, frozen=True):
    """Drops, and days that are missing; ``settled`` is the newest day that can be asked about."""

    drops: list[DropRow]
    gaps: list[Gap]
    settled: date | None = None


class Counter(msgspec.Struct, frozen=True):
    """A counter of the account: its newest number, how it changed in a month, and its numbers, the oldest first."""

    name: str
    newest: float
    change: float | None
    days: list[float | None]


class Account(msgspec.Struct, frozen=True):
    """The account's counters over time; ``followers`` is None where Ayrshare does not tell them."""

    observed_at: datetime | None
    followers: Counter | None
    others: list[Counter]


class ProfilePage:
    """Answers for a profile, and does what an operator asks of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._timeline = TimelineStore(database)
        self._drops = DropStore(database)
        # It takes a third of a second of the processor, which everybody else waits for.
        self._judging = asyncio.Semaphore(1)
        self._fleet = FleetStore(database)
        self._registry = ProfileStore(database)
        self._counters = CounterStore(database)
        self._gaps = GapStore(database)
        self._best = BestReader(database)

    @for_each_client
    async def answer(self, request: web.Request) -> web.Response:
        """Show a profile. Raises ``HTTPNotFound`` where the visitor has none of this id."""
        found = await self._require(request)
        whose = Whose(name=found.name, client=found.client, profile_id=found.id)
        reading = Reading(self._database, self._gaps, whose, wish_of(request), _SHOWN_DAYS)
        parts: dict[str, Loader] = {
            "head": partial(self._head, found.id),
            "numbers": reading.numbers,
            "trouble": partial(self._trouble, reading, found.settled_through),
            "polls": partial(self._polls, found.id),
            "account": partial(self._account, found.id),
            "best": self._best.loader(whose, zone_of(request)),
        }
        return await answer(request, "profile", parts, section="fleet", id=found.id, name=found.name)

    @for_each_client
    async def day(self, request: web.Request) -> web.Response:
        """Show every version of a day, and why it was called a drop, or was not."""
        found = await self._require(request)
        try:
            day = date.fromisoformat(request.match_info["day"])
        except ValueError:
            raise web.HTTPNotFound(text="there is no such day; write it as 2026-01-31") from None
        parts: dict[str, Loader] = {
            "verdict": partial(self._verdict, found.name, day, asked="why" in request.query),
            "versions": partial(self._timeline.versions, found.id, day),
        }
        return await answer(request, "day", parts, section="fleet", profile=found, day=day, steps=steps)

    @for_each_client
    async def act(self, request: web.Request) -> web.Response:
        """Pause, resume or accept a profile, and show it."""
        found = await self._require(request)
        try:
            match request.match_info["action"]:
                case "pause":
                    await self._registry.pause([found.name], _PAUSED)
                case "resume":
                    await self._registry.resume([found.name])
                case _:
                    await self._registry.accept([found.name])
        except RegistryError as error:
            raise web.HTTPConflict(text=str(error)) from error
        raise web.HTTPSeeOther(profile_url(found.id))

    async def _require(self, request: web.Request) -> NamedProfile:
        found = await self._timeline.find(int(request.match_info["id"]))
        if found is None or not request[VISITOR].may_see(found.client):
            raise web.HTTPNotFound(text="you have no such profile")
        return found

    async def _head(self, profile_id: int) -> Head:
        status = await self._fleet.status_of_one(profile_id)
        if status is None:
            raise web.HTTPNotFound(text="this profile was removed a moment ago")
        return Head(status, _badges(status), _why(status))

    async def _trouble(self, reading: Reading, settled: date | None) -> Trouble:
        return Trouble(await reading.drops(), await reading.gaps(), settled)

    async def _verdict(self, name: str, day: date, *, asked: bool) -> Explanation | str | None:
        """Explain a day; where it cannot be, say why not. It takes a hundred times as long as the rest of the page."""
        if not asked:
            return None
        try:
            async with self._judging:
                return await explain(self._drops, name, day)
        except RegistryError as error:
            return str(error)

    async def _polls(self, profile_id: int) -> Polls:
        polls = await self._fleet.recent_polls(profile_id, _POLLS)
        return Polls(
            await budget_of(self._database, profile_id),
            [ToldPoll(each, words.OUTCOMES.get(each.outcome) or Word(each.outcome, "quiet")) for each in polls],
        )

    async def _account(self, profile_id: int) -> Account:
        today = datetime.now(UTC).date()
        days = await self._counters.days(profile_id, today - timedelta(days=_SHOWN_DAYS), today)
        newest = days[-1].counters if days else {}
        found = {name: _counter(name, days) for name in counter_names(days) if name in newest}
        return Account(days[-1].observed_at if days else None, found.pop(FIRST, None), list(found.values()))


def _badges(status: ProfileStatus) -> list[Word]:
    badges = [words.PROFILE_STATES[status.state]]
    if status.engagement_drop:
        badges.append(words.drops(status.engagement_drop))
    if status.account_changed_at is not None:
        badges.append(words.ACCOUNT_CHANGED)
    if status.state == "active" and status.consecutive_failures >= words.FAILING_AFTER:
        badges.append(words.failing(status.consecutive_failures, status.last_outcome))
    if status.missing_days:
        badges.append(words.missing(status.missing_days))
    return badges


def _why(status: ProfileStatus) -> str | None:
    """Say why a profile is not read as planned, and what to do; None where it is."""
    word = words.PROFILE_STATES[status.state]
    if status.state != "active":
        return f"{word.text} {status.state_reason or ''}".strip()
    if status.consecutive_failures:
        text = words.OUTCOMES[status.last_outcome].text if status.last_outcome in words.OUTCOMES else ""
        failures = words.counted(status.consecutive_failures, "poll")
        return f"{failures} in a row failed. {text} {status.last_error or ''}".strip()
    if status.last_success_at is None:
        return "It was registered and is not read yet; that happens within minutes while a daemon runs."
    return None


def _counter(name: str, days: Sequence[CounterDay]) -> Counter:
    told = [(each.day, each.counters[name]) for each in days if name in each.counters]
    newest_day, newest = told[-1]
    month_ago = next((number for day, number in reversed(told) if day <= newest_day - _MONTH), None)
    line: list[float | None] = [number for _, number in told]
    return Counter(words.counter(name), newest, change(newest, month_ago), line)


def steps(versions: list[DayVersion]) -> list[tuple[DayVersion, dict[str, float | None]]]:
    """Return each version with how much each metric changed from the one before."""
    found: list[tuple[DayVersion, dict[str, float | None]]] = []
    former: DayVersion | None = None
    for each in versions:
        now, before = each, former
        found.append((each, {name: _step(now, before, name) for name in words.METRICS}))
        former = each
    return found


def _step(now: DayVersion, before: DayVersion | None, metric: str) -> float | None:
    return None if before is None else change(getattr(now, metric), getattr(before, metric))
