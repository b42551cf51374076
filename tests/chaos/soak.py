"""Lets a daemon work for long while two calls in a hundred fail, and people and Prometheus look at its pages.

Says how its memory, descriptors, connections and lag went; exits with 1 unless all stayed level and every day is right.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

import aiohttp
import msgspec

from tests.chaos.daemon import Daemon
from tests.chaos.scenario import ALL_ROLES
from tests.chaos.server import prepare
from tests.chaos.stage import Stage, staged
from tests.chaos.verdict import lost_days

INTERVAL_SECONDS = 60.0
_SAMPLES = 90
_LEAST_PAUSE_SECONDS = 2.0
_LOOKS_A_SECOND = 2.0
_SCRAPE_SECONDS = 15.0
_PAGES = (
    *("/", "/?view=profiles&q=an", "/profiles/{profile}", "/drops", "/pins", "/operations", "/pulse"),
    *("/api/v1/profiles?limit=50", "/api/v1/profiles/{profile}", "/api/v1/status", "/readyz"),
)
_SCRAPED = ("/metrics", "/metrics/profiles")
_ANSWER = aiohttp.ClientTimeout(total=30.0)
_LAG = re.compile(r"^collector_poll_lag_seconds (\S+)", re.MULTILINE)
_STOP_SECONDS = 5.0
# How much more the last third may hold than the second: pools grow with the load, and close again.
_MORE_MEMORY = 1.05
_MORE_DESCRIPTORS = 8
# A profile whose call failed is tried again within its interval.
_ALL_FRESH = """
SELECT NOT EXISTS (
    SELECT FROM profile
    WHERE last_success_at IS NULL OR last_success_at < now() - $1::double precision * interval '1 second'
)
"""
_POLLS = "SELECT outcome, count(*) AS polls FROM poll_log GROUP BY outcome ORDER BY polls DESC"
_SETTINGS = {
    "POLL_INTERVAL": f"{INTERVAL_SECONDS:.0f}s",
    "POLL_CONCURRENCY": "32",
    "LEASE_TIME": "30s",
    "MAX_REQUESTS_PER_SECOND": "1000",
    "REQUEST_TIMEOUT": "5s",
}


class Sample(msgspec.Struct, frozen=True):
    """What the daemon held at a moment, and for how many seconds the first due profile had waited."""

    seconds: float
    resident_mib: float
    descriptors: int
    connections: int
    threads: int
    lag_seconds: float


class Looked(msgspec.Struct):
    """What the pages answered: how many requests, and what went wrong with others."""

    answers: int = 0
    failures: list[str] = msgspec.field(default_factory=list)


def problems(samples: Sequence[Sample]) -> list[str]:
    """Say what did not stay level in the last third, held against the second; the first is for warming up."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    found = []
    before, after = (median(each.resident_mib for each in part) for part in (middle, last))
    if after > before * _MORE_MEMORY:
        found.append(f"memory grew from {before:.0f} to {after:.0f} MiB")
    for name in ("descriptors", "connections", "threads"):
        few, many = (median(getattr(each, name) for each in part) for part in (middle, last))
        if many > few + _MORE_DESCRIPTORS:
            found.append(f"{name} grew from {few:.0f} to {many:.0f}")
    lag = max(each.lag_seconds for each in (*middle, *last))
    if lag > INTERVAL_SECONDS:
        found.append(f"a profile was polled {lag:.0f} s late")
    return found


def table(samples: Sequence[Sample]) -> str:
    """Return the median and the most of each third in Markdown."""
    third = len(samples) // 3
    parts = samples[:third], samples[third : 2 * third], samples[2 * third :]
    lines = ["| median, most | first third | second | last |", "|---|---:|---:|---:|"]
    for name in Sample.__struct_fields__[1:]:
        columns = [[float(getattr(each, name)) for each in part] for part in parts]
        cells = [f"{median(column):,.1f}, {max(column):,.1f}" for column in columns]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def look(stage: Stage, daemon: Daemon, looked: Looked) -> None:
    """Open pages one after the other, and scrape every so often, until cancelled."""
    scraped = 0.0
    for path, profile in zip(cycle(_PAGES), cycle(stage.profiles), strict=False):
        paths = [path.format(profile=profile)]
        if time.monotonic() - scraped > _SCRAPE_SECONDS:
            scraped = time.monotonic()
            paths += _SCRAPED
        for each in paths:
            await _ask(stage.ayrshare.session, f"{daemon.url}{each}", looked)
        await asyncio.sleep(1.0 / _LOOKS_A_SECOND)


async def _ask(session: aiohttp.ClientSession, url: str, looked: Looked) -> None:
    try:
        async with session.get(url, timeout=_ANSWER) as response:
            await response.read()
            looked.answers += 1
            if response.status != 200:
                looked.failures.append(f"{url} answered {response.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        looked.failures.append(f"{url}: {error!r}")


async def sample(stage: Stage, daemon: Daemon, seconds: float) -> Sample:
    held = daemon.held(stage.database.port, stage.api.port)
    async with stage.ayrshare.session.get(f"{daemon.url}/metrics", timeout=_ANSWER) as response:
        found = _LAG.search(await response.text())
    assert found is not None
    return Sample(seconds, held.resident_mib, held.api + held.other, held.database, daemon.threads(), float(found[1]))


def _moments(seconds: float) -> Iterator[float]:
    pause = max(_LEAST_PAUSE_SECONDS, seconds / _SAMPLES)
    yield from (pause * (place + 1) for place in range(int(seconds / pause)))


async def soak(stage: Stage, profiles: int, seconds: float) -> tuple[list[Sample], list[str]]:
    """Let one daemon poll for so long; return what was seen of it, and what was wrong."""
    await stage.register(profiles, pins=0)
    daemon = await stage.start(ALL_ROLES)
    await daemon.until_running()
    for fault in ({"fault": "status", "status": 500}, {"fault": "reset_before"}):
        await stage.fault(**fault, probability=0.01)
    looked, samples, began = Looked(), list[Sample](), time.monotonic()
    looking = asyncio.create_task(look(stage, daemon, looked))
    for moment in _moments(seconds):
        await asyncio.sleep(began + moment - time.monotonic())
        samples.append(await sample(stage, daemon, moment))
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await stage.heal()
    await stage.until(_ALL_FRESH, 3 * INTERVAL_SECONDS, seconds=INTERVAL_SECONDS)
    if lost := await lost_days(stage):
        stage.complaints.append(f"{lost} days are not as Ayrshare shows them")
    await stage.stop(daemon, _STOP_SECONDS)
    sys.stdout.write(f"pages: {looked.answers:,} answers, {len(looked.failures)} failures\n")
    return samples, [*problems(samples), *stage.complaints, *looked.failures[:3]]


async def main(profiles: int, minutes: float) -> int:
    with tempfile.TemporaryDirectory(prefix="collector-soak-") as folder:
        prepared = Path(folder) / "prepared"
        await prepare(prepared)
        async with staged(
            prepared, Path(folder), settings=_SETTINGS, emulator={"profiles": profiles}, seconds=0.0
        ) as stage:
            samples, wrong = await soak(stage, profiles, 60 * minutes)
            polls = await stage.server.owner.fetch(_POLLS)
    told = ", ".join(f"{row['polls']:,} {row['outcome']}" for row in polls)
    verdict = f"{profiles:,} profiles, {minutes:g} minutes: {'BAD' if wrong else 'good'}"
    sys.stdout.write(f"polls: {told}\n{table(samples)}\n{verdict}\n")
    sys.stderr.write("".join(f"  {complaint}\n" for complaint in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--profiles", type=int, default=5000)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.profiles, options.minutes)))
