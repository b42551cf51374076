"""Fills a database by a daemon: profiles polled twice, drops judged, and a pin in every state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from collector.config import Role
from collector.emulator import EmulatorConfig, serve
from collector.models.pin import NewPin, PinContent
from collector.store.pin import PinStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.profiles import new_profile

# Characters that may break a query.
AWKWARD = """O'Hara "$1" \\ ${x} (50 %) & <b>"""
PLAIN = "acme"
PROFILES = 8
_AWKWARD_PROFILES = 6
_PATIENCE_SECONDS = 40.0
_DAY_SECONDS = 86_400

_DONE = """
SELECT
    (SELECT count(DISTINCT profile_id) FROM daily_metric) >= $1
    AND (SELECT count(*) FROM drop_band) >= $1
    AND EXISTS (SELECT FROM drop_episode WHERE closed_on IS NULL)
    AND EXISTS (SELECT FROM pin WHERE state = 'published')
    AND EXISTS (SELECT FROM pin WHERE state = 'failed')
    AND EXISTS (SELECT FROM pin WHERE state = 'unknown')
    AND EXISTS (SELECT FROM pin_lane WHERE paused_reason IS NOT NULL)
    AND EXISTS (SELECT FROM daily_metric_revision)
"""


@asynccontextmanager
async def filled(database: Database, dsn: str) -> AsyncIterator[str]:
    """Fill the empty database by a real daemon, which runs until the end; yield the address of its pages."""
    config = EmulatorConfig(profiles=PROFILES, days=90, cache_seconds=0.0, seed=3)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        ayrshare = Ayrshare(url, config, session)
        names = [ayrshare.identity(index).title for index in range(PROFILES)]
        await ProfileStore(database).put(
            [
                new_profile(
                    name, ayrshare.identity(place).profile_key, client=AWKWARD if place < _AWKWARD_PROFILES else PLAIN
                )
                for place, name in enumerate(names)
            ]
        )
        since = (datetime.now(UTC) - timedelta(days=8)).date().isoformat()
        await ayrshare.fault(names[1], "drop", since=since, factor=0.1)
        # First the days as they were known yesterday, so that today's are restatements.
        await ayrshare.pass_time(-_DAY_SECONDS)
        async with daemon(database, dsn, ayrshare, *Role, poll_interval=3600.0, pin_lane_gap=0.0) as address:
            await _until(database, "SELECT count(DISTINCT profile_id) >= $1 FROM daily_metric", PROFILES)
            await ayrshare.pass_time(0)
            await _misbehave(ayrshare, names)
            await _enqueue(PinStore(database), names)
            await database.execute("UPDATE profile SET next_poll_at = now()")
            await _until(database, _DONE, PROFILES)
            await _let_pins_have_results(database, ayrshare)
            await _add_what_does_not_happen_by_itself(database)
            yield address


async def _misbehave(ayrshare: Ayrshare, names: list[str]) -> None:
    await ayrshare.fault(names[2], "post_error", endpoint="/post", code=138, message="The image is too small.")
    await ayrshare.fault(names[3], "reset_after", endpoint="/post")
    await ayrshare.fault(names[4], "unlinked", endpoint="*")
    await ayrshare.fault(names[5], "wrong_json")


async def _enqueue(pins: PinStore, names: list[str]) -> None:
    content = PinContent(media_urls=("https://images.example.com/a.jpg",), description="Spring")
    for name in names:
        await pins.enqueue(NewPin(profile=name, client_ref=f"now <{name}>", content=content))
        later = datetime.now(UTC) + timedelta(days=2)
        await pins.enqueue(NewPin(profile=name, client_ref="later", content=content, publish_at=later))


async def _let_pins_have_results(database: Database, ayrshare: Ayrshare) -> None:
    await ayrshare.pass_time(5 * _DAY_SECONDS)
    await database.execute("UPDATE pin_result SET next_at = now()")
    await _until(database, "SELECT count(DISTINCT client) = 2 AND $1 > 0 FROM top_pin WHERE engagement > 0", PROFILES)


async def _add_what_does_not_happen_by_itself(database: Database) -> None:
    """Delete a day, and store a drop of the fleet; a daemon that reads everything makes neither."""
    day = datetime.now(UTC).date() - timedelta(days=5)
    await database.execute(
        "DELETE FROM daily_metric WHERE day = $1 AND profile_id IN (SELECT id FROM profile WHERE state = 'unlinked')",
        day,
    )
    await database.execute(
        "INSERT INTO fleet_drop VALUES ($1, $1, 8, 0.9, false, 'Eight profiles had dropped together.') "
        "ON CONFLICT DO NOTHING",
        day,
    )


async def _until(database: Database, condition: str, profiles: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await database.fetchval(condition, profiles):
            await asyncio.sleep(0.05)
