"""Times at which pins did better: what is found, what may be chance, and of what nothing is said."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from collector.store.top_pin import WeekOld
from collector.track.timing import FEWEST, Finding, Slot, compare_times

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 6, 1, 12, tzinfo=UTC)


def pins(count: int, *, profile: int = 1, usual: float = 50.0, better_on: int = -1, seed: int = 1) -> Iterator[WeekOld]:
    """Yield a pin a day, with noise as real ones have it; on one weekday twice as good."""
    random = Random(seed)
    for place in range(count):
        at = MONDAY + timedelta(days=place)
        size = usual * random.lognormvariate(0.0, 0.3) * (2.0 if at.weekday() == better_on else 1.0)
        yield WeekOld(profile, at, int(size))


def findings(slots: list[Slot]) -> dict[str, Finding]:
    return {each.name: each.finding for each in slots}


def test_a_weekday_that_is_twice_as_good_is_found_and_the_others_are_worse_than_usual_at_most() -> None:
    found = compare_times(list(pins(140, better_on=2)), BERLIN)
    weekdays = findings(found.weekdays)
    assert weekdays.pop("Wednesday") is Finding.BETTER
    assert Finding.BETTER not in weekdays.values()
    [wednesday] = [each for each in found.weekdays if each.name == "Wednesday"]
    assert wednesday.pins == 20
    assert wednesday.relative is not None
    assert 1.5 < wednesday.relative < 2.1
    # All went out at noon of UTC, in summer.
    assert [(each.name, each.pins) for each in found.hours] == [("14", 140)]
    assert (found.zone, found.pins) == ("Europe/Berlin", 140)


def test_chance_is_not_called_a_finding() -> None:
    told = [each.finding for seed in range(50) for each in compare_times(list(pins(140, seed=seed)), BERLIN).weekdays]
    assert len(told) == 350
    assert sum(each is not Finding.NO_DIFFERENCE for each in told) <= 1


def test_one_pin_that_everybody_saved_makes_no_day_better() -> None:
    made = list(pins(70))
    viral = WeekOld(1, made[3].published_at, 1_000_000)
    found = compare_times([*made[:3], viral, *made[4:]], BERLIN)
    assert set(findings(found.weekdays).values()) == {Finding.NO_DIFFERENCE}


def test_nothing_is_said_of_too_few_pins() -> None:
    found = compare_times(list(pins(7 * (FEWEST - 1), better_on=2)), BERLIN)
    assert {(each.pins, each.relative, each.finding) for each in found.weekdays} == {
        (FEWEST - 1, None, Finding.TOO_FEW)
    }
    assert compare_times([], BERLIN).weekdays == []
    assert compare_times(list(pins(FEWEST - 1)), BERLIN).pins == 0, "nothing is usual of so few"


def test_a_large_profile_does_not_decide_for_a_small_one() -> None:
    # Both publish on two days each; what differs is their size, not their days.
    large = [each for each in pins(140, profile=1, usual=5000.0) if each.published_at.weekday() < 2]
    small = [each for each in pins(140, profile=2, usual=5.0, seed=2) if each.published_at.weekday() >= 5]
    found = compare_times([*large, *small], BERLIN)
    assert set(findings(found.weekdays).values()) == {Finding.NO_DIFFERENCE}
