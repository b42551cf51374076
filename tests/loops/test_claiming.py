"""The claim loop: when it claims, when it rests, and when its heartbeat comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from collector.loops import claiming
from collector.loops.claiming import ClaimLoop
from collector.loops.every import Heartbeats
from collector.loops.gate import Gate, Permits


class Work:
    """Work to claim, ``due`` pieces of it, for a worker with ``room``."""

    def __init__(self, *, room: int = 10, due: int = 0, rate: float = 1e6) -> None:
        self.room = room
        self.due = due
        self.writing_seconds = 0.0
        self.claimed: list[int] = []
        self.errors: list[Exception] = []
        self.beats = 0
        self.wake = asyncio.Event()
        self.gate = Gate(rate)

    async def claim(self, permits: Permits) -> bool:
        if self.errors:
            raise self.errors.pop()
        permits.used = min(permits.count, self.due)
        self.due -= permits.used
        self.room -= permits.used
        self.claimed.append(permits.used)
        return permits.used == permits.count

    def beat(self, _name: str) -> None:
        self.beats += 1


@asynccontextmanager
async def claiming_from(work: Work, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    loop = ClaimLoop(
        "work",
        work.gate,
        work.claim,
        room=lambda: work.room,
        writing_seconds=lambda: work.writing_seconds,
        wake=work.wake,
    )
    heartbeats = Heartbeats()
    monkeypatch.setattr(heartbeats, "beat", work.beat)
    task = asyncio.create_task(loop.run(heartbeats))
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _long_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rests so long that only a wake ends them."""
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 3600.0)


async def turn(work: Work) -> None:
    """Wake the loop and wait for the end of its pass."""
    before = work.beats
    work.wake.set()
    while work.beats == before and work.writing_seconds < claiming._STUCK_WRITE_SECONDS:
        await asyncio.sleep(0)


async def test_no_more_is_claimed_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(room=3, due=100)
    async with claiming_from(work, monkeypatch):
        await turn(work)
        await turn(work)
        assert work.claimed == [3], "without room nothing is asked for"
        work.room = 2
        await turn(work)
        assert work.claimed == [3, 2]


async def test_results_that_wait_stop_claims_and_later_the_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(due=5)
    work.writing_seconds = 6.0
    async with claiming_from(work, monkeypatch):
        await turn(work)
        await turn(work)
        assert (work.claimed, work.beats) == ([], 2)
        work.writing_seconds = 16.0
        work.wake.set()
        while work.wake.is_set():
            await asyncio.sleep(0)
        work.wake.set()
        while work.wake.is_set():
            await asyncio.sleep(0)
        assert (work.claimed, work.beats) == ([], 2)
        work.writing_seconds = 0.0
        await turn(work)
        assert work.claimed == [5]


async def test_a_claim_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "backoff", lambda *_args, **_kwargs: -0.2)
    work = Work(due=5)
    work.errors = [ZeroDivisionError(), ZeroDivisionError()]
    async with claiming_from(work, monkeypatch):
        await turn(work)
        assert work.claimed == [5]


async def test_with_the_pace_as_the_limit_permits_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(room=1000, due=60, rate=200.0)
    work.gate._pacer._tokens = 10.0
    async with claiming_from(work, monkeypatch):
        while work.due:
            await asyncio.sleep(0.005)
            work.wake.set()
    assert max(work.claimed[1:]) >= 10, "twenty come in a tenth of a second"
    assert len(work.claimed) <= 6
