"""Recording outcomes of pins: one that is refused does not affect the others, and each counts once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest

from collector.errors import AyrshareError
from collector.loops.batch import BatchWriter
from collector.models.outcome import Failure
from collector.models.pin import PinClaim, PinResult
from collector.publish.decision import after_error
from collector.publish.outcome import OutcomeTarget
from collector.store.pin_import import PinImporter
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register
from tests.support.publishing import POLICY, pin, states

RATE_LIMITED = AyrshareError(Failure.RATE_LIMITED, "slow down", http_status=429, from_ayrshare=True)
REFUSED = AyrshareError(Failure.UPSTREAM_ERROR, "too small", http_status=400, code=138, from_ayrshare=True)
COUNTS = "SELECT rate_limited_count FROM profile ORDER BY id"


@pytest.fixture
def queue(database: Database) -> PinQueue:
    return PinQueue(database, owner="me", seconds=60.0)


@pytest.fixture
async def outcomes(queue: PinQueue) -> AsyncIterator[BatchWriter[PinResult, bool]]:
    writer: BatchWriter[PinResult, bool] = BatchWriter("outcomes", OutcomeTarget(queue))
    task = asyncio.create_task(writer.run())
    yield writer
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def claimed(database: Database, ayrshare: Ayrshare, queue: PinQueue, pins: int) -> list[PinClaim]:
    await register(database, ayrshare, pins)
    await PinImporter(database).enqueue_all([(i, pin(f"client-{i + 1:03d}", f"{i}")) for i in range(pins)])
    claims, _ = await queue.claim(pins)
    return sorted(claims, key=lambda claim: claim.pin_id)


async def test_a_429_that_is_recorded_again_is_counted_once(
    database: Database, ayrshare: Ayrshare, queue: PinQueue
) -> None:
    [claim] = await claimed(database, ayrshare, queue, 1)
    result = after_error(claim, RATE_LIMITED, POLICY)
    assert await queue.finish([result]) == {claim.pin_id}
    assert await queue.finish([result]) == set(), "as after a commit that was not confirmed"
    assert await database.fetchval(COUNTS) == 1


async def test_a_429_whose_batch_is_refused_is_counted_once(
    database: Database, ayrshare: Ayrshare, queue: PinQueue, outcomes: BatchWriter[PinResult, bool]
) -> None:
    limited, bad = await claimed(database, ayrshare, queue, 2)
    results = [after_error(limited, RATE_LIMITED, POLICY), after_error(bad, REFUSED, POLICY)]
    results[1] = msgspec.structs.replace(results[1], http_status=10**6)
    assert all(await asyncio.gather(*map(outcomes.write, results)))
    assert [row["rate_limited_count"] for row in await database.fetch(COUNTS)] == [1, 0]


async def test_an_outcome_that_is_refused_is_recorded_without_its_words_and_the_others_with_theirs(
    database: Database, ayrshare: Ayrshare, queue: PinQueue, outcomes: BatchWriter[PinResult, bool]
) -> None:
    claims = await claimed(database, ayrshare, queue, 9)
    results = [after_error(claim, REFUSED, POLICY) for claim in claims]
    results[4] = msgspec.structs.replace(results[4], detail="nul \0")
    assert all(await asyncio.gather(*map(outcomes.write, results)))
    assert set((await states(database)).values()) == {"failed"}
    details = [row["detail"] for row in await database.fetch("SELECT detail FROM pin_attempt ORDER BY pin_id")]
    assert details == ["too small"] * 4 + ["not stored: DataRefusedError"] + ["too small"] * 4


async def test_an_outcome_of_which_nothing_can_be_recorded_is_left_to_its_lease(
    database: Database, ayrshare: Ayrshare, queue: PinQueue, outcomes: BatchWriter[PinResult, bool]
) -> None:
    claims = await claimed(database, ayrshare, queue, 3)
    await database.execute("ALTER TABLE pin_attempt ADD CONSTRAINT temporary CHECK (pin_id <> 2 OR outcome IS NULL)")
    try:
        await asyncio.gather(*(outcomes.write(after_error(claim, REFUSED, POLICY)) for claim in claims))
    finally:
        await database.execute("ALTER TABLE pin_attempt DROP CONSTRAINT temporary")
    assert await states(database) == {"0": "failed", "1": "sending", "2": "failed"}
