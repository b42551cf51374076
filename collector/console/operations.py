"""The page of operations: is everything coming in, and if not, why, and what is there to do."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
from aiohttp import web

from collector.config import Role
from collector.console.page import Loader, answer
from collector.console.query import text_of
from collector.console.words import OUTCOMES, PIN_STATES, PROFILE_STATES, Word, counted
from collector.export.status import Status, gather_status
from collector.loops.every import Heartbeats, LoopState
from collector.store.fleet import CollectedProfile, FleetStore
from collector.store.pool import Database

_MOST = 100
_GOOD = frozenset({None, "ok", "unchanged"})
_OVERDUE = timedelta(minutes=5)
_MEBIBYTE = 1 << 20


class Collected(msgspec.Struct, frozen=True):
    """A profile, its badges, and in words whether it is collected as planned, and if not, what to do."""

    profile: CollectedProfile
    badges: list[Word]
    text: str


class Work(msgspec.Struct, frozen=True):
    """What this process does: what keeps it from its work, and its loops."""

    problems: list[str]
    loops: list[LoopState]


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The whole collector, and the profiles that match ``text``; without a text, those in trouble."""

    status: Status
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
        return any(Role.POLLER in each.roles for each in self.status.daemons)

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
        return [(PROFILE_STATES[state], each.profiles) for state, each in self.status.profiles.by_state.items()]

    @property
    def pins(self) -> list[tuple[Word, int]]:
        return [(PIN_STATES[state], number) for state, number in self.status.pins.by_state.items() if number]

    @property
    def polls(self) -> list[tuple[Word, int]]:
        polls = self.status.polls_24h.items()
        return [(OUTCOMES.get(outcome) or Word(outcome, "quiet"), number) for outcome, number in polls]

    @property
    def queue(self) -> list[str]:
        """Say what keeps pins from going out."""
        pins = self.status.pins
        said = [f"{counted(number, 'profile')} paused: {why}" for why, number in pins.paused_lanes.items()]
        if pins.unresolved:
            said.append(f"{counted(pins.unresolved, 'unknown pin')} that nobody looks for any more")
        if pins.late:
            said.append(f"{counted(pins.late, 'pin')} will be late")
        return said

    @property
    def mebibytes(self) -> int:
        return self.status.database.size_bytes // _MEBIBYTE


class OperationsPage:
    """Answers for the operator."""

    def __init__(
        self, database: Database, where: str, problems: Callable[[], Awaitable[list[str]]], heartbeats: Heartbeats
    ) -> None:
        self._database = database
        self._store = FleetStore(database)
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
        status = await gather_status(self._database, self._where, count_days=False, most_troubled=_MOST + 1)
        found = await self._store.collected(text, _MOST + 1) if text else status.profiles.troubled
        return Fleet(status=status, text=text, found=found)


def _badges(profile: CollectedProfile) -> list[Word]:
    outcome = OUTCOMES.get(profile.last_outcome or "")
    shown = outcome is not None and profile.state == "active" and profile.last_outcome not in _GOOD
    return [PROFILE_STATES[profile.state], *([outcome] if shown and outcome else [])]
