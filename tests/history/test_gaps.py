"""What is missing and why: months are played in a moment, and the reasons are compared with what was played."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from collector.history.gaps import find_gaps, note_lost_days
from collector.models.gap import Cause, Gap
from collector.store.gap import GappyProfile, GapStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import new_profile
from tests.support.simulation import Simulation, simulating

WINDOW, SETTLE = 30, 3
STEADY, UNLINKED, PAUSED, HOLLOW, FAILING = (f"client-{number:03d}" for number in range(1, 6))


@pytest.fixture
async def simulation(empty_dsn: str, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulation]:
    async with simulating(empty_dsn, ayrshare, monkeypatch, profiles=5) as made:
        yield made


class Played:
    """What could be had of each profile: the days of every good answer; the rest is missing."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.store = GapStore(simulation.database)
        self.announced: dict[str, set[date]] = defaultdict(set)

    async def days(self, count: int, *, running: bool = True) -> None:
        """Let days pass; those of a collector that is not running leave nothing in its database."""
        for _ in range(count):
            await self.simulation.pass_hours(24)
            if running:
                await self.simulation.poll()
                await note_lost_days(self.store)
            # Somebody may look at the database all the same.
            for gap in await self.gaps():
                if gap.days_left == 0:
                    self.announced[gap.profile].add(gap.first_day)

    async def gaps(self, profile: str | None = None) -> list[Gap]:
        return await find_gaps(self.store, profile=profile)


async def truly_missing(simulation: Simulation, profile: str) -> set[date]:
    rows = await simulation.database.fetch("SELECT day FROM missing_day WHERE profile = $1", profile)
    return {row["day"] for row in rows}


def days_of(gaps: list[Gap]) -> set[date]:
    return {gap.first_day + timedelta(days=number) for gap in gaps for number in range(gap.days)}


async def refused_and_paused(played: Played, registry: ProfileStore) -> None:
    """Play a day without numbers, a profile that is not linked and one that is paused: each gap has its reason."""
    simulation = played.simulation
    hidden = simulation.today - timedelta(days=1)
    await simulation.ayrshare.fault(
        HOLLOW, "gap", since=str(hidden), until=str(hidden + timedelta(days=1)), endpoint="*"
    )
    await played.days(6)
    await simulation.ayrshare.fault(UNLINKED, "unlinked")
    await registry.pause([PAUSED], "holidays")
    await played.days(10)
    open_gaps: dict[tuple[str, str, str], Gap] = {
        (gap.profile, gap.whose, gap.reason): gap for gap in await played.gaps()
    }
    unlinked = open_gaps[UNLINKED, "client", "unlinked"]
    # It was last read on the day before, with the day before that; the newest day that is due is 3 days old.
    assert unlinked.days == 10 - SETTLE + 1
    assert unlinked.days_left == WINDOW - (simulation.today - unlinked.first_day).days
    assert "Pinterest is not linked" in unlinked.why
    assert open_gaps[PAUSED, "us", "paused"].days == unlinked.days
    assert open_gaps[HOLLOW, "pinterest", "not_given"].days == 1


async def test_the_reason_of_each_missing_day_is_what_was_played(simulation: Simulation) -> None:
    played, registry = Played(simulation), ProfileStore(simulation.database)
    await simulation.poll()
    assert await played.gaps() == []

    await refused_and_paused(played, registry)
    await registry.resume([PAUSED])
    await played.days(30)
    await simulation.ayrshare.heal(UNLINKED)
    await played.days(2)
    lost = await played.gaps()
    assert {(gap.profile, gap.whose, gap.reason, gap.lost) for gap in lost} == {
        (UNLINKED, "client", "unlinked", True),
        (HOLLOW, "pinterest", "not_given", True),
    }
    assert days_of(await played.gaps(UNLINKED)) == await truly_missing(simulation, UNLINKED)

    await played.days(3, running=False)
    await played.days(1)
    assert await played.gaps() == lost, "an outage that is shorter than the window loses nothing"

    await played.days(40, running=False)
    await played.days(2)
    everybody = await played.gaps()
    for profile in (STEADY, PAUSED, FAILING):
        [gap] = [gap for gap in everybody if gap.profile == profile]
        assert (gap.whose, gap.reason, gap.lost) == ("us", "not_running", True)
    await simulation.ayrshare.fault(FAILING, "status", status=500)
    await played.days(8)
    [failing] = [gap for gap in await played.gaps(FAILING) if not gap.lost]
    assert (failing.whose, failing.reason) == ("api", "upstream_error")

    for profile in (STEADY, UNLINKED, PAUSED, HOLLOW, FAILING):
        gaps = await played.gaps(profile)
        assert days_of(gaps) == await truly_missing(simulation, profile)
        assert days_of([gap for gap in gaps if gap.lost]) == played.announced[profile]


async def test_a_day_that_is_lost_at_midnight_is_not_passed_over(simulation: Simulation) -> None:
    """The day ends after it was read what is lost, and before that is written down."""

    class AtMidnight(GapStore):
        async def losing(self, profile_ids: Sequence[int]) -> list[GappyProfile]:
            found = await super().losing(profile_ids)
            await simulation.pass_hours(24)
            return found

    played = Played(simulation)
    await simulation.poll()
    await played.days(40, running=False)
    await note_lost_days(AtMidnight(simulation.database))
    assert days_of(await played.gaps(STEADY)) == await truly_missing(simulation, STEADY)


async def test_days_of_profiles_that_others_write_just_then_are_written_down_a_moment_later(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WhileOthersWrite(GapStore):
        others_write = True

        async def note_lost(self, through: Mapping[int, date], lost: Sequence[tuple[int, Cause]]) -> int:
            async with simulation.database.transaction() as connection:
                if self.others_write:
                    await connection.execute("SELECT FROM profile FOR UPDATE")
                self.others_write = False
                return await super().note_lost(through, lost)

    monkeypatch.setattr("collector.history.gaps._PASS_SECONDS", 0.0)
    played = Played(simulation)
    await simulation.poll()
    await played.days(40, running=False)
    assert await note_lost_days(WhileOthersWrite(simulation.database)) > 0
    assert days_of([gap for gap in await played.gaps(STEADY) if gap.lost]) <= await truly_missing(simulation, STEADY)
    assert await note_lost_days(played.store) == 0, "nothing is left for the next hour"


async def test_how_polls_ended_is_asked_again_until_their_day_is_over(database: Database) -> None:
    store, today = GapStore(database), datetime.now(UTC).date()
    await ProfileStore(database).put([new_profile("acme", "K1")])
    assert (await store.fleet_days({today}))[today] is None
    await database.execute(
        "INSERT INTO poll_log (profile_id, outcome, duration_seconds, rows_new, rows_changed, problems) "
        "SELECT id, 'ok', 0, 0, 0, 0 FROM profile"
    )
    assert (await store.fleet_days({today}))[today] == "ok"
