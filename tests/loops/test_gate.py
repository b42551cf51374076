"""The gate: a permit is used or given back, and a refused API key or fleet allows one probe."""

import pytest

from collector.errors import DatabaseUnavailableError
from collector.loops.gate import Gate, Hold
from collector.models.outcome import Failure


def used(gate: Gate, wanted: int) -> int:
    with gate.permits(wanted) as permits:
        permits.used = permits.count
    return permits.count


def test_a_claim_that_fails_loses_no_permits() -> None:
    gate = Gate(10.0)
    for _ in range(5):
        with pytest.raises(DatabaseUnavailableError), gate.permits(10):
            raise DatabaseUnavailableError("gone")
    assert used(gate, 10) == 10


def test_permits_that_found_no_work_are_given_back() -> None:
    gate = Gate(10.0)
    with gate.permits(10) as permits:
        permits.used = 3
    assert (permits.count, permits.paced) == (10, False)
    assert used(gate, 10) == 7


def test_a_lack_of_permits_differs_from_a_lack_of_work() -> None:
    gate = Gate(10.0)
    with gate.permits(25) as permits:
        assert (permits.count, permits.paced) == (10, True)
        permits.used = 10
    assert 0.0 < gate.seconds_to_next() <= 0.1
    with gate.permits(0) as permits:
        assert (permits.count, permits.paced) == (0, False)
    with gate.permits(-3) as permits:
        assert (permits.count, permits.paced) == (0, False)


def test_urgent_work_overdraws_and_the_others_pay_it_back() -> None:
    gate = Gate(10.0)
    assert used(gate, 10) == 10
    with gate.permits(10, urgent=True) as permits:
        permits.used = permits.count
    assert permits.count == 10
    assert used(gate, 10) == 0
    assert gate.seconds_to_next() > 0.9


def test_a_probe_is_used_up_only_by_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("collector.loops.gate.time.monotonic", lambda: now)
    gate = Gate(10.0)
    gate.note(Failure.UNAUTHORIZED, 401)
    assert gate.hold is Hold.KEY_REFUSED
    assert used(gate, 5) == 0
    now += 61
    with gate.permits(5) as permits:
        assert (permits.count, permits.paced) == (1, False)
    assert used(gate, 5) == 1, "nothing was claimed, so the probe is still to be sent"
    assert used(gate, 5) == 0
    gate.note(None, 200)
    assert used(gate, 5) == 5


def test_a_failure_without_an_answer_does_not_open_the_gate_again() -> None:
    gate = Gate(10.0)
    gate.note(Failure.UNAUTHORIZED, 401)
    for failure, status in ((Failure.KEY_INVALID, None), (Failure.PAYLOAD_INVALID, 200), (Failure.RATE_LIMITED, 429)):
        gate.note(failure, status)
        assert gate.hold is Hold.KEY_REFUSED
    gate.note(Failure.UNLINKED, 400)
    assert gate.hold is None


def weighed(refused: int, well: int, failure: Failure = Failure.SUSPENDED) -> Gate:
    gate = Gate(10.0)
    for profile_id in range(well):
        gate.weigh(profile_id, None)
    for profile_id in range(well, well + refused):
        gate.weigh(profile_id, failure)
    return gate


@pytest.mark.parametrize(
    ("refused", "well", "hold"),
    [
        (10, 0, Hold.FLEET_REFUSED),
        (9, 0, None),
        (5, 20, Hold.FLEET_REFUSED),
        (4, 6, None),
        (9, 41, None),
        (10, 40, Hold.FLEET_REFUSED),
        (10, 1000, Hold.FLEET_REFUSED),
        (0, 50, None),
    ],
)
def test_a_refusal_of_a_fifth_of_the_last_fifty_profiles_holds_the_fleet(
    refused: int, well: int, hold: Hold | None
) -> None:
    assert weighed(refused, well).hold is hold


def test_refusals_of_different_kinds_do_not_add_up() -> None:
    gate = weighed(4, 10)
    for profile_id in range(20, 24):
        gate.weigh(profile_id, Failure.UNLINKED)
    assert gate.hold is None
    gate.weigh(24, Failure.UNLINKED)
    assert gate.hold is Hold.FLEET_REFUSED


def test_one_profile_that_is_refused_again_and_again_is_one_profile() -> None:
    gate = weighed(0, 20)
    for _ in range(50):
        gate.weigh(7, Failure.UNLINKED)
    assert gate.hold is None


def test_refusals_of_hours_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("collector.loops.gate.time.monotonic", lambda: now)
    gate = weighed(4, 10)
    now += 3601
    for profile_id in range(100, 110):
        gate.weigh(profile_id, None)
    gate.weigh(110, Failure.SUSPENDED)
    assert gate.hold is None


def test_a_refused_fleet_is_probed_and_only_the_success_of_a_probe_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("collector.loops.gate.time.monotonic", lambda: now)
    gate = weighed(5, 20)
    assert used(gate, 5) == 0
    gate.weigh(7, None)
    assert gate.hold is Hold.FLEET_REFUSED, "that call was under way already"
    now += 61
    assert used(gate, 5) == 1
    gate.weigh(8, Failure.SUSPENDED)
    gate.note(None, 200)
    assert used(gate, 5) == 0, "a history, say, that can be read of a profile that is not linked"
    gate.weigh(1000, None, was_well=False)
    assert used(gate, 5) == 5
    gate.weigh(1, Failure.SUSPENDED)
    assert used(gate, 5) == 4, "what came before does not count any more"
