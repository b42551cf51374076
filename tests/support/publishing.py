"""Runs a publisher and a reconciler on the test's database and emulated Ayrshare, and reads the pins' states."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient, open_client
from collector.errors import DatabaseUnavailableError
from collector.loops.every import Heartbeats
from collector.loops.gate import Gate
from collector.loops.recall import Recall
from collector.models.pin import NewPin, PinContent
from collector.publish.decision import PublishPolicy
from collector.publish.publisher import Publisher
from collector.publish.reconciler import Reconciler
from collector.publish.sender import Sender
from collector.store.lease import LeaseStore
from collector.store.pin_check import CheckStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS

IMAGE = ("https://images.example.com/a.jpg",)
POLICY = PublishPolicy(lane_gap=0.0, spam_cooldown=3600.0, checks=(60.0, 300.0), requeue_absent=False)


class Worker:
    """A publisher and a reconciler with settings of their own."""

    def __init__(
        self,
        database: Database,
        client: AyrshareClient,
        gate: Gate,
        policy: PublishPolicy,
        owner: str,
        lease: float,
    ) -> None:
        self.queue = PinQueue(database, owner=owner, seconds=lease)
        self.gate = gate
        recall = Recall(gate, LeaseStore(database, owner=owner, seconds=lease))
        sender = Sender(client, KEYS, policy, patience=lease / 5)
        self.publisher = Publisher(sender, self.queue, database, gate, recall, policy, concurrency=64)
        self.reconciler = Reconciler(client, KEYS, self.queue, CheckStore(database), gate, policy, claim_seconds=lease)


@asynccontextmanager
async def working(
    database: Database,
    ayrshare: Ayrshare,
    *,
    policy: PublishPolicy = POLICY,
    owner: str = "me",
    lease: float = 60.0,
    patience: float = 5.0,
) -> AsyncIterator[Worker]:
    key, gate = SecretStr(ayrshare.config.api_key), Gate(1e6)
    async with open_client(
        url=ayrshare.url, api_key=key, request_timeout=patience, connections=64, on_verdict=gate.note
    ) as client:
        worker = Worker(database, client, gate, policy, owner, lease)
        task = asyncio.create_task(worker.publisher.run(Heartbeats()))
        try:
            yield worker
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def with_policy(**changes: Any) -> PublishPolicy:
    return msgspec.structs.replace(POLICY, **changes)


def pin(profile: str, ref: str, **content: Any) -> NewPin:
    return NewPin(profile=profile, client_ref=ref, content=PinContent(**{"media_urls": IMAGE, **content}))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def states(database: Database) -> dict[str, str]:
    return {row["client_ref"]: row["state"] for row in await database.fetch("SELECT client_ref, state FROM pin")}


async def truth(database: Database, sql: str) -> bool:
    return bool(await database.fetchval(sql))


async def settled(database: Database) -> bool:
    return not await database.fetchval("SELECT count(*) FROM pin WHERE state IN ('queued', 'sending')")


async def settled_in_spite_of_outages(database: Database) -> bool:
    try:
        return await settled(database)
    except DatabaseUnavailableError:
        return False


async def count_of(database: Database, state: str, count: int) -> bool:
    return bool(await database.fetchval("SELECT count(*) = $2 FROM pin WHERE state = $1", state, count))


async def ended(database: Database, attempts: int) -> bool:
    return bool(await database.fetchval("SELECT count(*) >= $1 FROM pin_attempt WHERE ended_at IS NOT NULL", attempts))


async def hurried(database: Database, attempts: int) -> bool:
    """Make what waits due, and tell whether so many attempts have ended.

    For asking again and again: a lane gets its time after its attempt's end is written, and would wait for minutes.
    """
    await database.execute("UPDATE pin_arrival SET due_at = now() WHERE due_at > now()")
    await database.execute(
        "UPDATE pin_lane SET not_before = NULL, due_at = now() WHERE due_at > now() OR not_before > now()"
    )
    return await ended(database, attempts)


async def posts(ayrshare: Ayrshare) -> list[dict[str, Any]]:
    record = await ayrshare.record()
    found: list[dict[str, Any]] = record["posts"]
    return found
