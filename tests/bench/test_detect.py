"""The benchmark of the detector must count rightly: its figures decide what is changed there."""

from datetime import date, timedelta

import numpy as np
import pytest

from bench.detect import scoring
from bench.detect.calendars import COUNTRIES, holidays
from bench.detect.ours import Verdicts, judge
from bench.detect.regimes import REGIMES, Regime
from bench.detect.report import Target, misses
from bench.detect.rivals import RULES, matched, onsets, oracle_scores, second_of_three, trailing
from bench.detect.scoring import Figures
from bench.detect.series import _pieces
from bench.detect.world import ALONE, CLEAN, DAYS, FIRST_DAY, SLOW, World, dropped
from collector.models.drop import CloseReason, Episode


def world(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]], start: int = 20) -> World:
    accounts = len(counts)
    starts = np.full(accounts, start)
    return World(counts, None, None, starts, np.zeros(accounts, dtype=np.int64), ("US",) * accounts)


def episode(first: int, detected: int, last: int, reason: CloseReason | None = None) -> Episode:
    def day(index: int) -> date:
        return FIRST_DAY + timedelta(days=index)

    return Episode(
        metric="save",
        first_day=day(first),
        detected_day=day(detected),
        last_day=day(last),
        observed=1.0,
        expected=2.0,
        expected_low=1.5,
        score=4.0,
        lost_share=0.5,
        close_reason=reason,
    )


def verdicts(*episodes: Episode) -> Verdicts:
    return Verdicts(np.zeros((1, 4, DAYS), dtype=np.bool_), [episodes], (FIRST_DAY,))


def test_a_drop_changes_only_the_days_from_its_start_on() -> None:
    counts = np.full((8, 4, 40), 10_000.0)
    counts[:, :, :5] = np.nan
    made = dropped(world(counts), seed=3)
    for name, each in made.items():
        np.testing.assert_array_equal(each[:, :, :20], counts[:, :, :20], err_msg=name)
    assert made["-60 %"][:, :, 20:].mean() == pytest.approx(4000, rel=0.01)
    assert made["-40 %"][:, :, 20:].mean() == pytest.approx(6000, rel=0.01)
    assert made["zero"][:, :, 20:].max() == 0
    assert made[SLOW][:, :, 20].mean() == pytest.approx(9500, rel=0.01)
    assert made[SLOW][:, :, 21].mean() == pytest.approx(9025, rel=0.01)
    fallen = (made[ALONE][:, :, 20:] < 5000).all(axis=2)
    assert fallen.tolist() == np.tile(np.eye(4, dtype=bool), (2, 1)).tolist()
    assert made[CLEAN] is counts


def test_alarms_that_overlap_are_one_and_early_ones_do_not_count() -> None:
    told = verdicts(episode(5, 7, 30), episode(50, 52, 60), episode(58, 61, 70), episode(71, 73, 80))
    assert told.alarms(np.array([35])) == 2
    assert told.alarms(np.array([0])) == 3


def test_a_drop_recovered_falsely_counts_only_when_it_was_told_and_followed_long_enough() -> None:
    told = verdicts(episode(50, 52, 60, CloseReason.RECOVERED))
    assert told.recovered(np.array([50]), within=14, follow=56) == (1, 1)
    assert told.recovered(np.array([53]), within=14, follow=56) == (0, 0)
    assert told.recovered(np.array([50]), within=14, follow=DAYS - 40) == (0, 0)
    lasting = verdicts(episode(50, 52, 106, CloseReason.NEW_NORMAL))
    assert lasting.recovered(np.array([50]), within=14, follow=56) == (1, 0)


def test_a_drop_is_caught_within_days_that_begin_with_its_start() -> None:
    alarms = np.zeros((3, 30), dtype=np.bool_)
    alarms[0, 12], alarms[1, 13], alarms[2, 9] = True, True, True
    starts = np.array([10, 10, 10])
    assert scoring.caught(alarms, starts, 3).tolist() == [True, False, False]
    assert scoring.caught(alarms, starts, 4).tolist() == [True, True, False]


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_a_regime_is_what_its_seed_makes_and_leaves_room_for_its_drops(regime: Regime) -> None:
    made, again, other = (regime.make(np.random.default_rng(seed), 6) for seed in (1, 1, 2))
    np.testing.assert_array_equal(made.counts, again.counts)
    assert not np.array_equal(made.counts, other.counts, equal_nan=True)
    assert made.counts.shape == (6, 4, made.days)
    assert (made.starts >= made.counted_from).all()
    assert (made.starts <= made.days - 14).all()
    assert len(made.countries) == 6
    known = made.counts[~np.isnan(made.counts)]
    np.testing.assert_array_equal(known, np.round(known))
    assert made.means is not None
    ratio = np.nansum(made.counts, axis=(0, 2)) / made.means.sum(axis=(0, 2))
    np.testing.assert_allclose(ratio, 1, rtol=0.08)


@pytest.mark.parametrize("days", sorted({regime.make(np.random.default_rng(1), 1).days for regime in REGIMES}))
def test_a_fall_to_nothing_is_told_in_every_regime_and_none_makes_a_warning(days: int) -> None:
    made = {regime.name: regime.make(np.random.default_rng([1, regime.stream]), 4) for regime in REGIMES}
    worlds = {name: each for name, each in made.items() if each.days == days}
    counts = np.concatenate([dropped(each, 1)["zero"] for each in worlds.values()])
    found, warning = judge(counts, (FIRST_DAY,) * len(counts))
    assert not warning
    starts = np.concatenate([each.starts for each in worlds.values()])
    told = scoring.caught(np.asarray(found.detected.any(axis=1)), starts, 14).reshape(-1, 4).sum(axis=1)
    assert {name: number for name, number in zip(worlds, told.tolist(), strict=True) if number < 3} == {}


def test_accounts_are_judged_from_their_own_first_days() -> None:
    counts = np.random.default_rng(1).poisson(200, (2, 1, 200)).astype(float)
    counts[0, :, 150:] = 0
    counts[1, :, 120:] = 0
    counts[1, :, 180:] = np.nan
    found, warning = judge(counts, (FIRST_DAY, FIRST_DAY - timedelta(days=700)))
    assert warning == ""
    assert scoring.caught(found.detected[:, 0], np.array([150, 120]), 3).tolist() == [True, True]
    assert found.alarms(np.array([35, 35])) == 2


def test_a_sample_is_the_first_accounts() -> None:
    few = REGIMES[0].make(np.random.default_rng(1), 6).sample(2)
    assert few.accounts == len(few.starts) == len(few.countries) == len(few.first_days) == 2
    assert few.years == pytest.approx(2 * (DAYS - 35) / 365)


def test_an_alarm_of_a_rival_begins_after_a_week_without_one() -> None:
    alarms = np.zeros((1, 40), dtype=np.bool_)
    alarms[0, [2, 3, 10, 18, 30]] = True
    assert np.flatnonzero(onsets(alarms)[0]).tolist() == [2, 18, 30]
    assert np.flatnonzero(onsets(alarms, np.array([18]))[0]).tolist() == [18, 30]


def test_a_matched_threshold_makes_as_many_alarms_as_allowed_and_no_more() -> None:
    scores = np.random.default_rng(2).normal(size=(50, 365))
    counted_from = np.full(50, 35)
    threshold = matched(scores, counted_from, 20)
    assert 15 <= onsets(scores >= threshold, counted_from).sum() <= 20
    assert onsets(scores >= matched(scores, counted_from, 0), counted_from).sum() == 0


def test_two_of_three_days_reach_the_second_largest_score() -> None:
    assert second_of_three(np.array([[5.0, 1.0, 4.0, 0.0]]))[0, 1:].tolist() == [1.0, 4.0, 1.0]


def test_trailing_sums_end_with_their_day() -> None:
    assert trailing(np.arange(6.0)[None], 2)[0, 1:].tolist() == [1, 3, 5, 7, 9]
    assert trailing(np.arange(6.0)[None], 2, 2)[0, 3:].tolist() == [1, 3, 5]


def test_every_rival_and_the_oracle_see_a_steady_account_fall() -> None:
    rng = np.random.default_rng(3)
    means = np.full((30, 4, 200), 300.0)
    means[:, :, 150:] *= 0.4
    counts = rng.poisson(means).astype(float)
    scores = {rule.name: rule.scores(counts) for rule in RULES}
    truth = World(counts, np.full(means.shape, 300.0), np.full((30, 4), 50.0), np.full(30, 150), np.full(30, 35), ())
    scores["oracle"] = oracle_scores(truth, counts)
    for name, each in scores.items():
        assert each[:, 100:150].max() < each[:, 150:164].max(axis=1).min(), name


def test_a_series_is_cut_into_pieces_and_a_day_left_out_had_no_event() -> None:
    series = {FIRST_DAY + timedelta(days=day): 20.0 for day in range(1100) if day != 3}
    (first, counts), (second, rest) = _pieces(series)
    assert (first, second) == (FIRST_DAY, FIRST_DAY + timedelta(days=730))
    assert (len(counts), len(rest), counts[3], counts[4]) == (730, 370, 0.0, 20.0)
    assert list(_pieces({FIRST_DAY + timedelta(days=day): 20.0 for day in range(200)})) == []
    assert list(_pieces({FIRST_DAY + timedelta(days=day): 2.0 for day in range(400)})) == []


def test_every_country_has_holidays_of_its_own() -> None:
    kept = {country: tuple(holidays(country, DAYS)) for country in COUNTRIES}
    assert len(set(kept.values())) == len(COUNTRIES)
    assert all(len(days) >= 8 for days in kept.values())
    assert (date(2025, 11, 27) - FIRST_DAY).days in kept["US"]


def figures(alarms: float = 0.1, *, told: float = 1.0, warning: str = "") -> Figures:
    shares = {(drop, days): told for drop in ("-60 %", "-40 %", "zero", SLOW) for days in scoring.SPANS}
    return Figures(alarms, 10.0, shares, shares, warning=warning)


def test_a_missed_target_and_a_warning_are_told() -> None:
    assert misses({"200 a day": figures()}) == []
    assert misses({"calm": figures(1.01)}) == ["calm: alarms at most 1.00; it is 1.01"]
    assert misses({"calm": figures(warning="divide by zero")}) == ["calm: no warning of NumPy; it is 'divide by zero'"]
    assert "20 a day: zero 100% in 7 days; it is 99.0 %" in misses({"20 a day": figures(told=0.99)})


def test_a_dormant_account_is_compared_with_a_young_one() -> None:
    young = {"the same, but young": figures(told=0.9)}
    name = "dormant, falls after 300 days"
    assert misses({**young, name: figures(told=0.88)}) == []
    assert len(misses({**young, name: figures(told=0.87)})) == 2


def test_a_target_looks_at_what_was_told_as_engagement_where_it_says_so() -> None:
    told = figures(told=1.0)
    silent = Figures(0.1, 10.0, told.told, dict.fromkeys(told.engagement, 0.5))
    assert Target(("-60 %", 3), 0.88).met(silent)
    assert not Target(("-60 %", 3), 0.88, as_engagement=True).met(silent)
