"""The page of operations: is everything coming in, and if not, why, and what is there to do."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from aiohttp import web

from collector.console.page import Loader, answer
from collector.console.query import text_of
from collector.console.words import OUTCOMES, PIN_STATES, PROFILE_STATES, Word, counted
from collector.export.status import Status, gather_status
from collector.loops.every import Heartbeats, LoopState
from collector.store.fleet import TroubledProfile
from collector.store.pool import Database

_MOST = 100
_MEBIBYTE = 1 << 20


class Troubled(msgspec.Struct, frozen=True):
    """A profile that is not collected as planned, and the words for its state and its last poll."""

    profile: TroubledProfile
    state: Word
    outcome: Word | None


class Work(msgspec.Struct, frozen=True):
    """What this process does: what keeps it from its work, and its loops."""

    problems: list[str]
    loops: list[LoopState]


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The whole collector, and the profiles in trouble that match ``text``."""

    status: Status
    text: str
    matching: list[TroubledProfile]

    @property
    def troubled(self) -> list[Troubled]:
        return [
            Troubled(each, PROFILE_STATES[each.state], OUTCOMES.get(each.last_outcome or ""))
            for each in self.matching[:_MOST]
        ]

    @property
    def summary(self) -> str:
        """Say how many profiles are in trouble, and how many of them are shown."""
        every = counted(len(self.matching), "profile")
        return every if len(self.matching) <= _MOST else f"{_MOST} of {every}; search for the others"

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
    def mebibytes(self) -> int:
        return self.status.database.size_bytes // _MEBIBYTE


class OperationsPage:
    """Answers for the operator."""

    def __init__(
        self, database: Database, where: str, problems: Callable[[], Awaitable[list[str]]], heartbeats: Heartbeats
    ) -> None:
        self._database = database
        self._where = where
        self._problems = problems
        self._heartbeats = heartbeats

    async def answer(self, request: web.Request) -> web.Response:
        """Show how the collector works, and which profiles are in trouble."""
        parts: dict[str, Loader] = {"work": self._work, "fleet": partial(self._fleet, text_of(request, "q"))}
        return await answer(request, "operations", parts, section="operations")

    async def _work(self) -> Work:
        return Work(await self._problems(), self._heartbeats.states())

    async def _fleet(self, text: str) -> Fleet:
        status = await gather_status(self._database, self._where, count_days=False)
        sought = text.casefold()
        matching = [each for each in status.profiles.troubled if sought in f"{each.name} {each.client}".casefold()]
        return Fleet(status=status, text=text, matching=matching)
