"""What tells another account from a restatement of the same one."""

import pytest

from collector.emulator.traffic import character, final_counts
from collector.store.account import Day, is_another_account, is_the_former_account

FIRST = 740_000
SEED = 1


def impressions(index: int, days: int = 27) -> list[int]:
    account = character(SEED, index)
    return [final_counts(SEED, index, day, account)["IMPRESSION"] for day in range(FIRST, FIRST + days)]


def pairs(stored: list[int], given: list[int]) -> list[Day]:
    return [Day(old, new, None) for old, new in zip(stored, given, strict=True)]


def test_another_account_is_told_by_the_days_of_a_month() -> None:
    accounts = [impressions(index) for index in range(60)]
    told = [is_another_account(pairs(one, other)) for one in accounts for other in accounts if one is not other]
    assert sum(told) > 0.98 * len(told)


@pytest.mark.parametrize("factor", [0.55, 0.6, 0.9, 0.99, 1.0, 1.01, 1.3, 1.9])
def test_days_that_all_moved_by_about_the_same_factor_are_restated(factor: float) -> None:
    for index in range(60):
        stored = impressions(index)
        uneven = [round(count * factor * (1.05 if place % 2 else 0.95)) for place, count in enumerate(stored)]
        assert not is_another_account(pairs(stored, [round(count * factor) for count in stored]))
        assert not is_another_account(pairs(stored, uneven))


def test_a_part_of_the_days_is_restated() -> None:
    stored, other = impressions(3), impressions(4)
    assert not is_another_account(pairs(stored, stored[:7] + other[7:])), "26 % are as they were"
    assert is_another_account(pairs(stored, stored[:5] + other[5:]))


def test_few_days_tell_nothing() -> None:
    stored, other = impressions(3), impressions(4)
    assert not is_another_account(pairs(stored[:13], other[:13]))
    assert is_another_account(pairs(stored[:14], other[:14]))


def test_days_that_all_became_zero_are_not_believed_to_be_a_restatement() -> None:
    stored = impressions(3)
    assert is_another_account(pairs(stored, [0] * len(stored)))
    assert is_another_account(pairs([0] * len(stored), stored))
    assert not is_another_account(pairs([0] * len(stored), [0] * len(stored)))


def test_the_former_account_is_known_by_its_days() -> None:
    stored, former = impressions(3), impressions(4)
    back = [Day(old, new, new) for old, new in zip(stored, former, strict=True)]
    assert is_the_former_account(back)
    assert not is_the_former_account([Day(day.stored, day.given + 1, day.former) for day in back])
    assert not is_the_former_account(pairs(stored, former)), "nothing is known of a former account"
