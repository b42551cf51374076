"""Answers that cannot be true, clocks that are wrong, and profiles that are refused or linked anew."""

import sys
from datetime import UTC, datetime

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import Stage

_STAMPS = ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "2021-01-01T00:00:00Z", 12, ["x"], "\u0000", None)
# The daemon's machine is told another time, as the rest of the program knows it.
_SHIFTED = """
import sys
from datetime import timedelta
from collector.store import clock

now = clock.machine_time
clock.machine_time = lambda: now() + timedelta(days={days})
sys.argv = ["collector", "run"]
from collector.cli import main

main()
"""
_SETTLED = "SELECT bool_and(settled_through >= current_date - 5) FROM profile WHERE state = 'active'"


async def _untrue(stage: Stage) -> None:
    """Give each profile another lie beside its days."""
    for index in range(14):
        stamp = _STAMPS[index % len(_STAMPS)]
        await stage.fault("frozen_stamp", stage.name(index), stamp=stamp)
    await stage.fault("bloated", stage.name(3), size_bytes=8_000_000)
    await stage.fault("no_days", stage.name(1), times=3)
    async with stage.trouble():
        await stage.lasts()
    await stage.until(_SETTLED)


async def _some_refused(stage: Stage) -> None:
    """Refuse a few profiles for good reasons; the others are read, and the operator resumes those that were mended."""
    names = [stage.name(0), stage.name(1), stage.name(2)]
    for name, fault in zip(names, ("unlinked", "suspended", "bad_key"), strict=True):
        await stage.fault(fault, name, endpoint="*")
    async with stage.trouble():
        await stage.until("SELECT count(*) = 3 FROM profile WHERE state <> 'active'")
        await stage.lasts()
    await stage.ayrshare.heal()
    await stage.expect(0, "", "profiles", "resume", *names)
    await stage.until("SELECT count(*) = 0 FROM profile WHERE state <> 'active'")


async def _relinked(stage: Stage) -> None:
    """Link another account behind a key, for good, and accept it."""
    name = stage.name(2)
    former = await stage.server.owner.fetchval("SELECT count(*) FROM daily_metric_revision")
    async with stage.trouble():
        await stage.fault("relinked", name)
        await stage.until(f"SELECT account_changed_at IS NOT NULL FROM profile WHERE name = '{name}'")
        await stage.until("SELECT count(*) >= $1 FROM daily_metric_revision", former + 20)
        await stage.expect(0, "", "profiles", "show", name)
        await stage.expect(0, "", "profiles", "accept", name)
        await stage.until(f"SELECT account_changed_at IS NULL FROM profile WHERE name = '{name}'")
        await stage.lasts()


async def _machine_clock(stage: Stage, days: int) -> None:
    """Replace the daemon by one whose machine is days off, then by one that is right again."""
    [right] = stage.daemons
    await stage.stop(right)
    async with stage.trouble():
        program = (sys.executable, "-c", _SHIFTED.format(days=days))
        wrong = await stage.start(ALL_ROLES, program=program)
        await wrong.until_running()
        await stage.until("SELECT count(*) FILTER (WHERE last_success_at IS NULL) = 0 FROM profile")
        await stage.lasts()
        await stage.stop(wrong)
    daemon = await stage.start(ALL_ROLES)
    await daemon.until_running()
    await stage.until(_SETTLED)


async def _machine_ahead(stage: Stage) -> None:
    await _machine_clock(stage, 3)


async def _machine_behind(stage: Stage) -> None:
    await _machine_clock(stage, -3)


async def _ayrshare_clock(stage: Stage) -> None:
    """Shift the emulator's clock by an hour, then by three days, and back."""
    async with stage.trouble():
        for seconds in (3_600.0, 3 * 86_400.0, -3_600.0, 0.0):
            await stage.ayrshare.pass_time(seconds)
            await stage.lasts(0.25)
    future = await stage.server.owner.fetchval("SELECT max(settled_through) FROM profile")
    if future >= datetime.now(UTC).date():
        stage.complaints.append(f"days are settled through {future}")
    await stage.until(_SETTLED)


async def _database_clock(stage: Stage) -> None:
    """Leave behind what a database whose clock was three days ahead had settled."""
    async with stage.trouble():
        await stage.server.owner.execute("UPDATE profile SET settled_through = current_date + 2")
        await stage.lasts()
    await stage.until("SELECT max(settled_through) < current_date FROM profile")


SCENARIOS = (
    Scenario(
        name="answers-untrue",
        injected="stamps of year 1, of 9999 and of other kinds, no days, 8 MB of bad days for 15 s",
        play=_untrue,
        seconds=15,
    ),
    Scenario(
        name="some-refused",
        injected="one profile unlinked, one suspended, one key invalid, then `profiles resume`",
        play=_some_refused,
        seconds=4,
    ),
    Scenario(
        name="relinked",
        injected="another account behind a key, then `profiles accept`",
        play=_relinked,
        seconds=4,
        patience=90,
    ),
    Scenario(
        name="clock-of-machine-ahead",
        injected="the daemon's clock three days ahead, then right",
        play=_machine_ahead,
        seconds=5,
        not_ready="ahead of the database's",
    ),
    Scenario(
        name="clock-of-machine-behind",
        injected="the daemon's clock three days behind, then right",
        play=_machine_behind,
        seconds=5,
        not_ready="behind the database's",
    ),
    Scenario(
        name="clock-of-ayrshare",
        injected="Ayrshare's clock an hour and three days ahead, an hour behind, then right",
        play=_ayrshare_clock,
        seconds=16,
    ),
    Scenario(
        name="clock-of-database",
        injected="days of the future settled by a database whose clock was ahead",
        play=_database_clock,
        seconds=3,
    ),
)
