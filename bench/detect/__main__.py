"""Counts false alarms and found drops in made-up and real counts: of the detector, of its rivals, and of an oracle.

The detector does not know how the counts are made. ``--quick`` is for tuning: fewer accounts, seeds of its own, and
neither the held-out generator nor real series, which no tuning may see.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bench.detect import scoring
from bench.detect.regimes import REGIMES
from bench.detect.report import heading, misses, row, targets_of
from bench.detect.scoring import Figures
from bench.detect.world import FIRST_DAY, dropped
from collector.detect.detector import BATCH
from collector.detect.evaluate import evaluate
from collector.models import JUDGED_METRICS

_QUICK_ACCOUNTS, _ACCOUNTS = 400, 1600
_QUICK_SEED, _SEED = 1, 20_001


def measure(number: int, accounts: int, seed: int) -> Figures:
    regime = REGIMES[number]
    world = regime.make(np.random.default_rng([seed, regime.stream]), round(accounts * regime.weight))
    return scoring.ours(world, dropped(world, seed))


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


def main(*, quick: bool) -> int:
    started = time.monotonic()
    accounts, seed = (_QUICK_ACCOUNTS, _QUICK_SEED) if quick else (_ACCOUNTS, _SEED)
    numbers = [number for number, regime in enumerate(REGIMES) if not (quick and regime.heldout)]
    results: dict[str, Figures] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {REGIMES[number].name: pool.submit(measure, number, accounts, seed) for number in numbers}
        print(heading("this detector, normal sensitivity"))
        for name, job in jobs.items():
            results[name] = job.result()
            print(row(name, results[name], targets_of(name, results)), flush=True)
    missed = misses(results)
    print(f"\n{judging_time()}")
    print("\nmissed:", *(missed or ["nothing"]), sep="\n  ")
    print(f"{time.monotonic() - started:.0f} s")
    return int(any(figures.warning for figures in results.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, for tuning")
    sys.exit(main(quick=parser.parse_args().quick))
