"""Days on which Ayrshare answers 429 to all that is asked in the name of a profile, played at the speed of tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import SecretStr

from collector.ayrshare.client import open_client
from collector.loops.gate import Gate
from collector.poll.decision import Policy
from collector.poll.poller import Poller
from collector.poll.reader import Reader
from collector.store.lease import LeaseStore
from collector.store.listing import Listing, PinFilter
from collector.store.metric import MetricStore
from collector.store.pin import PinStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS, register
from tests.support.program import Program
from tests.support.publishing import count_of, pin, truth, until, working
from tests.support.tracking import live, tracking

DAY = timedelta(days=1)
# Whatever waits for a time of the profile; a statement each, so that all go by the same clock.
LATER = (
    "UPDATE profile SET next_poll_at = next_poll_at - $1::interval",
    "UPDATE profile SET rate_limited_until = rate_limited_until - $1::interval",
    "UPDATE pin_lane SET due_at = due_at - $1::interval, not_before = not_before - $1::interval",
    "UPDATE pin SET next_look_at = next_look_at - $1::interval",
    "UPDATE pin_result SET next_at = next_at - $1::interval",
)
NEXT = """
SELECT least(
    (SELECT min(next_poll_at) FROM profile), (SELECT min(due_at) FROM pin_lane WHERE sending_pin IS NULL),
    (SELECT min(next_look_at) FROM pin), (SELECT min(next_at) FROM pin_result)
) - now()
"""


@asynccontextmanager
async def polling(database: Database, ayrshare: Ayrshare) -> AsyncIterator[Poller]:
    """Yield a poller as a process of its own has, with an interval that is shorter than the waits."""
    key, gate = SecretStr(ayrshare.config.api_key), Gate(1e6)
    async with open_client(url=ayrshare.url, api_key=key, request_timeout=5.0, connections=4) as client:
        reader = Reader(client, KEYS, Policy(interval=900.0, settle_days=3))
        leases = LeaseStore(database, owner="another", seconds=60.0)
        yield Poller(reader, leases, MetricStore(database), gate, concurrency=1)


async def pass_time(database: Database, time: timedelta) -> None:
    for statement in LATER:
        await database.execute(statement, time)


async def test_a_profile_that_is_refused_with_429_is_asked_ten_times_a_day_by_all_together(
    database: Database, ayrshare: Ayrshare
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    await live(database, ayrshare, 2)
    await database.execute("UPDATE pin_result SET next_at = now()")
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    async with (
        polling(database, ayrshare) as poller,
        working(database, ayrshare) as worker,
        tracking(database, ayrshare) as tracker,
    ):
        await PinStore(database).enqueue(pin("client-001", "is looked for"))
        await until(lambda: count_of(database, "unknown", 1))
        await ayrshare.fault("client-001", "rate_limited", endpoint="*")
        await PinStore(database).enqueue(pin("client-001", "waits"))

        async def ask() -> None:
            await poller.poll_named([profile_id], only_due=True)
            await worker.reconciler.run_once()
            await tracker.run_once()
            # The publisher looks by itself; a lane that is due now has been looked at.
            await until(lambda: nothing_due(database))

        refused = []
        for _ in range(2):
            before, passed = await refusals(ayrshare), timedelta(0)
            while passed < DAY:
                await ask()
                left = max(timedelta(seconds=1), await database.fetchval(NEXT))
                await pass_time(database, left)
                passed += left
            refused.append(await refusals(ayrshare) - before)
        await ayrshare.heal()
        await pass_time(database, timedelta(hours=7))
        await ask()
        await until(lambda: count_of(database, "published", 4))
    assert 4 <= min(refused) <= max(refused) <= 10, refused
    row = await database.fetchrow("SELECT rate_limited_in_row, rate_limited_until, last_outcome FROM profile")
    assert row is not None
    assert tuple(row) == (0, None, "ok"), "the first good answer ends the waits"


async def nothing_due(database: Database) -> bool:
    return bool(
        await database.fetchval(
            "SELECT NOT EXISTS (SELECT FROM pin_lane WHERE sending_pin IS NOT NULL OR due_at <= now()) "
            "AND NOT EXISTS (SELECT FROM pin_arrival)"
        )
    )


async def refusals(ayrshare: Ayrshare) -> int:
    limited: dict[str, int] = (await ayrshare.record())["rate_limited"]
    return limited.get("client-001", 0)


async def test_a_short_retry_after_is_honoured_once(database: Database, ayrshare: Ayrshare) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    await ayrshare.fault("client-001", "rate_limited", retry_after=1200)
    waits = []
    async with polling(database, ayrshare) as poller:
        for _ in range(3):
            await poller.poll_named([profile_id])
            waits.append(await database.fetchval("SELECT rate_limited_until - now() FROM profile"))
            await pass_time(database, waits[-1])
    minutes = [round(wait.total_seconds() / 60) for wait in waits]
    assert minutes[0] in {15, 16}, minutes
    assert minutes[1:] == [15, 45], minutes


async def test_a_short_wait_takes_nothing_from_a_long_one_that_is_noted_meanwhile(
    database: Database, ayrshare: Ayrshare
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    queue = PinQueue(database, owner="me", seconds=60.0)
    async with database.transaction() as poll:
        await poll.execute("UPDATE profile SET rate_limited_until = now() + interval '6 hours'")
        short = asyncio.create_task(queue.note_rate_limited(profile_id, seconds=300.0, lengthens=False))
        await until(lambda: truth(database, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
    await short
    left = "interval '5 hours 50 minutes'"
    assert await truth(database, f"SELECT rate_limited_until > now() + {left} FROM profile")
    assert await truth(database, f"SELECT next_poll_at > now() + {left} FROM profile")


@asynccontextmanager
async def waiting(database: Database, ayrshare: Ayrshare) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Let a profile wait after one answer of 429, and a pin with it; yield what polls the profile all the same."""
    [profile_id] = await register(database, ayrshare, 1)
    await ayrshare.fault("client-001", "rate_limited", times=1)
    async with polling(database, ayrshare) as poller, working(database, ayrshare):
        await poller.poll_named([profile_id])
        await PinStore(database).enqueue(pin("client-001", "waits"))
        await until(lambda: truth(database, "SELECT EXISTS (SELECT FROM pin_lane WHERE due_at > now())"))
        yield lambda: poller.poll_named([profile_id])


async def test_a_good_answer_before_its_time_ends_the_wait_of_pins_too(database: Database, ayrshare: Ayrshare) -> None:
    async with waiting(database, ayrshare) as poll:
        await poll()
        await until(lambda: count_of(database, "published", 1))


async def test_what_a_pin_waits_for_is_shown_and_an_operator_can_end_it(
    database: Database, collector: Program, ayrshare: Ayrshare
) -> None:
    async with waiting(database, ayrshare):
        assert "waits: rate_limited until 20" in (await collector("pins", "list")).out
        assert "rate_limited" in (await collector("pins", "show", "1")).out
        assert (await collector("pins", "resume", "client-001")).out == "client-001: its pins go out now\n"
        await until(lambda: count_of(database, "published", 1))
    assert (await Listing(database).pins(PinFilter()))[0].waits_for is None
