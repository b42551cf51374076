"""Calls whose answer is lost, histories that hide pins, quotas, and pins that are refused."""

import asyncio
from typing import Any

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import Stage

_UNKNOWN = "SELECT count(*) > 0 FROM pin WHERE state = 'unknown'"
_LOST: tuple[dict[str, Any], ...] = (
    {"fault": "reset_after", "probability": 0.4},
    {"fault": "status", "status": 500, "after_work": True, "probability": 0.5},
    {"fault": "hang", "after_work": True, "seconds": 4.0, "probability": 0.4},
)
_FETCH = "We could not fetch the image at the URL. Please check that the image is public."


async def _lost_answers(stage: Stage, **history: Any) -> None:
    """Lose the answers of most posts, while the history is as said, and retry by hand what is looked for."""
    for fault in _LOST:
        await stage.fault(endpoint="/post", **fault)
    if history:
        await stage.fault(**{"endpoint": "/history", **history})
    async with stage.trouble():
        await stage.until(_UNKNOWN)
        rows = await stage.server.owner.fetch("SELECT id FROM pin WHERE state = 'unknown' LIMIT 3")
        for row in rows:
            await stage.command("pins", "retry", str(row["id"]), "--yes")
        await stage.lasts()


async def _short(stage: Stage) -> None:
    for index in range(4):
        for _ in range(10):
            await stage.pin(stage.name(index))
    await _lost_answers(stage, fault="short_history", rows=3, counts_all=False, probability=0.8)


async def _hidden(stage: Stage) -> None:
    await _lost_answers(stage, fault="short_history", rows=0)


async def _requeued(stage: Stage) -> None:
    await _lost_answers(stage, fault="short_history", rows=1, counts_all=False)


async def _history_rate_limited(stage: Stage) -> None:
    await _lost_answers(stage, fault="rate_limited")


async def _refused(stage: Stage) -> None:
    """Refuse every post of one profile for good, and of another until its image can be fetched."""
    failing, waiting = stage.name(0), stage.name(1)
    async with stage.trouble():
        await stage.fault("post_error", failing, endpoint="/post", message="The image is too small.")
        await stage.fault("post_error", waiting, endpoint="/post", message=_FETCH, times=1)
        failed = [await stage.pin(failing) for _ in range(12)]
        await stage.pin(waiting)
        stage.ends.update(dict.fromkeys(failed[:10], "failed") | dict.fromkeys(failed[10:], "cancelled"))
        await stage.until("SELECT count(*) = 10 FROM pin WHERE state = 'failed'")
        await stage.until("SELECT count(*) = 1 FROM pin_lane WHERE paused_reason = 'failing'")
        for pin in failed[10:]:
            await stage.expect(0, "", "pins", "cancel", str(pin))
        await stage.expect(0, "", "profiles", "resume", failing)
        await stage.lasts()


async def _quota(stage: Stage) -> None:
    """Queue more than the month allows; what does not fit waits, and is cancelled by the operator."""
    name = stage.name(0)
    async with stage.trouble():
        first = len(await stage.server.owner.fetch("SELECT FROM pin WHERE profile_id = 1"))
        more = [await stage.pin(name) for _ in range(6 - first + 2)]
        await stage.until("SELECT count(*) > 0 FROM pin_lane WHERE paused_reason = 'quota'")
        await stage.lasts()
        for pin in more[-2:]:
            stage.ends[pin] = "cancelled"
            await stage.expect(0, "", "pins", "cancel", str(pin))


async def _operator_retries(stage: Stage) -> None:
    """Retry, cancel and edit pins by hand while they are sent and looked for."""
    for fault in _LOST:
        await stage.fault(endpoint="/post", **fault)
    async with stage.trouble():
        for _ in range(int(stage.seconds)):
            rows = await stage.server.owner.fetch("SELECT id FROM pin WHERE state IN ('unknown', 'failed', 'sending')")
            ids = [str(row["id"]) for row in rows[:3]]
            await asyncio.gather(*(stage.command("pins", "retry", each, "--yes") for each in ids))
            await asyncio.sleep(0.5)


SCENARIOS = (
    Scenario(
        name="pins-refused",
        injected="twelve pins of a profile refused for good, one until its image can be fetched (120 s)",
        play=_refused,
        seconds=1,
        patience=200,
    ),
    Scenario(
        name="pins-history-429",
        injected="lost answers of posts, the history rate limited for 6 s; its window of 300 s is waited for",
        play=_history_rate_limited,
        seconds=6,
        patience=510,
    ),
    Scenario(
        name="pins-history-short",
        injected="lost answers of posts, the history shows three of up to twelve posts as all for 12 s",
        play=_short,
        seconds=12,
        patience=120,
    ),
    Scenario(
        name="pins-history-hidden",
        injected="lost answers of posts, the history hides all and counts them for 12 s",
        play=_hidden,
        seconds=12,
        patience=120,
    ),
    Scenario(
        name="pins-requeued",
        injected="the same with PINS_REQUEUE_ABSENT, one post shown as all, two replicas",
        play=_requeued,
        seconds=12,
        daemons=(ALL_ROLES,) * 2,
        settings={"PINS_REQUEUE_ABSENT": "true"},
        patience=120,
    ),
    Scenario(
        name="pins-retried-by-hand",
        injected="lost answers of posts, a slow history, `pins retry` ten times meanwhile",
        play=_operator_retries,
        seconds=10,
        patience=120,
    ),
    Scenario(
        name="pins-quota",
        injected="a month's quota of six posts, with eight queued",
        play=_quota,
        seconds=3,
        emulator={"monthly_quota": 6},
    ),
)
