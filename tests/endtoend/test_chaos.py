"""A short run of the kill test; ``make chaos`` runs it in full."""

from tests.endtoend.chaos import Plan, check, play


async def test_killed_workers_publish_every_pin_exactly_once() -> None:
    plan = Plan(pins=80, profiles=20, kills=4, pause=3.0, patience=90.0)
    result = await play(plan)
    check(plan, result)
    assert result.attempts > plan.pins, "nothing went wrong, so nothing was shown"
