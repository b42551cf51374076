"""A fleet in shards, scraped by a real Prometheus with the configuration that the documentation gives."""

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from collector.fleet.exporter import Exporter
from collector.loops.every import Heartbeats
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.pool import Database
from collector.web.health import Health
from collector.web.server import Pages
from collector.web.server import serving as pages_at
from tests.support.monitoring import PATIENCE_SECONDS, prometheus
from tests.support.paths import ROOT
from tests.support.profiles import registered

_YAML = re.compile(r"### A large fleet: shards.*?```yaml\n(.*?)```", re.DOTALL)


def documented() -> dict[str, Any]:
    text = _YAML.search((ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    assert text is not None
    loaded: dict[str, Any] = yaml.safe_load(text[1])
    return loaded


async def test_prometheus_has_every_profile_once_from_all_shards_together(database: Database, tmp_path: Path) -> None:
    names = {f"p{number}": f"key-{number}" for number in range(9)}
    await registered(database, names)
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    pages = Pages(Health(database, Heartbeats(), hold=lambda: None), exporter.page)
    async with pages_at(pages, "127.0.0.1", 0) as url:
        write_sharded(tmp_path, url.removeprefix("http://"))
        async with prometheus(tmp_path) as address, aiohttp.ClientSession(address) as session:
            up = await answered(session, "up", 4)
            assert {each["shard"] for each in up} == {"1/4", "2/4", "3/4", "4/4"}
            profiles = await answered(session, "collector_profile_state", len(names))
            [fleet] = await answered(session, "pinterest_fleet_drop", 1)
    assert sorted(each["profile"] for each in profiles) == sorted(names)
    assert not any("shard" in each for each in [*profiles, fleet]), "with another number of shards, series go on"


def write_sharded(folder: Path, target: str) -> None:
    config = documented()
    [job] = config["scrape_configs"]
    job |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    for each in job["static_configs"]:
        each["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


async def answered(session: aiohttp.ClientSession, query: str, count: int) -> list[dict[str, str]]:
    """Wait until Prometheus knows so many series, and return their labels."""
    found: list[dict[str, str]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < count:
            await asyncio.sleep(0.1)
            async with session.get("/api/v1/query", params={"query": query}) as response:
                found = [each["metric"] for each in (await response.json())["data"]["result"]]
    return found
