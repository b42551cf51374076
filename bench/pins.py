"""Measures the pin queue: claim and finish beside a fenced loop of single pins, and the claim with a million old pins.

The call itself is answered at once, in the process, so that only the queue is measured. Every pin is claimed, sent
and recorded by the publisher that the daemon runs.
"""

import asyncio
import statistics
import time
from contextlib import suppress

import uvloop
from pydantic import SecretStr

from bench.support import KEYS, bench_database, register
from collector.ayrshare.post import PostAnswer
from collector.loops.every import Heartbeats
from collector.loops.gate import Gate
from collector.loops.recall import Recall
from collector.models.pin import PinClaim, PinContent, PinResult, Publication
from collector.publish.decision import PublishPolicy, after_answer
from collector.publish.publisher import Publisher
from collector.publish.sender import Sender
from collector.store import pin_queue
from collector.store.lease import LeaseStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database

PROFILES = 1000
PINS_EACH = 20
ROUNDS = 5
FINISHED = 1_000_000
POLICY = PublishPolicy(lane_gap=0.0, spam_cooldown=60.0, checks=(60.0,), requeue_absent=False)

_QUEUE = """
INSERT INTO pin (profile_id, client_ref, media_urls)
SELECT p.id, $1::text || '-' || i, '{https://images.example.com/a.jpg}'
FROM profile p, generate_series(1, $2::integer) i
ORDER BY i, p.id
"""
_FINISHED = """
INSERT INTO pin (profile_id, client_ref, media_urls, state, attempts, published_at)
SELECT 1 + i % $2::integer, 'old-' || i, '{https://images.example.com/a.jpg}', 'published', 1, now()
FROM generate_series(1, $1::integer) i
"""
_OPEN = "SELECT count(*) FROM pin WHERE state IN ('queued', 'sending')"


class AtOnce:
    """Stands for an Ayrshare that answers at once."""

    async def publish(
        self, _profile_key: SecretStr, _content: PinContent, /, *, idempotency_key: str, notes: str
    ) -> PostAnswer:
        return PostAnswer(Publication(idempotency_key[:20], "1", f"https://www.pinterest.com/pin/{notes}/"), live=True)


async def queue_up(database: Database, name: str) -> int:
    await database.execute(_QUEUE, name, PINS_EACH)
    return PROFILES * PINS_EACH


async def published(database: Database, name: str) -> float:
    """Return pins per second through the daemon's own publisher."""
    pins = await queue_up(database, name)
    sender = Sender(AtOnce(), KEYS, POLICY, patience=60.0)
    done = asyncio.Event()
    count = 0

    def note(_result: object) -> None:
        nonlocal count
        count += 1
        if count == pins:
            done.set()

    queue = PinQueue(database, owner="bench", seconds=120.0)
    gate = Gate(1e9)
    recall = Recall(gate, LeaseStore(database, owner="bench", seconds=120.0))
    publisher = Publisher(sender, queue, database, gate, recall, POLICY, concurrency=64, on_result=note)
    started = time.perf_counter()
    task = asyncio.create_task(publisher.run(Heartbeats()))
    await done.wait()
    elapsed = time.perf_counter() - started
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await database.fetchval(_OPEN) == 0
    return pins / elapsed


async def one_by_one(database: Database, name: str) -> float:
    """Return pins per second of eight loops that each claim and finish a single pin, the plainest fenced queue."""
    pins = await queue_up(database, name)
    left = pins

    async def loop(number: int) -> None:
        nonlocal left
        queue = PinQueue(database, owner=f"loop-{number}", seconds=120.0)
        while left > 0:
            claims, _ = await queue.claim(1)
            for claim in claims:
                await queue.finish([_result(claim)])
                left -= 1

    started = time.perf_counter()
    await asyncio.gather(*(loop(number) for number in range(8)))
    return pins / (time.perf_counter() - started)


def _result(claim: PinClaim) -> PinResult:
    return after_answer(claim, PostAnswer(Publication("x", "1", "https://pin"), live=True), POLICY)


async def claim_milliseconds(database: Database) -> list[float]:
    await queue_up(database, f"claim-{time.perf_counter_ns()}")
    queue = PinQueue(database, owner="bench", seconds=120.0)
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        claims, _more = await queue.claim(64)
        taken.append(1000 * (time.perf_counter() - started))
        await queue.finish([_result(claim) for claim in claims])
    await database.execute("DELETE FROM pin WHERE state = 'queued'")
    return taken


async def show_plans(database: Database) -> None:
    for name, sql, arguments in (
        ("lock", pin_queue.LOCK_DUE_LANES, (64,)),
        ("claim", pin_queue.CLAIM_OLDEST, ([1, 2, 3], "bench", 60.0)),
    ):
        plan = await database.fetch(f"EXPLAIN {sql}", *arguments)
        print(f"  {name}: " + "; ".join(row[0].strip(" ->").split("  (")[0] for row in plan if "Scan" in row[0]))


async def main() -> None:
    async with bench_database() as database, asyncio.timeout(900):
        await register(database, [(f"p{i}", f"key-{i}") for i in range(PROFILES)])
        rates: dict[str, list[float]] = {"publisher, 64 in flight": [], "one by one, 8 loops": []}
        for number in range(ROUNDS):
            rates["publisher, 64 in flight"].append(await published(database, f"a{number}"))
            rates["one by one, 8 loops"].append(await one_by_one(database, f"b{number}"))
        for title, found in rates.items():
            print(f"{title:<26} {statistics.median(found):8,.0f} pins/s median of {ROUNDS}, "
                  f"{min(found):,.0f} to {max(found):,.0f}")  # fmt: skip
        await compare_claims(database)


async def compare_claims(database: Database) -> None:
    """Print the time of the claim with an empty history and with a long one, which should be equal."""
    for finished in (0, FINISHED):
        await database.fetch("TRUNCATE pin, pin_attempt, pin_lane, pin_arrival RESTART IDENTITY")
        async with database.connection() as connection:
            await connection.execute(_FINISHED, finished, PROFILES, timeout=600)
            await connection.execute("VACUUM ANALYZE pin", timeout=600)
        taken = await claim_milliseconds(database)
        print(f"claim of 64 with {finished:>9,} finished pins: {statistics.median(taken):6.2f} ms median, "
              f"{max(taken):.2f} most")  # fmt: skip
    await show_plans(database)


if __name__ == "__main__":
    uvloop.run(main())
