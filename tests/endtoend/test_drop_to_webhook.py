"""From numbers that fall at Ayrshare to the webhook, through the real daemon, Prometheus and Alertmanager."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from collector.config import Role
from collector.emulator import EmulatorConfig, serve
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.monitoring import alerting
from tests.support.profiles import register

SINCE = (datetime.now(UTC) - timedelta(days=8)).date().isoformat()


@pytest.fixture
async def long_ayrshare() -> AsyncIterator[Ayrshare]:
    """An emulator whose profiles have 90 days, enough to be judged."""
    config = EmulatorConfig(profiles=12, days=90, cache_seconds=0.0, seed=3)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        yield Ayrshare(url, config, session)


@asynccontextmanager
async def judging(database: Database, dsn: str, ayrshare: Ayrshare) -> AsyncIterator[str]:
    """Read all profiles, then run the daemon that judges them.

    The rules wait for hours, so that the whole fleet is known before an alert; here they do not wait.
    """
    async with daemon(database, dsn, ayrshare, Role.POLLER, poll_interval=5.0), asyncio.timeout(30):
        while await database.fetchval("SELECT count(*) FROM daily_metric") < 12 * 90:
            await asyncio.sleep(0.05)
    async with daemon(database, dsn, ayrshare, Role.POLLER, Role.EXPORTER, Role.DETECTOR, poll_interval=5.0) as target:
        yield target


async def test_numbers_that_fall_at_ayrshare_arrive_as_a_sentence(
    database: Database, dsn: str, long_ayrshare: Ayrshare, tmp_path: Path
) -> None:
    await register(database, long_ayrshare, 12)
    await long_ayrshare.fault("client-002", "drop", since=SINCE, factor=0.15)
    async with judging(database, dsn, long_ayrshare) as target, alerting(tmp_path, target) as monitoring:
        notification = await monitoring.arrived("PinterestEngagementDrop")
        assert notification.names() == [("PinterestEngagementDrop", "client-002")]
        [alert] = notification.alerts
        assert "of client-002 fell to " in alert["annotations"]["description"]
        assert "were expected (at least " in alert["annotations"]["description"]


async def test_a_fall_of_the_whole_fleet_arrives_as_one_alert(
    database: Database, dsn: str, long_ayrshare: Ayrshare, tmp_path: Path
) -> None:
    await register(database, long_ayrshare, 12)
    await long_ayrshare.fault("*", "drop", since=SINCE, factor=0.15)
    async with judging(database, dsn, long_ayrshare) as target, alerting(tmp_path, target) as monitoring:
        notification = await monitoring.arrived("PinterestFleetDrop")
        [alert] = notification.alerts
        assert "of the fleet" in alert["annotations"]["description"]
        assert monitoring.receiver.named("PinterestEngagementDrop") == []
