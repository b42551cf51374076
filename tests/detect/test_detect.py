from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from collector.detect.evaluate import evaluate
from collector.detect.fleet import FleetEpisode, Span, cause_of, find_fleet_drops
from collector.detect.model import History, Silence
from collector.detect.sentence import Causes, fleet_sentence, sentence
from collector.models.drop import JUDGED_METRICS, CloseReason, Episode, JudgedDays, Sensitivity

MONDAY = date(2026, 2, 2)
DAYS = 150
DROP = 100
Floats = npt.NDArray[np.float64]


def fleet(
    left: Floats | float = 1.0, *, mean: float = 300.0, profiles: int = 12, days: int = DAYS, r: float = 40.0
) -> Floats:
    """Draw negative binomial counts with dispersion ``r``; ``left`` multiplies the mean by day."""
    rng = np.random.default_rng(1)
    rhythm = np.where(np.arange(days) % 7 >= 5, 0.6, 1.0)
    means = mean * rhythm * left
    noise = rng.gamma(r, 1 / r, (profiles, len(JUDGED_METRICS), days))
    return rng.poisson(means * noise).astype(np.float64)


def shaped(*spans: tuple[int, int, float], days: int = DAYS) -> Floats:
    left = np.ones(days)
    for first, end, share in spans:
        left[first:end] = share
    return left


def index(day: date) -> int:
    return (day - MONDAY).days


def found(history: History) -> list[Episode]:
    return [episode for episodes in history.episodes for episode in episodes]


def caught(history: History, *, within: int, since: int = DROP) -> list[bool]:
    return [any(since <= index(one.detected_day) < since + within for one in each) for each in history.episodes]


def an_episode(**changes: Any) -> Episode:
    values: dict[str, Any] = {
        "metric": "engagement",
        "first_day": date(2026, 11, 3),
        "detected_day": date(2026, 11, 5),
        "last_day": date(2026, 11, 9),
        "observed": 38.2,
        "expected": 120.4,
        "expected_low": 84.0,
        "score": 5.0,
        "lost_share": 0.68,
    }
    return Episode(**(values | changes))


def test_a_lasting_drop_of_60_per_cent_is_found_within_three_days() -> None:
    assert all(caught(evaluate(fleet(shaped((DROP, DAYS, 0.4))), MONDAY), within=3))


@pytest.mark.parametrize(("mean", "within"), [(2000.0, 3), (200.0, 3), (20.0, 7)])
def test_a_fall_to_zero_is_found(mean: float, within: int) -> None:
    assert all(caught(evaluate(fleet(shaped((DROP, DAYS, 0.0)), mean=mean), MONDAY), within=within))


def test_an_episode_says_when_it_began_and_what_was_expected() -> None:
    history = evaluate(fleet(shaped((DROP, DAYS, 0.0))), MONDAY)
    for episode in found(history):
        assert index(episode.first_day) == DROP
        assert index(episode.last_day) == DAYS - 1
        assert episode.observed == 0.0
        assert episode.lost_share == 1.0
        assert 200 < episode.expected < 350
        assert 0 < episode.expected_low < episode.expected
        assert episode.closed_on is None


def test_an_ordinary_year_is_quiet() -> None:
    counts = fleet(days=365, profiles=60, r=12.0)
    assert len(found(evaluate(counts, MONDAY))) <= 36
    assert len(found(evaluate(counts, MONDAY, Sensitivity.LOW))) <= 15


def test_dead_weekends_are_no_drops() -> None:
    rhythm = np.where(np.arange(DAYS) % 7 >= 5, 0.0, 1.0)
    assert not found(evaluate(fleet(rhythm, profiles=5), MONDAY))


def test_one_bad_day_is_no_drop() -> None:
    history = evaluate(fleet(shaped((DROP, DROP + 1, 0.1)), profiles=50), MONDAY)
    assert sum(caught(history, within=7)) <= 5


@pytest.mark.parametrize(("days", "times"), [(1, 10.0), (3, 6.0), (14, 3.0)])
def test_the_days_after_a_spike_are_no_drop(days: int, times: float) -> None:
    assert not found(evaluate(fleet(shaped((DROP, DROP + days, times)), profiles=5), MONDAY))


@pytest.mark.parametrize("end", [0.6, 2.0])
def test_a_slow_trend_is_no_drop(end: float) -> None:
    assert not found(evaluate(fleet(np.linspace(1.0, end, DAYS), profiles=5), MONDAY))


def test_too_little_history_says_so() -> None:
    history = evaluate(fleet(shaped((25, 33, 0.0), days=33), days=33), MONDAY)
    assert not found(history)
    assert np.isnan(history.expected).all()
    assert {Silence(int(value)) for value in history.silence.flat} == {Silence.TOO_LITTLE_HISTORY}
    assert Silence.TOO_LITTLE_HISTORY.text == "too little history"


def test_too_little_volume_says_so() -> None:
    history = evaluate(fleet(shaped((DROP, DAYS, 0.0)), mean=1.0), MONDAY)
    assert not found(history)
    assert (history.silence[..., -1] == Silence.TOO_LITTLE_VOLUME).all()


def test_missing_days_are_no_drop() -> None:
    counts = fleet()
    counts[..., DROP:] = np.nan
    history = evaluate(counts, MONDAY)
    assert not found(history)
    assert (history.silence[..., -1] == Silence.NO_NUMBER).all()


def test_a_drop_with_holes_in_the_data_is_still_found() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.2)))
    counts[..., DROP + 1] = np.nan
    assert all(caught(evaluate(counts, MONDAY), within=4))


def test_an_episode_ends_with_its_data() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.2)))
    counts[..., DROP + 10 :] = np.nan
    for episode in found(evaluate(counts, MONDAY)):
        assert episode.close_reason == CloseReason.DATA_ENDED
        assert index(episode.last_day) == DROP + 9


def test_metrics_that_follow_within_a_week_are_seldom_reported_again() -> None:
    rng = np.random.default_rng(3)
    # Small counts, and noise that all metrics have in common: one becomes unusual before the others.
    means = np.array([12.0, 250.0, 2.0, 4.0])[:, None] * rng.gamma(12, 1 / 12, (100, 1, DAYS))
    episodes = evaluate(rng.poisson(means * shaped((DROP, DAYS, 0.4))).astype(np.float64), MONDAY).episodes
    begun = [[index(one.detected_day) for one in each if index(one.detected_day) >= DROP] for each in episodes]
    assert sum(map(bool, begun)) > 80
    # Saves that fell by chance just before are reported, and the fall of all after them.
    assert len([days for days in begun if len(days) > 1 and max(days) - min(days) < 7]) <= 2


def test_a_drop_of_all_metrics_is_reported_once_as_engagement() -> None:
    history = evaluate(fleet(shaped((DROP, DAYS, 0.3))), MONDAY)
    told = [[one.metric for one in episodes if index(one.first_day) >= DROP - 2] for episodes in history.episodes]
    assert all("engagement" in metrics for metrics in told)
    # A metric that was low by chance just before may be reported a day before all.
    assert sum(map(len, told)) <= len(told) + 1


@pytest.mark.parametrize("metric", range(len(JUDGED_METRICS)))
def test_a_drop_of_one_metric_is_reported_as_that_metric(metric: int) -> None:
    counts = fleet()
    counts[:, metric, DROP:] = np.floor(counts[:, metric, DROP:] * 0.1)
    history = evaluate(counts, MONDAY)
    assert all(caught(history, within=4))
    assert {one.metric for one in found(history) if index(one.first_day) >= DROP} == {JUDGED_METRICS[metric]}


def test_a_fall_of_all_is_reported_although_a_smaller_metric_fell_before() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.3)))
    counts[:, 2] = np.floor(counts[:, 2] * 0.6)
    counts[:, 2, DROP - 4 :] = 0
    for episodes in evaluate(counts, MONDAY).episodes:
        told = [one.metric for one in episodes if index(one.detected_day) >= DROP - 4]
        assert told == ["outbound_click", "engagement"]


def test_a_fall_of_all_is_told_as_engagement_although_impressions_fell_more() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.5)))
    counts[:, 1, DROP:] = np.floor(counts[:, 1, DROP:] * 0.6)
    told = [
        [one.metric for one in each if index(one.detected_day) >= DROP] for each in evaluate(counts, MONDAY).episodes
    ]
    assert all("engagement" in metrics for metrics in told)


def asleep(left: Floats) -> Floats:
    """Return counts that are zero for 90 days, and come back."""
    return fleet(shaped((60, 150, 0.0), days=len(left)) * left, days=len(left))


def test_after_a_long_silence_a_profile_is_new_and_says_until_when() -> None:
    history = evaluate(asleep(np.ones(170)), MONDAY)
    assert {Silence(int(value)) for value in history.silence[:, 0, -1]} == {Silence.RELEARNING}
    assert {index(day) for day in history.ready_on if day} == {150 + 28 - 1 + 7}
    assert set(evaluate(asleep(np.ones(186)), MONDAY).ready_on) == {None}


def test_after_a_long_silence_a_drop_is_found_as_in_a_young_profile() -> None:
    history = evaluate(asleep(shaped((206, 220, 0.4), days=220)), MONDAY)
    assert all(caught(history, within=3, since=206))


def test_a_profile_that_was_not_read_for_long_is_new() -> None:
    counts = fleet(days=200)
    counts[..., 60:130] = np.nan
    counts[..., 130:] = np.floor(counts[..., 130:] * 0.2)
    history = evaluate(counts, MONDAY)
    assert not [one for one in found(history) if index(one.detected_day) > 130]
    assert (history.expected[:, 0, -1] < 100).all()


def silent(share: float, *, from_day: int = DAYS, each: bool = False) -> Floats:
    rng = np.random.default_rng(5)
    counts = fleet(profiles=60)
    days = rng.random(counts.shape if each else (60, 1, DAYS)) < share
    days[..., from_day:] = True
    return np.where(days, 0.0, counts)


@pytest.mark.parametrize("each", [False, True])
def test_silent_days_that_are_usual_are_no_drop(*, each: bool) -> None:
    assert len(found(evaluate(silent(0.25, each=each), MONDAY))) <= 60 * DAYS / 365


def test_a_silence_that_is_longer_than_usual_is_found_within_the_week() -> None:
    told = caught(evaluate(silent(0.25, from_day=DROP), MONDAY), within=7)
    assert sum(told) >= 0.95 * len(told)


def test_a_slow_decline_is_found() -> None:
    decline = np.where(np.arange(DAYS) < DROP, 1.0, 0.95 ** (np.arange(DAYS) - DROP + 1.0))
    assert sum(caught(evaluate(fleet(decline), MONDAY), within=12)) >= 10


def test_a_fall_is_not_learned_before_it_is_told() -> None:
    history = evaluate(fleet(shaped((DROP, DAYS, 0.67)), profiles=60), MONDAY)
    assert sum(caught(history, within=21)) >= 50


@pytest.mark.parametrize(("country", "told"), [("DE", False), ("US", True)])
def test_a_fall_on_a_holiday_is_no_drop(country: str, *, told: bool) -> None:
    # 1 May, and the bridge to the weekend.
    first = (date(2026, 5, 1) - MONDAY).days
    counts = fleet(shaped((first, first + 2, 0.45)), profiles=30)
    times = sum(caught(evaluate(counts, MONDAY, countries=[country] * 30), within=3, since=first))
    assert (times > 20) is told


def test_the_bound_of_a_drop_lies_between_observed_and_expected() -> None:
    told = [
        one for one in found(evaluate(fleet(shaped((DROP, DROP + 20, 0.3))), MONDAY)) if index(one.first_day) >= DROP
    ]
    assert told
    assert all(one.observed < one.expected_low < one.expected for one in told)


def test_the_sentence_names_no_bound_that_a_lasting_drop_is_above() -> None:
    assert "(at least" not in sentence("acme-eu", an_episode(observed=90.0))


def test_metrics_together_show_a_drop_sooner_than_one() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.5)), profiles=60, r=8.0)
    alone = counts.copy()
    alone[:, 1:] = np.nan
    assert sum(caught(evaluate(counts, MONDAY), within=3)) > 1.3 * sum(caught(evaluate(alone, MONDAY), within=3))


def test_a_past_drop_is_not_the_baseline() -> None:
    history = evaluate(fleet(shaped((70, 100, 0.2), (125, DAYS, 0.4)), mean=1000.0), MONDAY)
    assert all(caught(history, within=3, since=70))
    assert all(caught(history, within=3, since=125))
    assert (history.expected[..., 99] > 450).all()


def test_a_recovery_closes_the_episode() -> None:
    for episode in found(evaluate(fleet(shaped((DROP, DROP + 20, 0.2))), MONDAY)):
        assert episode.close_reason == CloseReason.RECOVERED
        assert episode.closed_on is not None
        assert DROP + 22 <= index(episode.closed_on) <= DROP + 30
        assert abs(index(episode.last_day) - (DROP + 19)) <= 3


def test_a_drop_with_three_usual_days_after_it_ends_with_its_last_low_day() -> None:
    low_days = 4
    lasting = fleet(shaped((DROP, DROP + low_days, 0.3)))[:, :, : DROP + low_days + 3]
    told = [one for one in found(evaluate(lasting, MONDAY)) if index(one.first_day) == DROP]
    assert len(told) > 0.5 * len(lasting)
    back = [one for one in told if one.usual_since is not None]
    assert len(back) > 0.8 * len(told)
    assert {one.closed_on for one in told} == {None}
    assert {index(one.last_day) for one in back} == {DROP + low_days - 1}
    assert {index(one.usual_since) for one in back if one.usual_since} == {DROP + low_days}
    assert all(0.2 < one.observed / one.expected < 0.4 for one in back), "the usual days are no part of it"


def test_a_drop_that_lasts_is_not_back_to_normal() -> None:
    lasting = fleet(shaped((DROP, DAYS, 0.4)))
    assert {one.usual_since for one in found(evaluate(lasting, MONDAY)) if one.closed_on is None} == {None}


def test_a_level_that_stays_becomes_the_new_normal() -> None:
    history = evaluate(fleet(shaped((DROP, 250, 0.3), days=250), days=250), MONDAY)
    closed = [episode for episode in found(history) if index(episode.first_day) == DROP]
    assert closed
    assert {episode.close_reason for episode in closed} == {CloseReason.NEW_NORMAL}
    assert {index(episode.closed_on) - DROP for episode in closed if episode.closed_on} == {56}
    assert (history.expected[..., -1] < 0.45 * 300).all()


def test_a_fall_to_zero_within_a_drop_is_reported_again() -> None:
    history = evaluate(fleet(shaped((DROP, DROP + 20, 0.4), (DROP + 20, DAYS, 0.0))), MONDAY)
    assert all(caught(history, within=3, since=DROP + 20))


@pytest.mark.parametrize("end", [50, 101, 103, 110, 130])
def test_later_days_change_no_verdict(end: int) -> None:
    counts = fleet(shaped((DROP, DROP + 15, 0.3)))
    whole, part = evaluate(counts, MONDAY), evaluate(counts[..., :end], MONDAY)
    for name in ("expected", "expected_low", "silence"):
        np.testing.assert_array_equal(getattr(whole, name)[..., :end], getattr(part, name), err_msg=name)
    known = [one.detected_day for one in found(whole) if index(one.detected_day) < end]
    assert [one.detected_day for one in found(part)] == known


def test_a_replay_gives_the_verdict_of_each_day() -> None:
    counts = fleet(shaped((60, 75, 0.3), days=90), profiles=3, days=90)
    replay = evaluate(counts, MONDAY)
    for day in range(30, 91):
        then = evaluate(counts[..., :day], MONDAY)
        np.testing.assert_array_equal(replay.expected[..., day - 1], then.expected[..., -1])
        np.testing.assert_array_equal(replay.silence[..., day - 1], then.silence[..., -1])


def test_a_profile_is_judged_alike_alone_and_among_others() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.3)), profiles=700)
    together, alone = evaluate(counts, MONDAY), evaluate(counts[600:601], MONDAY)
    assert together.episodes[600] == alone.episodes[0]


def test_a_higher_sensitivity_finds_more() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.75)), profiles=60)
    shares = [sum(caught(evaluate(counts, MONDAY, preset), within=7)) for preset in Sensitivity]
    assert shares[0] < shares[1] < shares[2]


def test_each_profile_has_its_own_sensitivity() -> None:
    counts = fleet(shaped((DROP, DAYS, 0.65)), profiles=2)
    mixed = evaluate(counts, MONDAY, [Sensitivity.HIGH, Sensitivity.LOW])
    assert mixed.episodes[0] == evaluate(counts[:1], MONDAY, Sensitivity.HIGH).episodes[0]
    assert mixed.episodes[1] == evaluate(counts[1:], MONDAY, Sensitivity.LOW).episodes[0]


def test_a_drop_of_all_is_one_of_the_fleet() -> None:
    counts = fleet(shaped((DROP, DROP + 10, 0.2)))
    told = fleet_drops(counts)
    assert len(told) == 1
    assert told[0].share == 1.0
    assert told[0].profiles == 12
    assert DROP <= index(told[0].first_day) <= DROP + 2
    begun = [one for one in found(evaluate(counts, MONDAY)) if DROP <= index(one.detected_day) <= DROP + 3]
    assert begun
    assert {cause_of(one, told) for one in begun} == set(told)


def test_a_drop_of_two_clients_is_not_the_fleets() -> None:
    counts = fleet()
    counts[:2, :, DROP:] = 0
    assert all(caught(evaluate(counts, MONDAY), within=3)[:2])
    assert fleet_drops(counts) == ()


def test_a_short_drop_of_the_fleet_is_told_once() -> None:
    spans = [(5, 7)] * 7 + [(6, 7)] * 2 + [(5, 11)] * 3
    drops = [
        Span(place, MONDAY + timedelta(days=first), MONDAY + timedelta(days=last))
        for place, (first, last) in enumerate(spans)
    ]
    judged = [JudgedDays(place, MONDAY, MONDAY + timedelta(days=30)) for place in range(12)]

    [told] = find_fleet_drops(drops, judged, MONDAY)

    assert told.first_day == MONDAY + timedelta(days=5)


def test_drops_of_profiles_that_cannot_be_judged_are_not_the_fleets() -> None:
    drops = [Span(profile, MONDAY + timedelta(days=DROP), MONDAY + timedelta(days=DROP + 5)) for profile in range(12)]
    judged = [JudgedDays(profile, MONDAY, MONDAY + timedelta(days=DAYS)) for profile in range(12)]
    [told] = find_fleet_drops(drops, judged, MONDAY)
    assert (told.first_day, told.last_day, told.profiles) == (drops[0].first_day, drops[0].last_day, 12)
    assert find_fleet_drops(drops, judged[:3], MONDAY) == ()
    assert find_fleet_drops(drops, [], MONDAY) == ()


@pytest.mark.parametrize(("others", "told"), [(28, True), (29, False)])
def test_profiles_without_drops_are_counted_together(others: int, *, told: bool) -> None:
    drops = [Span(profile, MONDAY + timedelta(days=DROP), MONDAY + timedelta(days=DROP + 5)) for profile in range(12)]
    judged = [JudgedDays(profile, MONDAY, MONDAY + timedelta(days=DAYS)) for profile in range(12)]
    others_judged = JudgedDays(None, MONDAY, MONDAY + timedelta(days=DAYS), others)
    assert bool(find_fleet_drops(drops, [*judged, others_judged], MONDAY)) is told


@pytest.mark.parametrize("known", [DROP + 7, DROP + 9, DROP + 14, DROP + 30])
def test_the_fleets_drop_is_known_within_the_week_and_stays(known: int) -> None:
    counts = fleet(shaped((DROP, DROP + 12, 0.2)))
    [then], [later] = fleet_drops(counts[..., :known]), fleet_drops(counts)
    assert then.first_day == later.first_day
    assert DROP <= index(then.first_day) <= DROP + 2


@pytest.mark.parametrize(
    ("first", "detected", "told"),
    [
        (-6, -5, False),
        (-5, -4, True),
        (3, 4, True),
        (4, 5, False),
        (0, 6, True),
        (-1, 7, True),
        (1, 7, False),
        (-1, 8, False),
    ],
)
def test_a_drop_detected_a_week_late_is_the_fleets_if_it_began_with_it(
    first: int, detected: int, *, told: bool
) -> None:
    began = date(2026, 11, 3)
    drop = FleetEpisode(began, date(2026, 11, 12), 9, 0.75)
    first_day, detected_day = (began + timedelta(days=days) for days in (first, detected))
    cause = cause_of(an_episode(first_day=first_day, detected_day=detected_day), [drop])
    assert cause == (drop if told else None)


def fleet_drops(counts: Floats) -> tuple[FleetEpisode, ...]:
    profiles, _, days = counts.shape
    episodes = evaluate(counts, MONDAY).episodes
    drops = [Span(place, one.detected_day, one.last_day) for place, each in enumerate(episodes) for one in each]
    newest = MONDAY + timedelta(days=days - 1)
    return find_fleet_drops(drops, [JudgedDays(place, MONDAY, newest) for place in range(profiles)], MONDAY)


@pytest.mark.parametrize(
    ("causes", "text"),
    [
        (Causes(), "."),
        (Causes(days_without_pins=12), ", and no pin was published for 12 days."),
        (Causes(days_without_pins=2), "."),
        (Causes(missing_days=1), ", but 1 day of data is missing."),
        (
            Causes(link_lost_on=date(2026, 11, 2), days_without_pins=9),
            ", likely because the link to Pinterest was lost on 2 November.",
        ),
        (
            Causes(fleet=FleetEpisode(date(2026, 11, 3), date(2026, 11, 4), 9, 0.75)),
            ", as the whole fleet dropped (75 % of profiles): likely Pinterest or Ayrshare, not the client.",
        ),
    ],
)
def test_the_sentence_of_an_open_drop(causes: Causes, text: str) -> None:
    told = "Engagement of acme-eu fell to 38 a day since 3 November; 120 were expected (at least 84)"
    assert sentence("acme-eu", an_episode(), causes) == told + text


def test_the_sentence_of_a_closed_drop() -> None:
    episode = an_episode(
        metric="save",
        observed=1234.5,
        expected=2500.0,
        expected_low=1800.0,
        closed_on=date(2026, 11, 16),
        close_reason=CloseReason.RECOVERED,
    )
    assert sentence("acme-eu", episode) == (
        "Saves of acme-eu had fallen to 1,234 a day from 3 November to 9 November; "
        "2,500 were expected (at least 1,800); it had recovered by 16 November."
    )


def test_the_sentence_of_a_drop_that_is_over_but_not_closed() -> None:
    episode = an_episode(observed=9.3, last_day=date(2026, 11, 6), usual_since=date(2026, 11, 7))
    assert sentence("acme-eu", episode, Causes(days_without_pins=9)) == (
        "Engagement of acme-eu had fallen to 9.3 a day from 3 November to 6 November; 120 were expected (at least 84), "
        "and no pin was published for 9 days; it has been back to normal since 7 November."
    )


def test_the_sentence_of_a_drop_of_the_fleet() -> None:
    drop = FleetEpisode(date(2026, 11, 3), date(2026, 11, 9), 9, 0.75)
    assert fleet_sentence(drop, date(2026, 11, 10)) == (
        "9 profiles, 75 % of the fleet, dropped together since 3 November: likely Pinterest or Ayrshare, "
        "not the clients."
    )
    assert fleet_sentence(drop, date(2026, 11, 11)) == (
        "9 profiles, 75 % of the fleet, had dropped together from 3 November to 9 November: likely Pinterest or "
        "Ayrshare, not the clients."
    )
