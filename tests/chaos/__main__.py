"""Plays the scenarios: ``-k WORD`` some of them, ``--list`` none. Exits with 1 unless everything is zero."""

import argparse
import asyncio
import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.everything import SCENARIOS
from tests.chaos.run import play_all, table
from tests.chaos.scenario import Scenario
from tests.chaos.server import prepare
from tests.chaos.verdict import Verdict


def _tell(verdict: Verdict) -> None:
    lines = [f"{verdict.scenario.name}: {'good' if verdict.good else 'BAD'}, {verdict.seconds:.0f} s"]
    lines += [f"  {complaint}" for complaint in verdict.complaints]
    sys.stderr.write("\n".join(lines) + "\n")


async def _play(scenarios: Sequence[Scenario], together: int) -> list[Verdict]:
    with tempfile.TemporaryDirectory(prefix="collector-chaos-") as folder:
        prepared = Path(folder) / "prepared"
        await prepare(prepared)
        return await play_all(scenarios, prepared, Path(folder), together=together, tell=_tell)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("-k", metavar="WORD", action="append", help="only scenarios with this in their name")
    parser.add_argument("--list", action="store_true", help="list the scenarios, and play none")
    parser.add_argument("--seconds", type=float, help="how long what is injected lasts, instead of its own time")
    parser.add_argument("--together", type=int, default=5, help="how many are played at once (default: 5)")
    chosen = parser.parse_args()
    scenarios = [each for each in SCENARIOS if not chosen.k or any(word in each.name for word in chosen.k)]
    if chosen.seconds is not None:
        scenarios = [dataclasses.replace(each, seconds=chosen.seconds) for each in scenarios]
    if chosen.list or not scenarios:
        sys.stdout.write("".join(f"{each.name}: {each.injected}\n" for each in scenarios or SCENARIOS))
        return 0 if scenarios else 2
    began = time.monotonic()
    verdicts = asyncio.run(_play(scenarios, chosen.together))
    bad = sum(not verdict.good for verdict in verdicts)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{table(verdicts)}\n{len(verdicts)} scenarios, {bad} bad, {seconds:.0f} s\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
