"""From the pages to the webhook, by real Prometheus and Alertmanager: which notifications arrive, and which do not."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.support.monitoring import Alerting, Notification, alerting, serving, until

SENTENCE = 'Engagements of {} fell to 12 a day since 3 March; 40 to 90 were expected, and "no pins" for 9 days.'
FLEET_SENTENCE = "Engagements of 3 of 4 profiles fell on 3 March."
_DAY = 86400.0


class Profile(msgspec.Struct):
    """A profile on the fleet page; ``dropped`` are the metrics of its open drops."""

    client: str
    name: str
    state: str = "active"
    dropped: tuple[str, ...] = ()
    last_success: float = msgspec.field(default_factory=time.time)

    def lines(self) -> list[str]:
        labels = f'client="{self.client}",profile="{self.name}"'
        sentence = SENTENCE.format(self.name).replace('"', '\\"')
        return [
            f'collector_profile_state{{{labels},state="{self.state}"}} 1',
            f"collector_profile_last_success_timestamp_seconds{{{labels}}} {self.last_success}",
            f"pinterest_data_timestamp_seconds{{{labels}}} {time.time() // _DAY * _DAY - 3 * _DAY}",
            f"pinterest_engagement_drop{{{labels}}} {len(self.dropped)}",
            *[f'pinterest_engagement_drop_info{{{labels},metric="{m}",sentence="{sentence}"}} 1' for m in self.dropped],
        ]


class Daemon(msgspec.Struct):
    """Stands for a daemon: it serves both pages at ``target``, and a test sets their content."""

    profiles: dict[str, Profile]
    fleet_dropped: bool = False
    away: bool = False
    target: str = ""
    scrapes: int = 0

    async def fleet_page(self, _request: web.Request) -> web.Response:
        self._answer()
        self.scrapes += 1
        lines = [line for profile in self.profiles.values() for line in profile.lines()]
        lines.append(f"pinterest_fleet_drop {int(self.fleet_dropped)}")
        if self.fleet_dropped:
            lines.append(f'pinterest_fleet_drop_info{{sentence="{FLEET_SENTENCE}"}} 1')
        return web.Response(text="\n".join(lines) + "\n")

    async def process_page(self, _request: web.Request) -> web.Response:
        self._answer()
        lines = [
            "collector_database_up 1",
            "collector_api_key_refused 0",
            f'collector_loop_last_success_timestamp_seconds{{loop="detector"}} {time.time()}',
        ]
        return web.Response(text="\n".join(lines) + "\n")

    def _answer(self) -> None:
        if self.away:
            raise web.HTTPServiceUnavailable


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    """Two clients with two healthy profiles each."""
    profiles = [Profile(client, f"{client}-{region}") for client in ("acme", "bolt") for region in ("eu", "us")]
    answering = Daemon({profile.name: profile for profile in profiles})
    app = web.Application()
    app.router.add_get("/metrics", answering.process_page)
    app.router.add_get("/metrics/profiles", answering.fleet_page)
    async with serving(app) as answering.target:
        yield answering


@pytest.fixture
async def monitoring(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Alerting]:
    async with alerting(tmp_path, daemon.target) as running:
        yield running


def described(notification: Notification) -> list[str]:
    return [alert["annotations"]["description"] for alert in notification.alerts]


async def test_a_drop_arrives_with_its_sentence_and_its_end(daemon: Daemon, monitoring: Alerting) -> None:
    daemon.profiles["acme-eu"].dropped = ("engagement", "save")
    notification = await monitoring.arrived("PinterestEngagementDrop")
    assert notification.receiver == "operations"
    assert notification.names() == [("PinterestEngagementDrop", "acme-eu")], "one alert for two drops"
    [description] = described(notification)
    assert SENTENCE.format("acme-eu") in description

    daemon.profiles["acme-eu"].dropped = ()
    await monitoring.arrived("PinterestEngagementDrop", "resolved")
    assert len(monitoring.receiver.named("PinterestEngagementDrop")) == 1, "it is said once"


async def test_one_notification_names_all_profiles_of_a_client(daemon: Daemon, monitoring: Alerting) -> None:
    for name in ("acme-eu", "acme-us", "bolt-eu"):
        daemon.profiles[name].dropped = ("engagement",)
    await until(lambda: len(monitoring.receiver.named("PinterestEngagementDrop")) == 2, "a notification a client")
    names = sorted(each.names() for each in monitoring.receiver.named("PinterestEngagementDrop"))
    assert names == [
        [("PinterestEngagementDrop", "acme-eu"), ("PinterestEngagementDrop", "acme-us")],
        [("PinterestEngagementDrop", "bolt-eu")],
    ]


async def test_when_the_fleet_drops_one_alert_arrives(daemon: Daemon, monitoring: Alerting, tmp_path: Path) -> None:
    await until(lambda: daemon.scrapes > 1, "a page without a drop")
    for name in ("acme-eu", "acme-us", "bolt-eu"):
        daemon.profiles[name].dropped = ("engagement",)
    daemon.fleet_dropped = True
    notification = await monitoring.arrived("PinterestFleetDrop")
    [description] = described(notification)
    assert FLEET_SENTENCE in description
    await monitoring.inhibited("PinterestEngagementDrop", 3)

    # Another alert of the same clients arrives, without the drops.
    for name in ("acme-eu", "bolt-us"):
        daemon.profiles[name].state = "suspended"
    await monitoring.arrived("PinterestProfileSuspended")
    assert monitoring.receiver.named("PinterestEngagementDrop") == []
    assert len(monitoring.receiver.named("PinterestFleetDrop")) == 1

    # The alert that inhibits them has no receiver.
    [began] = await monitoring.alerts("PinterestFleetDropBegan")
    assert began["receivers"] == [{"name": "nobody"}]
    assert began["status"]["state"] == "active"
    assert monitoring.receiver.named("PinterestFleetDropBegan") == []
    assert "level=error" not in (tmp_path / "alertmanager.log").read_text()


async def test_a_clients_own_drop_arrives_while_the_fleets_lasts(daemon: Daemon, tmp_path: Path) -> None:
    # A page that always had a drop stands for one that had it for a day.
    daemon.fleet_dropped = True
    async with alerting(tmp_path, daemon.target) as monitoring:
        await monitoring.arrived("PinterestFleetDrop")
        daemon.profiles["acme-eu"].dropped = ("engagement",)
        notification = await monitoring.arrived("PinterestEngagementDrop")
        assert notification.names() == [("PinterestEngagementDrop", "acme-eu")]


async def test_stale_data_is_an_alert_of_its_own_and_no_drop(daemon: Daemon, monitoring: Alerting) -> None:
    for name in ("acme-eu", "bolt-eu"):
        daemon.profiles[name].dropped = ("engagement",)
    daemon.profiles["acme-eu"].last_success -= 2 * _DAY
    notification = await monitoring.arrived("PinterestDataStale")
    assert notification.names() == [("PinterestDataStale", "acme-eu")]
    [stale] = await monitoring.alerts("PinterestDataStale")

    arrived = await monitoring.arrived("PinterestEngagementDrop")
    assert arrived.names() == [("PinterestEngagementDrop", "bolt-eu")], "the other client's drop is told"
    drops = {each["labels"]["profile"]: each for each in await monitoring.alerts("PinterestEngagementDrop")}
    assert drops["acme-eu"]["status"]["inhibitedBy"] == [stale["fingerprint"]]
    assert drops["bolt-eu"]["status"]["inhibitedBy"] == []


async def test_a_drop_that_goes_stale_is_inhibited(daemon: Daemon, monitoring: Alerting) -> None:
    daemon.profiles["acme-eu"].dropped = ("engagement",)
    await monitoring.arrived("PinterestEngagementDrop")
    daemon.profiles["acme-eu"].last_success -= 2 * _DAY
    await monitoring.inhibited("PinterestEngagementDrop", 1)
    await monitoring.arrived("PinterestDataStale")
    assert len(monitoring.receiver.named("PinterestEngagementDrop")) == 1, "and not told again"


async def test_while_the_collector_is_down_no_other_alert_arrives(daemon: Daemon, monitoring: Alerting) -> None:
    daemon.profiles["acme-eu"].dropped = ("engagement",)
    await monitoring.arrived("PinterestEngagementDrop")
    daemon.away = True
    notification = await monitoring.arrived("PinterestCollectorDown")
    assert notification.names() == [("PinterestCollectorDown", "")]
    await monitoring.inhibited("PinterestProfilesPageMissing", 1)
