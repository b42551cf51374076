"""Counts false alarms and found drops in made-up and real counts: of the detector, of its rivals, and of an oracle.

The detector does not know how the counts are made. ``--quick`` is for tuning: fewer accounts, seeds of its own, no
rivals, and neither the held-out generator nor real series, which no tuning may see.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from bench.detect import rivals, scoring
from bench.detect.regimes import REGIMES
from bench.detect.report import heading, matched_heading, matched_row, misses, row, targets_of
from bench.detect.scoring import Figures
from bench.detect.series import KINDS, packages, real_world
from bench.detect.world import FIRST_DAY, World, dropped
from collector.detect.detector import BATCH
from collector.detect.evaluate import evaluate
from collector.models.drop import JUDGED_METRICS, Sensitivity

_QUICK_ACCOUNTS, _ACCOUNTS = 400, 800
_QUICK_SEED, _SEED = 1, 20_001
# Accounts that rivals are measured on, and AutoETS, which takes a second or two for each.
_RIVALS_ACCOUNTS, _AUTOETS_ACCOUNTS = 300, 20
_WITH_AUTOETS = ("200 a day", "held out, 200 a day", "page views, 4 metrics")


@dataclass(frozen=True)
class Job:
    """``number`` of a regime, or ``kind`` of real series, alone or with metrics made from them."""

    name: str
    number: int = -1
    kind: str = ""
    alone: bool = False


@dataclass(frozen=True)
class Result:
    ours: Figures
    presets: dict[str, Figures] = field(default_factory=dict)
    rivals: dict[str, Figures] = field(default_factory=dict)


def jobs(*, quick: bool) -> Iterator[Job]:
    for number, regime in enumerate(REGIMES):
        if not (quick and regime.heldout):
            yield Job(regime.name, number)
    if not quick:
        for kind in KINDS:
            yield Job(f"{kind}, alone", kind=kind, alone=True)
            yield Job(f"{kind}, 4 metrics", kind=kind)


def world_of(job: Job, accounts: int, seed: int) -> World:
    if job.kind:
        return real_world(job.kind, seed, alone=job.alone)
    regime = REGIMES[job.number]
    return regime.make(np.random.default_rng([seed, regime.stream]), round(accounts * regime.weight))


def measure(job: Job, *, quick: bool) -> Result:
    accounts, seed = (_QUICK_ACCOUNTS, _QUICK_SEED) if quick else (_ACCOUNTS, _SEED)
    world = world_of(job, accounts, seed)
    counts = dropped(world, seed)
    ours = scoring.ours(world, counts)
    if quick:
        return Result(ours)
    presets = {}
    if job.name == "200 a day":
        for preset in (Sensitivity.LOW, Sensitivity.HIGH):
            presets[f"  {preset} sensitivity"] = scoring.ours(world, counts, preset)
    few = world.sample(_RIVALS_ACCOUNTS)
    beside = rivals.beside(few, {name: each[: few.accounts] for name, each in counts.items()}, ours.alarms)
    if job.name in _WITH_AUTOETS:
        few = world.sample(_AUTOETS_ACCOUNTS)
        sampled = {name: each[: few.accounts] for name, each in counts.items()}
        beside[f"AutoETS, {few.accounts} accounts"] = rivals.autoets(few, sampled, ours.alarms)
    return Result(ours, presets, beside)


def judging_time() -> str:
    """Measure how long the detector takes for a fleet and for one profile; the target is 5 s."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(12, 200 / 12, (10_000, len(JUDGED_METRICS), 90))).astype(np.float32)
    started = time.process_time()
    for start in range(0, len(counts), BATCH):
        evaluate(counts[start : start + BATCH], FIRST_DAY)
    fleet = time.process_time() - started
    started = time.process_time()
    for profile in range(10):
        evaluate(counts[profile : profile + 1], FIRST_DAY)
    one = (time.process_time() - started) / 10
    return f"10,000 profiles x 4 metrics x 90 days: {fleet:.1f} s of CPU (at most 5); one profile {1000 * one:.0f} ms"


def print_rivals(results: dict[str, Result]) -> None:
    for name in _WITH_AUTOETS:
        print(heading(f"at the alarms of this detector: {name}"))
        print(row("this detector", results[name].ours))
        for rival, figures in results[name].rivals.items():
            print(row(rival, figures))
    print(matched_heading())
    for name, result in results.items():
        print(matched_row(name, result.ours, result.rivals))


def main(*, quick: bool) -> int:
    started = time.monotonic()
    if not quick:
        packages()
        rivals.autoets_python()
    results: dict[str, Result] = {}
    figures: dict[str, Figures] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = {job.name: pool.submit(measure, job, quick=quick) for job in jobs(quick=quick)}
        print(heading("this detector, normal sensitivity"))
        for name, job in waiting.items():
            results[name] = job.result()
            figures[name] = results[name].ours
            print(row(name, figures[name], targets_of(name, figures)), flush=True)
            for preset, each in results[name].presets.items():
                figures[preset] = each
                print(row(preset, each, targets_of(preset, figures)), flush=True)
    if not quick:
        print_rivals(results)
    print(f"\n{judging_time()}")
    print("\nmissed:", *(misses(figures) or ["nothing"]), sep="\n  ")
    print(f"{time.monotonic() - started:.0f} s")
    return int(any(each.warning for each in figures.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, for tuning")
    sys.exit(main(quick=parser.parse_args().quick))
