"""Kills publishers during calls to an Ayrshare with faults, and counts how often each pin was published.

``python -m tests.endtoend.chaos`` is the full run, the suite has a short one. The emulator's record is what counts.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from pydantic import SecretStr

from collector.ayrshare.client import open_client
from collector.embedded import embedded
from collector.emulator import EmulatorConfig, serve
from collector.loops.gate import Gate
from collector.migrate import migrate
from collector.models import NewPin, PinContent, PinState
from collector.publish.decision import PublishPolicy
from collector.publish.reconciler import Reconciler
from collector.store.listing import Listing, PinFilter
from collector.store.pin import PinStore
from collector.store.pin_check import CheckStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database, connected, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.databases import BINDIR
from tests.support.profiles import ENCRYPTION_KEY, KEYS, register

FAULTS: list[dict[str, Any]] = [
    {"fault": "latency", "seconds": 0.4},
    {"fault": "reset_before", "probability": 0.04},
    {"fault": "reset_after", "probability": 0.05},
    {"fault": "hang", "probability": 0.01, "seconds": 5},
    {"fault": "hang", "probability": 0.02, "seconds": 5, "after_work": True},
    {"fault": "status", "status": 500, "probability": 0.03},
    {"fault": "status", "status": 500, "probability": 0.04, "after_work": True},
    {"fault": "rate_limited", "probability": 0.05, "retry_after": 1},
    {"fault": "post_error", "probability": 0.02, "message": "The image is too small."},
    {"fault": "short_history", "endpoint": "/history", "rows": 2, "counts_all": False, "probability": 0.7},
]


class Plan(msgspec.Struct, frozen=True):
    """The size of a run; ``pause`` is the longest time between two kills, in seconds."""

    pins: int
    profiles: int
    kills: int
    pause: float
    seed: int = 1
    patience: float = 300.0


class Result(msgspec.Struct, frozen=True):
    """The result of a run: the pins' states before and after the unknown ones were retried."""

    before: Counter[str]
    after: Counter[str]
    live: Counter[str]
    tokens: dict[str, str]
    looks: list[str]
    attempts: int
    killed: int


class Workers:
    """Two daemons that only publish, one of which dies now and then."""

    def __init__(self, dsn: str, url: str, api_key: str) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "COLLECTOR_DATABASE_URL": dsn,
            "COLLECTOR_AYRSHARE_URL": url,
            "COLLECTOR_AYRSHARE_API_KEY": api_key,
            "COLLECTOR_ENCRYPTION_KEYS": ENCRYPTION_KEY,
            "COLLECTOR_HTTP_PORT": "0",
            "COLLECTOR_ROLES": "publisher",
            "COLLECTOR_LEASE_TIME": "5",
            "COLLECTOR_PIN_LANE_GAP": "1s",
            "COLLECTOR_PIN_CONCURRENCY": "32",
            "COLLECTOR_PIN_RECONCILE_AFTER": "1s,2s,4s",
            "COLLECTOR_MAX_REQUESTS_PER_SECOND": "10000",
        }
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        self._processes.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "collector", "run", env=self._environment, stderr=asyncio.subprocess.DEVNULL
            )
        )

    async def kill(self, pid: int | None, dice: random.Random) -> None:
        """Kill the worker with that process id, or any worker if there is none."""
        found = [process for process in self._processes if process.pid == pid]
        await self._end(found[0] if found else dice.choice(self._processes))

    async def stop(self) -> None:
        while self._processes:
            await self._end(self._processes[0])

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self._processes.remove(process)
        process.kill()
        await process.wait()


@asynccontextmanager
async def _scene(plan: Plan) -> AsyncIterator[tuple[str, Database, Ayrshare]]:
    config = EmulatorConfig(profiles=plan.profiles, days=1, rate_limit=0, history_cache_seconds=1.0, seed=plan.seed)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="collector-chaos-"))
        dsn = await stack.enter_async_context(embedded(Path(folder), bindir=BINDIR))
        async with connected(dsn) as connection:
            await migrate(connection)
        database = await stack.enter_async_context(open_database(dsn))
        url = await stack.enter_async_context(serve(config))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield dsn, database, Ayrshare(url, config, session)


async def play(plan: Plan) -> Result:
    """Publish the pins while workers are killed, retry those that stay unknown, and return the result."""
    dice = random.Random(plan.seed)  # noqa: S311 -- repeatable is the point
    async with _scene(plan) as (dsn, database, ayrshare):
        names = [ayrshare.identity(index).title for index in range(plan.profiles)]
        await register(database, ayrshare, plan.profiles)
        for fault in FAULTS:
            await ayrshare.fault("*", **{"endpoint": "/post", **fault})
        # Of pins that are alike, one that was just published would be a reason not to send the other again.
        contents = [
            PinContent(media_urls=("https://images.example.com/a.jpg",), description=f"pin {i}")
            for i in range(plan.pins)
        ]
        pins = [
            NewPin(profile=names[i % len(names)], client_ref=f"{i}", content=content)
            for i, content in enumerate(contents)
        ]
        await PinStore(database).enqueue_all(list(enumerate(pins)))
        workers = Workers(dsn, ayrshare.url, ayrshare.config.api_key)
        try:
            for _ in range(2):
                await workers.start()
            for _ in range(plan.kills):
                await asyncio.sleep(dice.uniform(0.1, plan.pause))
                await workers.kill(await _busy_worker(database), dice)
                await workers.start()
            await _until_quiet(database, plan.patience)
            before = await _states(database)
            looks = [row["look"] for row in await database.fetch(_LOOKS_OF_UNKNOWN)]
            await ayrshare.heal()
            await _retry_unknown(database, ayrshare)
            await _until_quiet(database, plan.patience)
        finally:
            await workers.stop()
        return Result(
            before=before,
            after=await _states(database),
            live=await _live(ayrshare),
            tokens={row["token"]: row["state"] for row in await database.fetch("SELECT token::text, state FROM pin")},
            looks=looks,
            attempts=await database.fetchval("SELECT count(*) FROM pin_attempt"),
            killed=await database.fetchval("SELECT count(*) FROM pin_attempt WHERE reason = 'worker_died'"),
        )


_LOOKS_OF_UNKNOWN = """
SELECT a.look
FROM pin p
JOIN pin_attempt a ON a.pin_id = p.id AND a.attempt = p.attempts
WHERE p.state = 'unknown'
"""


async def _busy_worker(database: Database) -> int | None:
    """Wait, as long as there is work, for a worker that is in a call, and return its process id."""
    busy = "SELECT owner FROM pin WHERE state = 'sending' AND lease_until > now() ORDER BY random() LIMIT 1"
    waiting = "SELECT count(*) > 0 FROM pin WHERE state IN ('queued', 'sending')"
    while await database.fetchval(waiting):
        if (owner := await database.fetchval(busy)) is not None:
            return int(owner.split("-")[-2])
        await asyncio.sleep(0.02)
    return None


async def _until_quiet(database: Database, patience: float) -> None:
    """Wait until no pin is queued or being sent, and every unknown one has had its last check."""
    open_ = "SELECT count(*) FROM pin WHERE state IN ('queued', 'sending') OR next_look_at IS NOT NULL"
    async with asyncio.timeout(patience):
        while await database.fetchval(open_):
            await asyncio.sleep(0.2)


async def _retry_unknown(database: Database, ayrshare: Ayrshare) -> None:
    """Do what ``collector pins retry`` does, for every unknown pin."""
    policy = PublishPolicy(lane_gap=0.0, spam_cooldown=60.0, checks=(1.0,), requeue_absent=False)
    queue = PinQueue(database, owner="operator", seconds=5.0)
    checks, store = CheckStore(database), PinStore(database)
    await asyncio.sleep(ayrshare.config.history_cache_seconds)
    key = SecretStr(ayrshare.config.api_key)
    async with open_client(url=ayrshare.url, api_key=key, request_timeout=5.0, connections=4) as client:
        reconciler = Reconciler(client, KEYS, queue, checks, Gate(1e6), policy, claim_seconds=5.0)
        for row in await Listing(database).pins(PinFilter(state=PinState.UNKNOWN)):
            group = await checks.of_pin(row.id)
            assert group is not None
            [check] = await reconciler.check(group)
            assert check.absent, f"pin {row.id} stayed unknown, and the history says: {check.finding}"
            async with asyncio.timeout(30):
                # A killed worker's look for the pin ends with its claim.
                while not await store.retry(row.id, PinState.UNKNOWN, row.attempts):
                    await asyncio.sleep(0.1)


async def _states(database: Database) -> Counter[str]:
    rows = await database.fetch("SELECT state, count(*) AS pins FROM pin GROUP BY state")
    return Counter({row["state"]: row["pins"] for row in rows})


async def _live(ayrshare: Ayrshare) -> Counter[str]:
    """Return how often the emulator accepted each pin, by its token."""
    record: Any = await ayrshare.record()
    return Counter(post["notes"].partition("#")[0] for post in record["posts"])


def check(plan: Plan, result: Result) -> None:
    """Fail unless every pin that was not refused exists exactly once, and every unknown one was explained."""
    twice = [token for token, count in result.live.items() if count > 1]
    assert result.killed, "no kill hit a call under way, so nothing was shown"
    assert not twice, f"published more than once: {twice}"
    assert sum(result.after.values()) == plan.pins
    assert set(result.after) <= {"published", "failed"}, f"left over: {result.after}"
    assert set(result.before) <= {"published", "failed", "unknown"}, f"left over: {result.before}"
    assert len(result.looks) == result.before["unknown"]
    assert all(look.startswith("not in the history") for look in result.looks), result.looks
    assert set(result.live) == {token for token, state in result.tokens.items() if state == "published"}


async def main() -> None:
    plan = Plan(pins=600, profiles=40, kills=30, pause=2.0)
    started = time.monotonic()
    result = await play(plan)
    check(plan, result)
    seconds = time.monotonic() - started
    lines = (
        f"{plan.pins} pins, {plan.profiles} profiles; {plan.kills} kills hit {result.killed} calls; {seconds:.0f} s",
        f"before the unknown ones were retried: {dict(result.before)}; after: {dict(result.after)}",
        f"{result.attempts} attempts; in Ayrshare's record {len(result.live)} pins, each exactly once",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
