"""A year in a moment, with faults and three outages: what could be had is there, and what is lost was announced."""

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import date, datetime, timedelta

import aiohttp
import pytest

from collector.emulator import EmulatorConfig, serve
from collector.emulator.answers import window
from collector.history.gaps import find_gaps, note_lost_days
from collector.store.gap import GapStore
from tests.support.ayrshare import Ayrshare
from tests.support.simulation import Simulation, simulating

PROFILES, WINDOW = 3, 90
# From which day to which nothing runs.
OUTAGES = ((40, 43), (120, 123), (170, 270))
FAULTS = (
    {"fault": "status", "status": 503, "probability": 0.1},
    {"fault": "rate_limited", "probability": 0.05},
    {"fault": "wrong_json", "probability": 0.1},
    {"fault": "reset_before", "probability": 0.1},
)
DAYS = """
SELECT p.name, m.day, m.impression, m.engagement, m.data_status
FROM daily_metric m
JOIN profile p ON p.id = m.profile_id
"""
AS_OF = DAYS.replace("daily_metric m", "daily_metric_as_of($1) m")
ANSWERED = "SELECT name FROM profile WHERE last_success_at >= now() - interval '1 minute'"

# Impressions, engagements, and whether Pinterest calls them an estimate, by profile and day.
Numbers = dict[tuple[str, date], tuple[int, int, bool]]


@pytest.fixture
async def simulation(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulation]:
    config = EmulatorConfig(profiles=PROFILES, days=WINDOW, cache_seconds=0.0)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        ayrshare = Ayrshare(url, config, session)
        async with simulating(empty_dsn, ayrshare, monkeypatch, profiles=PROFILES) as made:
            yield made


def said(simulation: Simulation, today: date) -> Numbers:
    """Return what Ayrshare says on a day."""
    return {
        (simulation.ayrshare.identity(index).title, date.fromisoformat(day["date"])): (
            day["metrics"]["IMPRESSION"],
            day["metrics"]["ENGAGEMENT"],
            day["dataStatus"] in {"PROCESSING", "ESTIMATE"},
        )
        for index in range(PROFILES)
        for day in window(simulation.ayrshare.config, index, today.toordinal())["daily"]
    }


async def stored(simulation: Simulation, sql: str, *arguments: object) -> Numbers:
    rows = await simulation.database.fetch(sql, *arguments)
    return {(row[0], row[1]): (row[2], row[3], row[4] in {"PROCESSING", "ESTIMATE"}) for row in rows}


class Year:
    """What the collector heard, what it had at some moments, and what it announced to be lost."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.store = GapStore(simulation.database)
        self.heard: Numbers = {}
        self.moments: list[tuple[datetime, Numbers]] = []
        self.truth: Numbers = {}
        self.announced: set[tuple[str, date]] = set()

    async def day(self, *, running: bool) -> None:
        if running:
            await self.simulation.poll()
            await note_lost_days(self.store)
        answered = {row["name"] for row in await self.simulation.database.fetch(ANSWERED)} if running else set()
        now = said(self.simulation, self.simulation.today)
        self.truth |= now
        self.heard |= {key: numbers for key, numbers in now.items() if key[0] in answered}
        for gap in await find_gaps(self.store):
            if gap.days_left == 0:
                self.announced.add((gap.profile, gap.first_day))

    async def remember(self) -> None:
        self.moments.append((await self.simulation.database.fetchval("SELECT now()"), deepcopy(self.heard)))


@pytest.mark.timeout(600)
async def test_a_year_of_faults_and_outages_loses_what_was_announced_and_nothing_else(simulation: Simulation) -> None:
    year = Year(simulation)
    for fault in FAULTS:
        await simulation.ayrshare.fault("*", **fault)  # type: ignore[arg-type]  # each has a name
    for number in range(365):
        await year.day(running=not any(first <= number < last for first, last in OUTAGES))
        if number % 30 == 7:
            await year.remember()
        await simulation.pass_hours(24)
    await simulation.ayrshare.heal()
    await year.day(running=True)

    found = await stored(simulation, DAYS)
    assert found == year.heard
    # The newest days, and those before the long outage, were heard as estimates only, and are told as such.
    settled = {key: numbers for key, numbers in found.items() if not numbers[2]}
    assert settled == {key: year.truth[key] for key in settled}
    # Of a profile whose first polls fail nothing is known of the days before its first answer.
    begun = {name: min(day for other, day in year.heard if other == name) for name, _ in year.heard}
    due = simulation.today - timedelta(days=3)
    wanted = {(name, day) for name, day in year.truth if begun[name] <= day <= due}
    missing = wanted - found.keys()
    assert missing == year.announced
    assert len(missing) >= PROFILES * (100 - WINDOW)
    lost = [gap for gap in await find_gaps(year.store) if gap.lost]
    assert {
        (gap.profile, gap.first_day + timedelta(days=number)) for gap in lost for number in range(gap.days)
    } == missing
    for at, expected in year.moments:
        assert await stored(simulation, AS_OF, at) == expected
