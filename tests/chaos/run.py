"""Plays scenarios, some side by side, and prints what each cost."""

import asyncio
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.scenario import Scenario
from tests.chaos.stage import staged
from tests.chaos.verdict import Verdict, begin, judge

_HEAD = ("scenario", "injected", "seconds", "days lost", "pins doubled", "pins stuck", "keys leaked", "verdict")


async def play(scenario: Scenario, prepared: Path, folder: Path, *, short: bool = False) -> Verdict:
    """Play one scenario in ``folder``, and return what it cost."""
    began = time.monotonic()
    seconds = scenario.short if short and scenario.short is not None else scenario.seconds
    async with staged(
        prepared, folder, settings=scenario.settings, emulator=scenario.emulator, seconds=seconds
    ) as stage:
        before = await begin(stage, scenario)
        try:
            await scenario.play(stage)
        except Exception:  # noqa: BLE001 -- whatever it was, the others go on
            stage.complaints.append(traceback.format_exc())
        return await judge(stage, scenario, before, began)


async def play_all(
    scenarios: Sequence[Scenario], prepared: Path, folder: Path, *, together: int, tell: Callable[[Verdict], None]
) -> list[Verdict]:
    """Play all, at most ``together`` at once, and return what they cost, in their order."""
    places = asyncio.Semaphore(together)

    async def one(scenario: Scenario) -> Verdict:
        async with places:
            began = time.monotonic()
            try:
                verdict = await play(scenario, prepared, Path(tempfile.mkdtemp(dir=folder, prefix=scenario.name)))
            except Exception:  # noqa: BLE001 -- the table has a line for it
                complaint = traceback.format_exc()
                verdict = Verdict(scenario, time.monotonic() - began, 0, 0, 0, 0, (complaint,))
            tell(verdict)
            return verdict

    return list(await asyncio.gather(*(one(scenario) for scenario in scenarios)))


def table(verdicts: Sequence[Verdict]) -> str:
    """Return a table in Markdown."""
    rows = [_HEAD, *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _row(verdict: Verdict) -> tuple[str, ...]:
    costs = (verdict.days_lost, verdict.pins_doubled, verdict.pins_stuck, verdict.keys_leaked)
    scenario = verdict.scenario
    verdict_word = "good" if verdict.good else "BAD"
    return (scenario.name, scenario.injected, f"{verdict.seconds:.0f}", *map(str, costs), verdict_word)
