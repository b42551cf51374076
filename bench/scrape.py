"""Lets a real Prometheus scrape the page of a large fleet, in shards and whole; tells how long each scrape took."""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop
import yaml

from bench.scale import answer, filled, memory, started
from bench.support import describe
from tools.preview.live import free_port, running

_SCRAPES = 2
# The first scrape makes the series, which is Prometheus's work.
_QUERIES = (
    "max_over_time(scrape_duration_seconds[1h])",
    "scrape_duration_seconds",
    "scrape_samples_post_metric_relabeling",
    "up",
)


@asynccontextmanager
async def prometheus(folder: Path, target: str, shards: int, interval: int) -> AsyncIterator[str]:
    """Run a Prometheus that scrapes so many shards of ``target``; yield its address."""
    parts = [f"{shard}/{shards}" for shard in range(1, shards + 1)]
    job = {
        "job_name": "pinterest-profiles",
        "metrics_path": "/metrics/profiles",
        "static_configs": [{"targets": [target], "labels": {"__param_shard": part}} for part in parts],
        "relabel_configs": [{"source_labels": ["__param_shard"], "target_label": "shard"}],
    }
    seconds = f"{interval}s"
    config = {"global": {"scrape_interval": seconds, "scrape_timeout": seconds}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = (
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    async with running(command, f"http://{address}/-/ready", folder / "prometheus.log"):
        yield f"http://{address}"


async def asked(session: aiohttp.ClientSession, query: str) -> dict[str, float]:
    async with session.get("/api/v1/query", params={"query": query}) as response:
        found = (await response.json())["data"]["result"]
    return {each["metric"]["shard"]: float(each["value"][1]) for each in found}


async def served(session: aiohttp.ClientSession, shards: int) -> float:
    """Return how many seconds the slowest shard takes, without Prometheus."""
    taken = []
    for shard in range(1, shards + 1):
        began = time.perf_counter()
        await answer(session, f"/metrics/profiles?shard={shard}/{shards}")
        taken.append(time.perf_counter() - began)
    return max(taken)


async def main(profiles: int, shards: list[int], interval: int) -> None:
    async with filled(profiles) as fleet, started(fleet) as (pid, own):
        await describe(fleet.database)
        await answer(own, "/metrics/profiles?client=brand-0")
        target = str(own._base_url).removeprefix("http://").rstrip("/")  # noqa: SLF001 -- it has no other name
        for count in shards:
            print(f"{profiles:,} profiles in {count} shards: the slowest is served in {await served(own, count):.2f} s")
            with tempfile.TemporaryDirectory(prefix="collector-bench-") as folder:
                async with (
                    prometheus(Path(folder), target, count, interval) as url,
                    aiohttp.ClientSession(url) as session,
                ):
                    await asyncio.sleep(_SCRAPES * interval)
                    longest, last, samples, up = [await asked(session, query) for query in _QUERIES]
            print(
                f"{profiles:,} profiles in {count} shards: the longest scrape {max(longest.values()):.1f} s, of "
                f"the last ones {max(last.values()):.1f} s, "
                f"{sum(samples.values()):,.0f} series, {sum(up.values()):.0f} of {count} up; "
                f"daemon {memory(pid, 'VmRSS'):.0f} MiB; load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[8])
    parser.add_argument("--interval", type=int, default=60, help="seconds between two scrapes of a shard")
    options = parser.parse_args()
    uvloop.run(main(options.profiles, options.shards, options.interval))
