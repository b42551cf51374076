"""What is measured of the queue."""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from collector.config import Role
from collector.store.pin import PinStore
from collector.store.pool import Database
from collector.telemetry import PIN_OLDEST_DUE
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.profiles import register
from tests.support.publishing import pin

OVERDUE = "collector_pin_oldest_due_seconds"


async def measured(session: aiohttp.ClientSession, address: str, name: str) -> float:
    """Return a gauge of the process's page as soon as it is above zero."""
    async with asyncio.timeout(20):
        while True:
            async with session.get(f"http://{address}/metrics") as response:
                families = text_string_to_metric_families(await response.text())
            found = [sample.value for family in families for sample in family.samples if sample.name == name]
            if any(found):
                return max(found)
            await asyncio.sleep(0.05)


async def test_pins_are_seen_waiting_where_no_publisher_is_alive(
    database: Database, dsn: str, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin(ayrshare.identity(0).title, "waits"))
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    await database.execute("UPDATE pin SET publish_at = $1, created_at = $1", two_hours_ago)
    PIN_OLDEST_DUE.set(0)  # of other tests
    async with daemon(database, dsn, ayrshare, Role.EXPORTER) as address, aiohttp.ClientSession() as session:
        assert await measured(session, address, OVERDUE) >= 7200
