"""Versions of days, and after how many days they are settled, by what the emulated Ayrshare said at each time."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from collector.emulator.answers import window
from tests.support.ayrshare import Ayrshare
from tests.support.program import Program
from tests.support.simulation import Simulation, simulating

PROFILES, DAYS = 9, 22
NAME = "client-001"
AS_OF = """
SELECT p.name, m.day, m.impression, m.engagement
FROM daily_metric_as_of($1) m
JOIN profile p ON p.id = m.profile_id
"""

Said = dict[tuple[str, date], tuple[int, int]]


@pytest.fixture
async def simulation(empty_dsn: str, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulation]:
    async with simulating(empty_dsn, ayrshare, monkeypatch, profiles=PROFILES) as made:
        yield made


def said_now(simulation: Simulation) -> Said:
    """Return what Ayrshare says of all profiles: impressions and engagements by name and day."""
    return {
        (simulation.ayrshare.identity(index).title, date.fromisoformat(day["date"])): (
            day["metrics"]["IMPRESSION"],
            day["metrics"]["ENGAGEMENT"],
        )
        for index in range(PROFILES)
        for day in window(simulation.ayrshare.config, index, simulation.today.toordinal())["daily"]
    }


async def numbers_settle_on_the_third_day(
    collector: Program, answers: list[tuple[datetime, Said]], known: Said, at_most: date
) -> None:
    """Compare what is recommended with what was said, of the days up to ``at_most``."""
    settling = json.loads((await collector("history", "settle", "--json")).out)
    assert (settling["settle_days"], settling["followed_days"], settling["enough"]) == (3, 7, True)
    assert [each["moved"] for each in settling["evidence"][3:]] == [0] * 4
    for age in (1, 2):
        followed = [
            (said[name, each][0], known[name, each][0])
            for at, said in answers
            for name, each in said
            if (at.date() - each).days == age and each <= at_most
        ]
        assert settling["evidence"][age]["days"] == len(followed) >= 100
        wrong = sum(abs(final - then) for then, final in followed) / sum(final for _, final in followed)
        assert settling["evidence"][age]["impression_share"] == pytest.approx(wrong)
    assert "COLLECTOR_SETTLE_DAYS=3: of days that were followed" in (await collector("history", "settle")).out


async def test_versions_are_what_was_said_at_each_time_and_numbers_settle_when_they_no_longer_move(
    simulation: Simulation, empty_dsn: str, tmp_path: Path
) -> None:
    collector, known = Program(tmp_path, DATABASE_URL=empty_dsn), Said()
    answers: list[tuple[datetime, Said]] = []
    for _ in range(DAYS):
        await simulation.poll()
        known = known | said_now(simulation)
        answers.append((await simulation.database.fetchval("SELECT now()"), known))
        await simulation.pass_hours(24)
    for at, expected in answers[::7]:
        rows = await simulation.database.fetch(AS_OF, at)
        assert {(row[0], row[1]): (row[2], row[3]) for row in rows} == expected

    # Its first day at Ayrshare is the one after it; three restatements follow, until it is three days old.
    day = simulation.today - timedelta(days=8)
    told = [each[NAME, day][0] for _, each in answers if (NAME, day) in each]
    shown = await collector("history", "show", NAME, str(day))
    assert shown.err == ""
    head, *lines = shown.out.splitlines()
    assert head == f"{NAME}, {day}: 3 versions (times are UTC)"
    assert f"impression {told[0]}" in lines[0]
    assert f"impression {told[0]} -> {told[1]} (" in lines[1]
    assert "data_status PROCESSING -> READY" in lines[2]
    versions = json.loads((await collector("history", "show", NAME, str(day), "--json")).out)
    assert [each["age_days"] for each in versions] == [1, 2, 3]

    at = next(moment for moment, each in answers if (NAME, day) in each)
    listed = await collector("history", "show", NAME, "--from", str(day), "--to", str(day), "--as-of", at.isoformat())
    assert listed.out.splitlines()[1].split()[:3] == [str(day), "no", str(told[0])]
    early = await collector("history", "show", NAME, str(day), "--as-of", "2020-01-01")
    assert (early.code, early.err) == (1, f"error: {NAME}, {day}: no version of the day was known at that time\n")

    at_most = simulation.today - timedelta(days=8)  # the last poll was yesterday
    await numbers_settle_on_the_third_day(collector, answers, known, at_most)
