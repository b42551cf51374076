"""What must hold after every scenario: all days, each pin once, no key anywhere, nothing held, and readiness again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date
from math import isclose
from typing import Any

import msgspec

from collector.emulator.analytics import ANOTHER
from collector.emulator.answers import window
from collector.emulator.config import day_of
from tests.chaos.daemon import Held
from tests.chaos.scenario import Scenario
from tests.chaos.server import PASSWORD, until_it_answers
from tests.chaos.stage import API_KEY, MORE, Stage
from tests.support.profiles import ENCRYPTION_KEY

_SOCIAL = "POST /analytics/social"
_COLUMNS = (
    *("impression", "engagement", "engagement_rate", "save", "save_rate", "pin_click", "pin_click_rate"),
    *("outbound_click", "outbound_click_rate"),
)
_MOST_429 = 10
_STOP_SECONDS = 5.0
# The two pools of a process: for its work, and for its pages.
_POOL = 8 + 6
_MORE_API, _MORE_OTHER, _MORE_MIB = 16, 2, 64.0
# Unknown pins are left alone while somebody looks for them.
_UNDECIDED = """
SELECT id, CASE WHEN next_look_at IS NOT NULL OR look_until > now() THEN 'looked for' ELSE state END AS state
FROM pin
WHERE state IN ('queued', 'sending', 'unknown')
"""
_LAST_WORDS = """
SELECT DISTINCT concat_ws(': ', a.reason, coalesce(a.look, a.detail)) AS words
FROM pin p
JOIN pin_attempt a ON a.pin_id = p.id AND a.attempt = p.attempts
WHERE p.state IN ('queued', 'sending', 'unknown')
LIMIT 3
"""
_HELD_LEASES = """
SELECT (SELECT count(*) FROM profile WHERE lease_owner IS NOT NULL)
     + (SELECT count(*) FROM pin WHERE state = 'sending' OR look_until > now())
     + (SELECT count(*) FROM pin_lane WHERE sending_pin IS NOT NULL)
"""


class Verdict(msgspec.Struct, frozen=True):
    """What a scenario cost; ``complaints`` are in words."""

    scenario: Scenario
    seconds: float
    days_lost: int
    pins_doubled: int
    pins_stuck: int
    keys_leaked: int
    complaints: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.days_lost or self.pins_doubled or self.pins_stuck or self.keys_leaked or self.complaints)


async def begin(stage: Stage, scenario: Scenario) -> list[Held]:
    """Start the daemons, wait until the first days and pins are done, and return what each holds then."""
    await stage.register(scenario.first)
    daemons = [await stage.start(roles) for roles in scenario.daemons]
    for daemon in daemons:
        await daemon.until_running()
    await _within(60.0, stage, "the first days and pins", lambda: _well(stage))
    return [each.held(stage.database.port, stage.api.port) for each in daemons]


async def judge(stage: Stage, scenario: Scenario, before: list[Held], began: float) -> Verdict:
    """End the trouble, wait for everything to be well again, stop the daemons, and count."""
    if scenario.not_ready is not None:
        reasons = set[str]().union(*(each.reasons for each in stage.daemons + stage.gone))
        if not any(scenario.not_ready in reason for reason in reasons):
            stage.complaints.append(f"/readyz did not say {scenario.not_ready!r}, but {sorted(reasons)}")
    await stage.heal()
    await until_it_answers(stage.server)
    await stage.register(MORE)
    await _within(scenario.patience, stage, "days and pins after the trouble", lambda: _well(stage))
    await stage.restate()
    await _within(scenario.patience, stage, "days that Pinterest restated", lambda: _no_days_lost(stage))
    await _within(scenario.patience, stage, "readiness", lambda: _ready(stage))
    await _within(20.0, stage, "what the daemons hold", lambda: _as_before(stage, before))
    days_lost = await lost_days(stage)
    pages = [await daemon.pages(stage.ayrshare.session) for daemon in stage.daemons]
    for daemon in list(stage.daemons):
        await stage.stop(daemon, _STOP_SECONDS)
    stage.database.bury()
    await _nothing_held(stage)
    doubled, stuck = await _pins(stage)
    leaked = await _leaked(stage, pages)
    complaints = tuple(stage.complaints)
    return Verdict(scenario, time.monotonic() - began, days_lost, doubled, stuck, leaked, complaints)


async def lost_days(stage: Stage) -> int:
    """Count the days that Ayrshare shows and the table lacks, or has with other numbers."""
    rows = await stage.server.owner.fetch(f"SELECT profile_id, day, {', '.join(_COLUMNS)} FROM daily_metric")
    stored = {(row["profile_id"], row["day"]): row for row in rows}
    truth = [
        (profile_id, day, metrics)
        for profile_id, index in stage.profiles.items()
        for day, metrics in _shown(stage, index)
    ]
    return sum(not _equal(stored.get((profile_id, day)), metrics) for profile_id, day, metrics in truth)


def _shown(stage: Stage, index: int) -> list[tuple[date, dict[str, Any]]]:
    """Return the days of a profile as the emulator shows them now."""
    emulator, title = stage.emulator, stage.name(index)
    changes = emulator.faults.changes(title, _SOCIAL)
    account = index + ANOTHER if emulator.faults.relinked(title, _SOCIAL) else index
    answer = window(emulator.config, account, day_of(emulator.clock.now()), changes)
    return [(date.fromisoformat(each["date"]), each["metrics"]) for each in answer["daily"]]


def _equal(row: Any, metrics: dict[str, Any]) -> bool:
    return row is not None and all(
        row[name] is not None and isclose(row[name], metrics[name.upper()], rel_tol=1e-9) for name in _COLUMNS
    )


async def _no_days_lost(stage: Stage) -> str | None:
    lost = await lost_days(stage)
    return f"{lost} days" if lost else None


async def _well(stage: Stage) -> str | None:
    """Return what is not done yet of days and pins; unknown pins that nobody looks for are retried as people do."""
    if (lost := await _no_days_lost(stage)) is not None:
        return f"{lost} are not stored"
    rows = await stage.server.owner.fetch(_UNDECIDED)
    for row in rows:
        if row["state"] == "unknown" and row["id"] not in stage.ends:
            await stage.command("pins", "retry", str(row["id"]), "--yes")
    open_pins = Counter(row["state"] for row in rows if row["state"] != stage.ends.get(row["id"]))
    if not open_pins:
        return None
    words = await stage.server.owner.fetch(_LAST_WORDS)
    return f"pins are on their way: {dict(open_pins)}; {[row['words'] for row in words]}"


async def _ready(stage: Stage) -> str | None:
    return None if all(daemon.ready for daemon in stage.daemons) else "a daemon is not ready"


async def _as_before(stage: Stage, before: list[Held]) -> str | None:
    usual = Held(
        _POOL,
        max(each.api for each in before) + _MORE_API,
        max(each.other for each in before) + _MORE_OTHER,
        max(each.resident_mib for each in before) + _MORE_MIB,
    )
    for daemon in stage.daemons:
        held = daemon.held(stage.database.port, stage.api.port)
        if any(now > most for now, most in zip(msgspec.structs.astuple(held), msgspec.structs.astuple(usual),
                                               strict=True)):  # fmt: skip
            return f"a daemon holds {held}, and {usual} is usual"
    return None


async def _nothing_held(stage: Stage) -> None:
    leases = await stage.server.owner.fetchval(_HELD_LEASES)
    if leases:
        stage.complaints.append(f"{leases} leases are held, and nobody runs")

    async def open_sessions() -> str | None:
        sessions = await stage.server.sessions()
        return f"{sessions} are open" if sessions else None

    await _within(5.0, stage, "connections to the database", open_sessions)


async def _pins(stage: Stage) -> tuple[int, int]:
    """Return how many pins are live more than once, and how many are not as they should be."""
    live = await stage.live()
    rows = await stage.server.owner.fetch("SELECT id, token::text, state FROM pin")
    stuck = 0
    for row in rows:
        right = row["state"] == stage.ends.get(row["id"], "published")
        stuck += not right or (live[row["token"]] > 0) != (row["state"] == "published")
    most = max(stage.emulator.record.rate_limited.values(), default=0)
    if most > _MOST_429:
        stage.complaints.append(f"a profile got {most} answers of 429")
    return sum(count > 1 for count in live.values()), stuck


async def _leaked(stage: Stage, pages: list[str]) -> int:
    """Count the secrets that are written somewhere, and say where."""
    keys = {stage.ayrshare.identity(index).profile_key for index in range(stage.ayrshare.config.profiles)}
    places = {
        "a log": "\n".join(daemon.log for daemon in stage.daemons + stage.gone),
        "a page": "\n".join(pages),
        "a message": "\n".join(stage.said),
        "a table": await stage.server.dump(),
        "the server's log": stage.server.log(),
    }
    found = [
        (secret, place)
        for secret in {*keys, API_KEY, PASSWORD, ENCRYPTION_KEY}
        for place, text in places.items()
        if secret in text
    ]
    stage.complaints += [f"{place} has a secret that begins with {secret[:4]}" for secret, place in found]
    return len({secret for secret, _ in found})


async def _within(seconds: float, stage: Stage, what: str, problem: Callable[[], Awaitable[str | None]]) -> None:
    """Wait until there is no problem; complain if there still is one when the time is over."""
    last: str | None = "nothing was looked at"
    try:
        async with asyncio.timeout(seconds):
            while (last := await problem()) is not None:
                await asyncio.sleep(0.25)
    except TimeoutError:
        stage.complaints.append(f"after {seconds:.0f} s of waiting for {what}: {last}")
