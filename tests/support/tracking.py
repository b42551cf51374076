"""Pins that are live at the emulated Ayrshare, and a tracker that follows them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient, open_client
from collector.loops.gate import Gate
from collector.store.native_pin import NativePinStore
from collector.store.pin import PinStore
from collector.store.pin_queue import PinQueue
from collector.store.pin_result import ResultStore
from collector.store.pool import Database
from collector.track.native import NativeLook
from collector.track.tracker import Tracker
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS
from tests.support.publishing import pin

DAY_SECONDS = 86_400
LEASE_SECONDS = 60.0


@asynccontextmanager
async def _asking(ayrshare: Ayrshare) -> AsyncIterator[tuple[AyrshareClient, Gate]]:
    key, gate = SecretStr(ayrshare.config.api_key), Gate(1e6)
    async with open_client(
        url=ayrshare.url, api_key=key, request_timeout=5.0, connections=16, on_verdict=gate.note
    ) as client:
        yield client, gate


@asynccontextmanager
async def tracking(database: Database, ayrshare: Ayrshare) -> AsyncIterator[Tracker]:
    async with _asking(ayrshare) as (client, gate):
        results, queue = ResultStore(database, seconds=LEASE_SECONDS), PinQueue(database, owner="me", seconds=60.0)
        yield Tracker(client, KEYS, results, queue, gate)


@asynccontextmanager
async def looking(database: Database, ayrshare: Ayrshare) -> AsyncIterator[NativeLook]:
    async with _asking(ayrshare) as (client, gate):
        queue = PinQueue(database, owner="me", seconds=60.0)
        yield NativeLook(client, KEYS, NativePinStore(database), queue, gate)


async def live(database: Database, ayrshare: Ayrshare, count: int, *, index: int = 0) -> list[int]:
    """Put so many pins of a registered profile live now, and return their ids."""
    profile, ids = ayrshare.identity(index).title, []
    for number in range(count):
        await ayrshare.publish(index=index, notes=f"{index}-{number}")
        post = (await ayrshare.record())["posts"][-1]
        queued = await PinStore(database).enqueue(pin(profile, f"{index}-{number}"))
        await database.execute(
            "UPDATE pin SET state = 'published', published_at = now(), ayrshare_id = $2, pinterest_pin_id = $3 "
            "WHERE id = $1",
            *(queued.id, post["id"], post["pin_id"]),
        )
        ids.append(queued.id)
    return ids


async def pass_days(database: Database, ayrshare: Ayrshare, days: float, *, until: float | None = None) -> None:
    """Let pins become older by so many days; ``until`` is what that makes in all, for the emulator."""
    await ayrshare.pass_time((days if until is None else until) * DAY_SECONDS)
    await database.execute("UPDATE pin SET published_at = published_at - $1 * interval '1 day'", days)
    await database.execute("UPDATE pin_result SET next_at = next_at - $1 * interval '1 day'", days)


async def make_due(database: Database) -> None:
    await database.execute("UPDATE pin_result SET next_at = now() WHERE ended IS NULL")


async def asked(ayrshare: Ayrshare) -> int:
    """Return how many times the emulator was asked about a pin."""
    requests: dict[str, int] = (await ayrshare.record())["requests"]
    return requests.get("POST /analytics/post", 0)


async def result(database: Database, pin_id: int) -> dict[str, Any]:
    [row] = await database.fetch("SELECT *, next_at - now() AS wait FROM pin_result WHERE pin_id = $1", pin_id)
    return dict(row)


async def observations(database: Database, pin_id: int) -> list[int | None]:
    rows = await database.fetch("SELECT impression FROM pin_metric WHERE pin_id = $1 ORDER BY observed_at", pin_id)
    return [row["impression"] for row in rows]
