"""The database goes away, in every way, and comes back."""

import asyncio
import time
from signal import SIGINT, SIGKILL

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.server import until_it_answers
from tests.chaos.stage import Stage

_FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16411": No space left on device' USING ERRCODE = '53100';
END
$$;
CREATE TRIGGER no_room BEFORE INSERT ON poll_log FOR EACH ROW EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room BEFORE UPDATE ON pin FOR EACH ROW EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room BEFORE UPDATE ON daemon FOR EACH ROW EXECUTE FUNCTION no_room();
"""
_ROOM = "DROP FUNCTION no_room CASCADE"


async def _killed(stage: Stage) -> None:
    await stage.fault("latency", seconds=0.2)
    async with stage.trouble():
        for _ in range(3):
            stage.server.send(SIGKILL)
            await asyncio.sleep(0.5)
            await until_it_answers(stage.server)
            await stage.lasts(0.3)


async def _stopped(stage: Stage) -> None:
    async with stage.trouble():
        stage.server.send(SIGINT)
        stage.database.cut()
        await stage.lasts()


async def _frozen(stage: Stage) -> None:
    await stage.fault("latency", endpoint="/post", seconds=0.3)
    async with stage.trouble():
        stage.database.freeze()
        await stage.lasts()


async def _reset(stage: Stage) -> None:
    async with stage.trouble():
        ends = time.monotonic() + stage.seconds
        while time.monotonic() < ends:
            stage.database.reset()
            await asyncio.sleep(stage.dice.uniform(0.02, 0.8))


async def _half_closed(stage: Stage) -> None:
    async with stage.trouble():
        ends = time.monotonic() + stage.seconds
        while time.monotonic() < ends:
            stage.database.half_close()
            await asyncio.sleep(stage.dice.uniform(0.1, 1.0))


async def _terminated(stage: Stage) -> None:
    async with stage.trouble():
        ends = time.monotonic() + stage.seconds
        while time.monotonic() < ends:
            await stage.server.terminate()
            await asyncio.sleep(stage.dice.uniform(0.05, 0.8))


async def _lost(stage: Stage) -> None:
    await stage.fault("latency", seconds=0.1)
    async with stage.trouble():
        for _ in range(3):
            stage.database.lose()
            await stage.lasts(1 / 3)


async def _slow(stage: Stage) -> None:
    async with stage.trouble():
        stage.database.latency_seconds = 0.4
        await stage.lasts()


async def _read_only(stage: Stage) -> None:
    async with stage.trouble():
        await stage.server.owner.execute("ALTER ROLE agency SET default_transaction_read_only = on")
        await stage.server.terminate()
        await stage.lasts()
    await stage.server.owner.execute("ALTER ROLE agency RESET default_transaction_read_only")
    await stage.server.terminate()


async def _full(stage: Stage) -> None:
    async with stage.trouble():
        await stage.server.owner.execute(_FULL)
        await stage.lasts()
    await stage.server.owner.execute(_ROOM)


async def _refused_at_start(stage: Stage) -> None:
    """Start with no database: the second daemon says so and ends with 4; the first goes on."""
    async with stage.trouble(newcomers=0):
        stage.database.cut()
        await stage.expect(4, "cannot be used", "run")
        await stage.lasts()


_CUT = "cannot be used"
SCENARIOS = (
    Scenario(
        name="database-lost",
        injected="its connections are forgotten by a router, three times in 90 s",
        play=_lost,
        seconds=90,
        patience=150,
    ),
    Scenario(
        name="database-stopped",
        injected="stopped for 60 s, two replicas",
        play=_stopped,
        seconds=60,
        short=3,
        daemons=(ALL_ROLES,) * 2,
        not_ready=_CUT,
    ),
    Scenario(
        name="database-frozen",
        injected="connections say nothing for 25 s",
        play=_frozen,
        seconds=25,
        short=5,
        not_ready="does not answer within 2 s",
    ),
    Scenario(
        name="database-killed",
        injected="SIGKILL of the server, three times in 20 s",
        play=_killed,
        seconds=20,
    ),
    Scenario(
        name="database-reset",
        injected="connections reset at random for 20 s",
        play=_reset,
        seconds=20,
    ),
    Scenario(
        name="database-half-closed",
        injected="connections half closed at random for 20 s",
        play=_half_closed,
        seconds=20,
    ),
    Scenario(
        name="database-terminated",
        injected="pg_terminate_backend at random for 20 s, two replicas",
        play=_terminated,
        seconds=20,
        daemons=(ALL_ROLES,) * 2,
    ),
    Scenario(
        name="database-slow",
        injected="0.4 s for each piece of an answer, for 20 s",
        play=_slow,
        seconds=20,
        patience=90,
    ),
    Scenario(
        name="database-read-only",
        injected="read-only for 15 s",
        play=_read_only,
        seconds=15,
        not_ready="the database is read-only",
    ),
    Scenario(
        name="database-full",
        injected="every write of a poll, pin or report fails with 53100 for 15 s",
        play=_full,
        seconds=15,
        not_ready="No space left on device",
    ),
    Scenario(
        name="database-refuses",
        injected="refuses connections for 10 s, and a second daemon starts: exit 4",
        play=_refused_at_start,
        seconds=10,
        not_ready=_CUT,
    ),
)
