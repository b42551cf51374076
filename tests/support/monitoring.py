"""Runs Prometheus and Alertmanager on the project's own configuration files, with short waits.

Addresses and waiting times are changed and nothing else: expressions, labels, annotations, routes, grouping and
inhibitions are those that a user gets.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from tests.support.paths import ROOT
from tools.preview.live import free_port, running

FOLDER = ROOT / "prometheus"
PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05

# Alertmanager's wait is long enough for the alert that inhibits another to come first.
_TICK = "1s"
_GROUP_WAIT = "2s"


class Notification(msgspec.Struct, frozen=True):
    """What Alertmanager posted to a webhook: the receiver, and the labels, annotations and status of each alert."""

    receiver: str
    alerts: list[dict[str, Any]]

    def names(self, status: str = "firing") -> list[tuple[str, str]]:
        """Return the name and the profile of each alert of that status, sorted."""
        labels = [alert["labels"] for alert in self.alerts if alert["status"] == status]
        return sorted((each["alertname"], each.get("profile", "")) for each in labels)


class Receiver(msgspec.Struct):
    """A local webhook, and the notifications that it received."""

    address: str = ""
    notifications: list[Notification] = msgspec.field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.notifications.append(Notification(body["receiver"], body["alerts"]))
        return web.Response()

    def named(self, alert: str, status: str = "firing") -> list[Notification]:
        """Return the notifications that name ``alert``."""
        return [each for each in self.notifications if alert in dict(each.names(status))]


class Alerting(msgspec.Struct):
    """Running Prometheus and Alertmanager, and their notifications."""

    receiver: Receiver
    alertmanager: str
    session: aiohttp.ClientSession

    async def arrived(self, alert: str, status: str = "firing") -> Notification:
        """Wait for a notification that names ``alert`` and return the first."""
        await until(lambda: bool(self.receiver.named(alert, status)), f"{alert} {status}", self._seen)
        return self.receiver.named(alert, status)[0]

    async def inhibited(self, alert: str, count: int) -> list[dict[str, Any]]:
        """Wait until Alertmanager has ``count`` alerts of that name, all of them inhibited, and return them."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) != count or not all(each["status"]["inhibitedBy"] for each in found):
                await asyncio.sleep(_LOOK_SECONDS)
                found = await self.alerts(alert)
        return found

    async def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts of that name as Alertmanager knows them, inhibited ones included."""
        async with self.session.get(f"{self.alertmanager}/api/v2/alerts") as response:
            alerts: list[dict[str, Any]] = await response.json()
        return [alert for alert in alerts if alert["labels"]["alertname"] == name]

    def _seen(self) -> str:
        return ", ".join(f"{each.receiver}: {each.names()}" for each in self.receiver.notifications) or "nothing"


async def until(condition: Callable[[], bool], what: str, seen: Callable[[], str] = lambda: "") -> None:
    """Wait for ``condition``; a failure names the condition and what came instead."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pytest.fail(f"{what} did not come within {PATIENCE_SECONDS:g} s; came: {seen()}")


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve ``app`` on a free loopback port and yield ``host:port``."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def alerting(folder: Path, target: str) -> AsyncIterator[Alerting]:
    """Run both, scraping ``target`` (``host:port`` of a daemon, or of a server like one)."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; .ci/servers installs it")
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{receiver}", receiver.take)
    async with serving(app) as receiver.address, aiohttp.ClientSession() as session:
        alertmanager = f"127.0.0.1:{free_port()}"
        write_alertmanager(folder, receiver.address)
        write_prometheus(folder, target, alertmanager)
        async with (
            _alertmanager(folder, alertmanager),
            _prometheus(folder, f"127.0.0.1:{free_port()}"),
        ):
            yield Alerting(receiver, f"http://{alertmanager}", session)


@asynccontextmanager
async def scraping(folder: Path, target: str) -> AsyncIterator[str]:
    """Run Prometheus without Alertmanager, scraping ``target``; yield its address."""
    write_prometheus(folder, target, f"127.0.0.1:{free_port()}")
    async with prometheus(folder) as address:
        yield address


@asynccontextmanager
async def prometheus(folder: Path) -> AsyncIterator[str]:
    """Run Prometheus with the ``prometheus.yml`` of ``folder``; yield its address."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed; .ci/servers installs it")
    address = f"127.0.0.1:{free_port()}"
    async with _prometheus(folder, address):
        yield f"http://{address}"


def write_alertmanager(folder: Path, webhook: str) -> None:
    """Write ``alertmanager.yml`` with short waits, and its webhooks at ``webhook``."""
    config = yaml.safe_load((FOLDER / "alertmanager.yml").read_text(encoding="utf-8"))
    for route in [config["route"], *config["route"]["routes"]]:
        route |= {"group_wait": _GROUP_WAIT, "group_interval": _TICK}
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", []):
            hook["url"] = f"http://{webhook}/{receiver['name']}"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def write_prometheus(folder: Path, target: str, alertmanager: str) -> None:
    """Write ``prometheus.yml`` and its rules with short intervals and no waiting times, and the addresses."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": _TICK, "evaluation_interval": _TICK}
    for job in config["scrape_configs"]:
        job |= {"scrape_interval": _TICK, "scrape_timeout": _TICK, "static_configs": [{"targets": [target]}]}
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "rules").mkdir()
    for path in FOLDER.glob("rules/*.yml"):
        rules = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in rules["groups"]:
            group["interval"] = _TICK
            for rule in group["rules"]:
                rule.pop("for", None)
                rule.pop("keep_firing_for", None)
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules), encoding="utf-8")


@asynccontextmanager
async def _alertmanager(folder: Path, address: str) -> AsyncIterator[None]:
    command = (
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    )
    async with running(command, f"http://{address}/-/ready", folder / "alertmanager.log"):
        yield


@asynccontextmanager
async def _prometheus(folder: Path, address: str) -> AsyncIterator[None]:
    command = (
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        "--rules.alert.resend-delay=1s",
    )
    async with running(command, f"http://{address}/-/ready", folder / "prometheus.log"):
        yield
