"""The page of operations: is everything coming in, and if not, why, and what is there to do."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from collector.config import Role
from collector.console.page import Loader, answer
from collector.console.query import text_of
from collector.console.words import OUTCOMES, PIN_STATES, PROFILE_STATES, Word, counted, paused
from collector.loops.every import Heartbeats, LoopState
from collector.loops.recent import Recent
from collector.store.budget import Budget, nearest_budgets
from collector.store.daemon import DaemonStore, SeenDaemon
from collector.store.fleet import Backlog, CollectedProfile, DatabaseInfo, FleetStore
from collector.store.leader import Leadership, leaderships
from collector.store.pin import PinStore, QueueSummary
from collector.store.pool import Database

_MOST = 50
_GOOD = frozenset({None, "ok", "unchanged"})
_OVERDUE = timedelta(minutes=5)
_MEBIBYTE = 1 << 20
_MOST_BUDGETS = 8
_SUMS_SECONDS = 5.0

ALIVE: Final = Word("Alive", "good", "It was heard of within the last minute.")
_STOPPED: Final = Word("Stopped", "quiet", "It was told to stop.")
_SILENT: Final = Word("Silent", "bad", "It was not told to stop, and says nothing: it was killed, or has no database.")


class Collected(msgspec.Struct, frozen=True):
    """A profile, its badges, and in words whether it is collected as planned, and if not, what to do."""

    profile: CollectedProfile
    badges: list[Word]
    text: str


class Work(msgspec.Struct, frozen=True):
    """What this process does: what keeps it from its work, and its loops."""

    problems: list[str]
    loops: list[LoopState]


class Replica(msgspec.Struct, frozen=True):
    """A process of the collector, whether it is alive, and what it does for all."""

    process: SeenDaemon
    word: Word
    leads: list[Leadership]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted over the whole fleet, the same for whoever looks within some seconds."""

    states: dict[str, int]
    polls: dict[str, int]
    pins: QueueSummary
    database: DatabaseInfo
    budgets: list[Budget]


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The whole collector, and the profiles that match ``text``; without a text, those in trouble."""

    sums: Sums
    backlog: Backlog
    replicas: list[Replica]
    where: str
    text: str
    found: list[CollectedProfile]

    @property
    def rows(self) -> list[Collected]:
        return [Collected(each, _badges(each), self._told(each)) for each in self.found[:_MOST]]

    @property
    def summary(self) -> str:
        """Say how many profiles there are, or that there are more than are shown."""
        more = len(self.found) > _MOST
        return f"the first {_MOST} profiles; search for the others" if more else counted(len(self.found), "profile")

    @property
    def polls_at_all(self) -> bool:
        return any(Role.POLLER in each.process.roles for each in self.replicas if each.word is ALIVE)

    def _told(self, profile: CollectedProfile) -> str:
        if profile.state != "active":
            return PROFILE_STATES[profile.state].text
        if profile.last_outcome not in _GOOD:
            return OUTCOMES[profile.last_outcome].text if profile.last_outcome in OUTCOMES else ""
        if not self.polls_at_all:
            return "No collector polls: start one with the role poller."
        if profile.next_poll_at is not None and datetime.now(UTC) - profile.next_poll_at > _OVERDUE:
            return "It is overdue: the collector polls, and is behind."
        if profile.last_success_at is None:
            return "It is not read yet; that happens within minutes."
        return PROFILE_STATES["active"].text

    @property
    def profiles(self) -> list[tuple[Word, int]]:
        return [(PROFILE_STATES[state], number) for state, number in self.sums.states.items()]

    @property
    def pins(self) -> list[tuple[Word, int]]:
        return [(PIN_STATES[state], number) for state, number in self.sums.pins.states.items() if number]

    @property
    def polls(self) -> list[tuple[Word, int]]:
        polls = self.sums.polls.items()
        return [(OUTCOMES.get(outcome) or Word(outcome, "quiet"), number) for outcome, number in polls]

    @property
    def queue(self) -> list[str]:
        """Say what keeps pins from going out."""
        pins = self.sums.pins
        said = [f"{counted(number, 'profile')} whose pins wait: {paused(why)}" for why, number in pins.paused.items()]
        if pins.unresolved:
            said.append(f"{counted(pins.unresolved, 'unknown pin')} that nobody looks for any more")
        if pins.late:
            said.append(f"{counted(pins.late, 'pin')} will be late")
        return said

    @property
    def mebibytes(self) -> int:
        return self.sums.database.size_bytes // _MEBIBYTE


class OperationsPage:
    """Answers for the operator."""

    def __init__(
        self, database: Database, where: str, problems: Callable[[], Awaitable[list[str]]], heartbeats: Heartbeats
    ) -> None:
        self._database = database
        self._store = FleetStore(database)
        self._pins = PinStore(database)
        self._daemons = DaemonStore(database)
        self._sums = Recent(self._count, seconds=_SUMS_SECONDS)
        self._where = where
        self._problems = problems
        self._heartbeats = heartbeats

    async def answer(self, request: web.Request) -> web.Response:
        """Show how the collector works, and why a profile is not collected."""
        parts: dict[str, Loader] = {"work": self._work, "fleet": partial(self._fleet, text_of(request, "q"))}
        return await answer(request, "operations", parts, section="operations")

    async def _work(self) -> Work:
        return Work(await self._problems(), self._heartbeats.states())

    async def _fleet(self, text: str) -> Fleet:
        most = _MOST + 1
        return Fleet(
            sums=await self._sums.get(),
            backlog=await self._store.backlog(),
            replicas=_replicas(await self._daemons.lately(), await leaderships(self._database)),
            where=self._where,
            text=text,
            found=await self._store.collected(text, most) if text else await self._store.troubled(most),
        )

    async def _count(self) -> Sums:
        return Sums(
            states=await self._store.states(),
            polls=await self._store.polls(),
            pins=await self._pins.summary(),
            database=await self._store.database(count_days=False),
            budgets=await nearest_budgets(self._database, _MOST_BUDGETS),
        )


def _replicas(processes: Sequence[SeenDaemon], leaders: Sequence[Leadership]) -> list[Replica]:
    return [Replica(each, _life(each), [led for led in leaders if led.owner == each.owner]) for each in processes]


def _life(process: SeenDaemon) -> Word:
    if process.stopped_at is not None:
        return _STOPPED
    return ALIVE if process.alive else _SILENT


def _badges(profile: CollectedProfile) -> list[Word]:
    outcome = OUTCOMES.get(profile.last_outcome or "")
    shown = outcome is not None and profile.state == "active" and profile.last_outcome not in _GOOD
    return [PROFILE_STATES[profile.state], *([outcome] if shown and outcome else [])]
