"""Runs the daemon, and a Prometheus that scrapes it, for the dashboard that reads Prometheus."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from collector.config import Settings
from tools.preview import ROOT

SCRAPE_SECONDS = 1
_READY_SECONDS = 30.0
_STOP_SECONDS = 20.0


@asynccontextmanager
async def daemon(settings: Settings, log: Path) -> AsyncIterator[str]:
    """Run the daemon on the database of ``settings`` and yield its ``host:port``."""
    address = f"127.0.0.1:{free_port()}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLLECTOR_")} | {
        "COLLECTOR_DATA_DIR": str(settings.data_dir),
        "COLLECTOR_AYRSHARE_URL": settings.ayrshare_url,
        "COLLECTOR_AYRSHARE_API_KEY": settings.ayrshare_api_key.get_secret_value() if settings.ayrshare_api_key else "",
        "COLLECTOR_HTTP_PORT": address.rpartition(":")[2],
        # The work of hours in minutes.
        "COLLECTOR_POLL_INTERVAL": "20s",
        "COLLECTOR_REQUEST_TIMEOUT": "3s",
        "COLLECTOR_LOG_FORMAT": "json",
    }
    async with running((sys.executable, "-m", "collector", "run"), f"http://{address}/readyz", log, environment):
        yield address


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[str]:
    """Run a Prometheus with the project's own configuration, but faster, and yield its URL."""
    address = f"127.0.0.1:{free_port()}"
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_configuration(target)), encoding="utf-8")
    command = (
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
    )
    async with running(command, f"http://{address}/-/ready", folder / "prometheus.log"):
        yield f"http://{address}"


def _configuration(target: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    interval = f"{SCRAPE_SECONDS}s"
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    for job in config["scrape_configs"]:
        job |= {"scrape_interval": interval, "scrape_timeout": interval, "static_configs": [{"targets": [target]}]}
    config["rule_files"] = [str(ROOT / "prometheus/rules/*.yml")]
    del config["alerting"]
    return config


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    command: tuple[str, ...], ready: str, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Run a server until the end of the block; it is ready inside."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env=environment, cwd=log.parent
        )
    try:
        await _answering(process, ready, log)
        yield
    finally:
        await _stop(process)


async def _answering(process: asyncio.subprocess.Process, ready: str, log: Path) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(ready) as response:
                        if response.ok:
                            return
                await asyncio.sleep(0.1)
    raise RuntimeError(f"{ready} does not answer: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
