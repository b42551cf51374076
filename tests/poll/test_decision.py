import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics, Problem, SeenAnswer
from collector.models.outcome import Failure, Success
from collector.models.poll import Claim, RateLimit
from collector.models.profile import ProfileState
from collector.poll.decision import Policy, after_data, after_failure, seconds_to_slot

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = 3600.0
POLICY = Policy(interval=6 * HOUR, settle_days=3)
CLAIM = Claim(7, "client-007", b"", ProfileState.ACTIVE, 0, NOW, None, date(2026, 11, 20), NOW)
NEW = msgspec.structs.replace(CLAIM, last_day=None)
UNLIMITED = RateLimit(300, 1)


def next_poll_in(analytics: AccountAnalytics, rate_limit: RateLimit = UNLIMITED) -> float:
    wait = after_data(NEW, analytics, rate_limit, policy=POLICY, duration_seconds=0.1).next_poll_in
    assert wait is not None
    return wait


def failed(
    failure: Failure, *, failures: int = 0, retry_after: float | None = None, **claimed: Any
) -> tuple[ProfileState | None, float | None]:
    claim = msgspec.structs.replace(CLAIM, consecutive_failures=failures, **claimed)
    error = AyrshareError(failure, "why", retry_after_seconds=retry_after)
    record = after_failure(claim, error, policy=POLICY, duration_seconds=0.1)
    return record.state, record.next_poll_in


def test_a_fleet_added_at_once_is_spread_over_the_interval() -> None:
    moments = sorted(
        (NOW.timestamp() + seconds_to_slot(profile_id, NOW, 6 * HOUR)) % (6 * HOUR) for profile_id in range(1, 1001)
    )
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert max(gaps) < 3 * 6 * HOUR / 1000


def test_a_profile_keeps_its_moment_and_is_read_once_an_interval() -> None:
    first = seconds_to_slot(7, NOW, 6 * HOUR)
    assert 3 * HOUR <= first < 9 * HOUR
    then = NOW + timedelta(seconds=first)
    assert seconds_to_slot(7, then, 6 * HOUR) == pytest.approx(6 * HOUR, abs=0.01)
    assert seconds_to_slot(7, then + timedelta(minutes=10), 6 * HOUR) == pytest.approx(6 * HOUR - 600, abs=0.01)


def test_ayrshare_is_not_asked_before_it_has_new_data() -> None:
    later = NOW + timedelta(hours=20)
    assert 20 * HOUR <= next_poll_in(AccountAnalytics(window=Metrics(), next_update=later)) <= 20 * HOUR + 30


def test_a_next_update_in_another_century_is_not_believed() -> None:
    never = datetime(2999, 1, 1, tzinfo=UTC)
    assert next_poll_in(AccountAnalytics(window=Metrics(), next_update=never)) <= 24 * HOUR + 30


def test_a_clock_of_ayrshare_that_is_days_ahead_puts_no_poll_off() -> None:
    ahead = NOW + timedelta(days=3)
    answer = AccountAnalytics(window=Metrics(), last_updated=ahead, next_update=ahead + timedelta(minutes=15))
    assert next_poll_in(answer) < 9 * HOUR


def test_a_nearly_spent_rate_limit_waits_for_its_window() -> None:
    quick = Policy(interval=10.0, settle_days=3)
    record = after_data(
        NEW, AccountAnalytics(window=Metrics()), RateLimit(300, 280), policy=quick, duration_seconds=0.1
    )
    assert record.next_poll_in == 300.0


def test_the_detail_names_what_was_left_out_of_an_answer() -> None:
    problems = (Problem("overflow", "2026-11-01"), Problem("bad_day", "x"))
    analytics = AccountAnalytics(window=Metrics(), days=(DayMetrics(day=NOW.date()),), problems=problems)
    record = after_data(CLAIM, analytics, UNLIMITED, policy=POLICY, duration_seconds=0.1)
    assert record.detail == "left out: overflow (2026-11-01), and 1 more"


@pytest.mark.parametrize(
    ("outcome", "state", "later"),
    [
        (Failure.SUSPENDED, ProfileState.SUSPENDED, 24 * HOUR),
        (Failure.UNLINKED, ProfileState.UNLINKED, 24 * HOUR),
        (Failure.KEY_INVALID, ProfileState.KEY_INVALID, None),
    ],
)
def test_a_refused_profile_is_probed_after_an_hour_and_then_rarely(
    outcome: Failure, state: ProfileState, later: float | None
) -> None:
    found, wait = failed(outcome)
    assert found is state
    assert wait is not None
    assert HOUR <= wait <= HOUR + 600
    again = failed(outcome, state=state)[1]
    if later is None:
        assert again is None
    else:
        assert again is not None
        assert later <= again <= later + 600


def test_a_key_that_never_worked_waits_for_a_new_one() -> None:
    assert failed(Failure.KEY_INVALID, last_day=None) == (ProfileState.KEY_INVALID, None)


@pytest.mark.parametrize(("retry_after", "least"), [(None, 300.0), (10.0, 300.0), (900.0, 900.0)])
def test_a_429_waits_for_its_window(retry_after: float | None, least: float) -> None:
    state, wait = failed(Failure.RATE_LIMITED, retry_after=retry_after)
    assert state is None
    assert wait is not None
    assert least <= wait <= least + 30


@pytest.mark.parametrize("outcome", [Failure.RATE_LIMITED, Failure.UPSTREAM_ERROR])
def test_no_answer_silences_a_profile_for_longer_than_the_interval(outcome: Failure) -> None:
    wait = failed(outcome, retry_after=86_400.0)[1]
    assert wait is not None
    assert 6 * HOUR <= wait <= 6 * HOUR + 30


@pytest.mark.parametrize("outcome", [Failure.UPSTREAM_ERROR, Failure.TIMEOUT, Failure.NETWORK, Failure.PAYLOAD_INVALID])
def test_temporary_failures_back_off_up_to_the_interval(outcome: Failure) -> None:
    def waits(failures: int) -> list[float]:
        found = [failed(outcome, failures=failures) for _ in range(200)]
        assert {state for state, _ in found} == {None}
        return [wait for _, wait in found if wait is not None]

    assert 1.0 <= min(waits(0)) <= max(waits(0)) <= 30.0
    assert 30.0 < max(waits(3)) <= 240.0
    assert 240.0 < max(waits(1000)) <= 6 * HOUR


def test_an_answer_without_a_usable_day_is_a_failure_if_the_profile_had_days() -> None:
    analytics = AccountAnalytics(window=Metrics(impression=5), problems=(Problem("no_daily", "`daily` is null"),))
    record = after_data(CLAIM, analytics, UNLIMITED, policy=POLICY, duration_seconds=0.1)
    assert (record.outcome, record.analytics) == (Failure.PAYLOAD_INVALID, None)
    assert record.detail == "no usable day; left out: no_daily (`daily` is null)"
    assert after_data(NEW, analytics, UNLIMITED, policy=POLICY, duration_seconds=0.1).outcome is Success.OK


def test_days_are_settled_by_when_ayrshare_read_them_not_by_when_we_did() -> None:
    cached = AccountAnalytics(window=Metrics(), last_updated=NOW - timedelta(days=2))
    record = after_data(NEW, cached, UNLIMITED, policy=POLICY, duration_seconds=0.1)
    assert record.settled_through == (NOW - timedelta(days=5)).date()


def read_on(claim: Claim, analytics: AccountAnalytics | SeenAnswer) -> date | None:
    record = after_data(claim, analytics, UNLIMITED, policy=POLICY, duration_seconds=0.1)
    return record.settled_through + timedelta(days=3) if record.settled_through else None


@pytest.mark.parametrize(
    ("last_updated", "newest", "day"),
    [
        (NOW - timedelta(days=2), date(2026, 11, 21), date(2026, 11, 22)),
        (NOW + timedelta(days=900), date(2026, 11, 21), NOW.date()),
        (None, date(2026, 11, 21), date(2026, 11, 22)),
        (None, date(2026, 11, 23), NOW.date()),
        (None, date(2026, 11, 26), NOW.date()),
        (None, None, NOW.date()),
    ],
)
def test_numbers_are_taken_for_read_on_the_day_of_the_stamp_or_after_the_newest_day(
    last_updated: datetime | None, newest: date | None, day: date
) -> None:
    days = (DayMetrics(newest),) if newest else ()
    read = AccountAnalytics(window=Metrics(), days=days, last_updated=last_updated)
    assert read_on(NEW, read) == day
    seen = SeenAnswer(last_updated=last_updated, next_update=None)
    assert read_on(msgspec.structs.replace(CLAIM, last_day=newest), seen) == day


def test_a_known_answer_with_a_stamp_before_its_days_settles_by_its_days() -> None:
    seen = SeenAnswer(last_updated=datetime(2021, 1, 1, tzinfo=UTC), next_update=None)
    assert read_on(CLAIM, seen) == date(2026, 11, 21)


@pytest.mark.parametrize(("offset", "settles"), [(59.0, True), (-59.0, True), (61.0, False), (-3 * 86400.0, False)])
def test_nothing_is_settled_while_the_clocks_disagree(offset: float, settles: bool) -> None:
    claim = msgspec.structs.replace(CLAIM, clock_offset_seconds=offset)
    assert (read_on(claim, AccountAnalytics(window=Metrics(), days=(DayMetrics(NOW.date()),))) is not None) is settles


def test_an_empty_list_of_days_is_no_good_poll_of_a_profile_that_has_had_days() -> None:
    empty = AccountAnalytics(window=Metrics(impression=5))
    record = after_data(CLAIM, empty, UNLIMITED, policy=POLICY, duration_seconds=0.1)
    assert (record.outcome, record.analytics) == (Failure.PAYLOAD_INVALID, None)
    assert record.detail == "no usable day; the list of days is empty, and this profile has had days"
    assert after_data(NEW, empty, UNLIMITED, policy=POLICY, duration_seconds=0.1).outcome is Success.OK


def test_a_refused_profile_waits_ever_longer_so_that_others_are_probed() -> None:
    assert [failed(Failure.UNAUTHORIZED, failures=failures) for failures in (0, 1, 50)] == [
        (None, 60.0),
        (None, 120.0),
        (None, 6 * HOUR),
    ]
