"""Judges a profile up to a day again, and explains why that day was called a drop, or was not."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from collector.errors import RegistryError
from collector.models.drop import Decision, Episode, Unmet
from collector.store.drop import DropStore

if TYPE_CHECKING:
    from collector.detect.check import Checks

# Below what any window is expected to have, and above what stands for none.
_NOTHING: Final = 1e-3


class CheckedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one series, held against the conditions; ``observed`` and ``expected`` are means a day.

    A ``slow`` one is as long as the numbers have been low.
    """

    series: str
    days: int
    slow: bool
    observed: float
    expected: float
    loss: float
    least_loss: float
    score: float
    threshold: float
    unmet: Unmet | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a day was called a drop or not; ``episode`` is the drop that was open on it."""

    profile: str
    client: str
    day: date
    called: bool
    sentences: str
    decision: Decision
    unmet: Unmet | None
    episode: Episode | None
    checks: list[CheckedWindow]


async def explain(store: DropStore, name: str, day: date | None = None) -> Explanation:
    """Judge a profile's days until ``day`` again, the newest settled one if None, and say what that day was called.

    Raises:
        RegistryError: there is no such profile, or it has no settled day until then.
    """
    # A process without the detector has no numpy, which takes 20 MiB, until somebody asks for this.
    from collector.detect.detector import judge, origin  # noqa: PLC0415 -- as above
    from collector.detect.reason import open_episode, verdict_in_words  # noqa: PLC0415 -- as above

    found = await store.history_of(name)
    if found is None:
        raise RegistryError(f"no profile {name} with settled days; `collector profiles list` shows all profiles")
    day = day or found.settled_through
    if not found.first_day <= day <= found.settled_through:
        span = f"from {found.first_day} to {found.settled_through}"
        raise RegistryError(f"{day} is not a settled day of {name}; those are {span}")
    since = origin(day)
    [profile] = known = await store.days([found.id], since, day)
    _, history = await asyncio.to_thread(judge, known, since)
    decision, unmet, sentences = verdict_in_words(history, 0)
    return Explanation(
        profile=profile.name,
        client=profile.client,
        day=day,
        called=unmet is None and bool(decision.decided_by),
        sentences=sentences,
        decision=decision,
        unmet=unmet,
        episode=open_episode(history, 0),
        checks=list(_checks(history.checks)) if history.checks is not None else [],
    )


def _checks(checks: "Checks") -> Iterator[CheckedWindow]:
    """Yield the windows with days of the first profile: of all metrics together, then of each."""
    windows, rows = checks.loss.shape[:2]
    for row in (rows - 1, *range(rows - 1)):
        # The cumulative sum is of all metrics only.
        for window in range(windows if row == rows - 1 else windows - 1):
            where = window, row, 0
            decision, days = checks.decision(where), int(checks.scores.days[window, 0])
            # All metrics together are those that are in no drop: where all are, nothing is left to compare.
            if not days or checks.scores.expected[where] < _NOTHING:
                continue
            yield CheckedWindow(
                series=decision.decided_by,
                days=days,
                slow=window == windows - 1,
                observed=round(float(checks.scores.observed[where]) / days, 2),
                expected=round(float(checks.scores.expected[where]) / days, 2),
                loss=decision.window_loss,
                least_loss=decision.least_loss,
                score=decision.window_score,
                threshold=decision.threshold,
                unmet=checks.unmet(where),
            )
