"""The publisher sends each pin once and in order, and records every outcome."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collector.ayrshare.post import PostAnswer, parse_post
from collector.errors import DatabaseUnavailableError, DataRefusedError
from collector.loops import claiming
from collector.models.pin import PinState, Publication
from collector.publish import publisher as publisher_module
from collector.publish.decision import after_answer
from collector.store.pin import PinStore
from collector.store.pin_import import PinImporter
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from collector.telemetry import REGISTRY
from tests.support.ayrshare import Ayrshare
from tests.support.paths import PAYLOADS
from tests.support.profiles import register
from tests.support.publishing import (
    POLICY,
    count_of,
    ended,
    hurried,
    pin,
    posts,
    settled,
    settled_in_spite_of_outages,
    states,
    truth,
    until,
    with_policy,
    working,
)


async def test_a_pin_is_published_with_its_url(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    async with working(database, ayrshare):
        await PinStore(database).enqueue(pin("client-001", "a", description="hello", title="t", note="n"))
        await until(lambda: settled(database))
    row, [attempt] = await PinStore(database).story(1)
    [post] = await posts(ayrshare)
    assert (row.state, row.attempts, attempt.outcome) == ("published", 1, "published")
    assert row.pin_url == f"https://www.pinterest.com/pin/{post['pin_id']}/"
    assert (row.ayrshare_id, row.pinterest_pin_id) == (post["id"], post["pin_id"])
    assert post["post"] == "hello"
    assert post["notes"] == f"{await database.fetchval('SELECT token FROM pin')}#1"


async def test_the_same_client_ref_is_published_once(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    store = PinStore(database)
    async with working(database, ayrshare):
        first = await store.enqueue(pin("client-001", "a"))
        await until(lambda: settled(database))
        again = await store.enqueue(pin("client-001", "a", description="another"))
        other = await store.enqueue(pin("client-002", "a"))
        await until(lambda: settled(database))
    assert (again.id, again.created) == (first.id, False)
    assert other.created
    assert len(await posts(ayrshare)) == 2


async def test_a_profile_publishes_one_pin_at_a_time_and_in_order(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}", description=f"{i}")) for i in range(60)])
    await database.execute("UPDATE pin SET publish_at = now() - interval '1 hour' WHERE client_ref = '59'")
    async with working(database, ayrshare), working(database, ayrshare, owner="other"):
        await until(lambda: settled(database))
    assert [post["post"] for post in await posts(ayrshare)] == ["59", *map(str, range(59))]
    record = await ayrshare.record()
    assert record["max_in_flight_by_profile"]["client-001"] == 1


async def test_the_gap_between_two_pins_of_a_profile_is_kept(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    refs = [("client-001", "a"), ("client-001", "b"), ("client-002", "a")]
    await PinImporter(database).enqueue_all([(0, pin(*ref)) for ref in refs])
    async with working(database, ayrshare, policy=with_policy(lane_gap=3600.0)):
        await until(lambda: count_of(database, "published", 2))
    assert len(await posts(ayrshare)) == 2
    row = await database.fetchrow("SELECT due_at - now() > interval '50 min' AS far FROM pin_lane WHERE profile_id = 1")
    assert row is not None
    assert row["far"]


async def test_a_pin_is_published_when_it_is_due_and_not_before(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    store = PinStore(database)
    now = await database.fetchval("SELECT now()")
    later = await store.enqueue(
        msgspec.structs.replace(pin("client-001", "a"), publish_at=now + timedelta(seconds=1.5))
    )
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 1))
    row, _ = await store.story(later.id)
    assert row.published_at is not None
    assert row.published_at >= row.publish_at


async def test_a_date_long_past_does_not_count_as_a_wait(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    old = msgspec.structs.replace(pin("client-001", "a"), publish_at=datetime(2020, 1, 1, tzinfo=UTC))
    await PinStore(database).enqueue(old, past=True)
    before = REGISTRY.get_sample_value("collector_pin_publish_seconds_sum") or 0.0
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 1))
    waited = (REGISTRY.get_sample_value("collector_pin_publish_seconds_sum") or 0.0) - before
    assert 0.0 < waited < 60.0


REFUSALS = [
    ({"fault": "post_error", "code": 138, "message": "The image is too small."}, "failed", "mend_pin"),
    ({"fault": "post_error", "code": 999, "message": "No such luck."}, "failed", "refused"),
    ({"fault": "post_error", "code": 999, "message": "We could not fetch the image."}, "queued", "wait"),
    ({"fault": "post_error", "code": 999, "message": "Something went wrong on our end."}, "queued", "wait"),
    ({"fault": "post_error", "code": 999, "message": "Please reconnect your account."}, "queued", "mend_link"),
    ({"fault": "post_error", "status": 403, "code": 999, "message": "No permission."}, "queued", "not_allowed"),
    ({"fault": "post_error", "status": 402, "code": 999, "message": "Please pay."}, "queued", "not_allowed"),
    ({"fault": "post_error", "code": 169, "message": "Not in your plan."}, "queued", "not_allowed"),
    ({"fault": "post_error", "status": 404, "code": 404, "message": "Not found."}, "unknown", "upstream_error"),
    ({"fault": "post_error", "status": 409, "code": 409, "message": "Seen before."}, "unknown", "upstream_error"),
    ({"fault": "post_error", "status": 500, "message": "A block to combat spam."}, "unknown", "spam_block"),
    ({"fault": "post_error", "message": "Busy.", "retry_available": True}, "queued", "retry_available"),
    ({"fault": "rate_limited"}, "queued", "rate_limited"),
    ({"fault": "quota"}, "queued", "quota"),
    ({"fault": "quota", "shape": "posts"}, "queued", "quota"),
    ({"fault": "unauthorized"}, "queued", "unauthorized"),
    ({"fault": "unlinked"}, "queued", "unlinked"),
    ({"fault": "relink"}, "queued", "unlinked"),
    ({"fault": "suspended"}, "queued", "suspended"),
    ({"fault": "bad_key"}, "queued", "key_invalid"),
    (
        {"fault": "post_error", "message": "You've hit a block we have in place to combat spam."},
        "queued",
        "spam_block",
    ),
    ({"fault": "post_error", "message": "The idempotencyKey has already been used."}, "unknown", "upstream_error"),
    ({"fault": "status", "status": 500}, "unknown", "upstream_error"),
    ({"fault": "status", "status": 408}, "unknown", "upstream_error"),
    ({"fault": "html", "status": 502}, "unknown", "upstream_error"),
    ({"fault": "html", "status": 404}, "unknown", "upstream_error"),
    *(
        ({"fault": "html", "status": status}, "unknown", "upstream_error")
        for status in (301, 400, 401, 402, 403, 413, 422)
    ),
    *(
        ({"fault": "gateway", "status": status}, "unknown", "upstream_error")
        for status in (400, 402, 403, 404, 413, 422, 503)
    ),
    ({"fault": "gateway", "status": 401}, "queued", "unauthorized"),
    ({"fault": "gateway", "status": 429}, "queued", "rate_limited"),
    ({"fault": "truncated"}, "unknown", "payload_invalid"),
    ({"fault": "wrong_json", "after_work": True}, "unknown", "payload_invalid"),
    ({"fault": "reset_before"}, "unknown", "network"),
    ({"fault": "reset_after"}, "unknown", "network"),
    ({"fault": "hang", "after_work": True}, "unknown", "timeout"),
    ({"fault": "processing", "seconds": 3600}, "unknown", "undecided"),
]


@pytest.mark.parametrize(("fault", "state", "reason"), REFUSALS, ids=lambda value: str(value)[:40])
async def test_an_answer_decides_what_becomes_of_the_pin(
    database: Database, ayrshare: Ayrshare, fault: dict[str, Any], state: str, reason: str
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", endpoint="/post", times=1, **fault)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, patience=0.4):
        await until(lambda: ended(database, 1))
    row, [attempt, *_] = await PinStore(database).story(1)
    assert (attempt.reason, row.attempts) == (reason, 1)
    assert row.state == state
    assert row.last_error
    assert (row.next_look_at is not None) == (state == "unknown")


async def test_a_gateway_that_refuses_slows_the_lane_down_and_leaves_few_pins_unknown(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 2)
    await ayrshare.fault("client-001", "gateway", endpoint="/post")
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(5)])
    await store.enqueue(pin("client-002", "other"))
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 1))
        await until(lambda: ended(database, 2))
        assert await truth(database, "SELECT failures = 1 AND not_before > now() FROM pin_lane WHERE profile_id = 1")
        assert await truth(database, "SELECT bool_and(paused_reason IS NULL) FROM pin_lane")
        await ayrshare.heal()
        await until(lambda: settled(database))
    found = await states(database)
    assert [found.pop("0"), set(found.values())] == ["unknown", {"published"}]
    assert (await store.story(1))[1][0].excerpt == '{"message":"Forbidden"}'


async def test_a_connection_that_was_refused_sends_the_pin_again(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    gone = msgspec.structs.replace(ayrshare, url="http://127.0.0.1:1/api")
    async with working(database, gone):
        await until(lambda: ended(database, 1))
    assert await states(database) == {"a": "queued"}
    await database.execute("UPDATE pin_arrival SET due_at = now()")
    await database.execute("UPDATE pin_lane SET due_at = now(), not_before = NULL")
    async with working(database, ayrshare):
        await until(lambda: settled(database))
    _, attempts = await PinStore(database).story(1)
    assert [attempt.outcome for attempt in attempts] == ["requeued", "published"]
    keys = await database.fetchval("SELECT count(DISTINCT idempotency_key) FROM pin_attempt")
    assert keys == 2, "a key is refused for ever once it was seen"


async def test_a_partial_failure_that_has_the_pin_is_published() -> None:
    body = (PAYLOADS / "post_partial_with_profile_key.json").read_bytes()
    answer = parse_post(400, body)
    assert answer.live
    assert answer.publication.pinterest_pin_id == "922745411165549573"


@pytest.mark.parametrize("fault", ["unlinked", "suspended", "bad_key"])
async def test_a_lane_waits_for_its_profile_and_goes_on_by_itself(
    database: Database, ayrshare: Ayrshare, fault: str
) -> None:
    await register(database, ayrshare, 2)
    await ayrshare.fault("client-001", fault, endpoint="/post")
    await PinImporter(database).enqueue_all(
        [(0, pin("client-001", "a")), (1, pin("client-001", "b")), (2, pin("client-002", "c"))]
    )
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "published", 1))
        await until(lambda: paused(database))
        [profile] = await database.fetch("SELECT state, state_reason FROM profile WHERE name = 'client-001'")
        summary = await PinStore(database).summary()
        assert summary.paused == {profile["state"]: 1}
        assert profile["state_reason"]
        assert summary.oldest_due_seconds == 0, "those of paused lanes have an alert of their own"
        assert len(await posts(ayrshare)) == 1
        await ayrshare.heal()
        await database.execute("UPDATE profile SET state = 'active' WHERE name = 'client-001'")
        await until(lambda: settled(database))
    assert await states(database) == {"a": "published", "b": "published", "c": "published"}


async def paused(database: Database) -> bool:
    return bool(
        await database.fetchval("SELECT count(*) > 0 FROM pin_lane WHERE paused_reason IS NOT NULL AND due_at IS NULL")
    )


async def test_a_spam_block_holds_the_lane_until_its_cool_down_or_resume(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 2)
    message = "You've hit a block we have in place to combat spam."
    await ayrshare.fault("client-001", "post_error", endpoint="/post", message=message, times=1)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(0, pin("client-001", "a")), (1, pin("client-001", "b"))])
    async with working(database, ayrshare):
        await until(lambda: ended(database, 1))
        await store.enqueue(pin("client-001", "c"))
        await store.enqueue(pin("client-002", "d"))
        await until(lambda: count_of(database, "published", 1))
        assert (await store.summary()).paused == {"spam_block": 1}
        assert await states(database) == {"a": "queued", "b": "queued", "c": "queued", "d": "published"}
        assert await store.resume(["client-001"]) == {"client-001": "active"}
        await until(lambda: settled(database))
    assert set((await states(database)).values()) == {"published"}


async def test_a_pin_that_is_refused_again_and_again_ends_as_failed(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "post_error", endpoint="/post", message="Busy.", retry_available=True)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare):
        await until(lambda: hurried(database, 8))
        await until(lambda: settled(database))
    assert await states(database) == {"a": "failed"}
    assert await posts(ayrshare) == []


async def test_an_image_that_cannot_be_fetched_is_tried_twice_more(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    await ayrshare.fault("client-001", "post_error", endpoint="/post", message="Could not fetch the image.", code=0)
    message = "Something went wrong on our end."
    await ayrshare.fault("client-002", "post_error", endpoint="/post", message=message, code=0, times=1)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(1, pin("client-001", "never")), (2, pin("client-002", "once"))])
    async with working(database, ayrshare):
        await until(lambda: ended(database, 2))
        assert await truth(database, "SELECT bool_and(not_before > now() + interval '100 s') FROM pin_lane")
        await until(lambda: hurried(database, 5))
        await until(lambda: settled(database))
    assert await states(database) == {"never": "failed", "once": "published"}
    assert len(await posts(ayrshare)) == 1
    _, attempts_made = await store.story(1)
    assert [each.outcome for each in attempts_made] == ["requeued", "requeued", "failed"]


async def test_a_dead_workers_pin_is_unknown_and_never_sent_again(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinImporter(database).enqueue_all([(0, pin("client-001", "a")), (1, pin("client-001", "b"))])
    dead = PinQueue(database, owner="dead", seconds=0.01)
    [claim], _ = await dead.claim(1)
    async with working(database, ayrshare) as worker:
        await until(lambda: expired(database))
        await worker.reconciler.run_once()
        await until(lambda: count_of(database, "published", 1))
    assert await states(database) == {"a": "unknown", "b": "published"}
    late = after_answer(claim, PostAnswer(Publication("x", "1", "https://pin"), live=True), POLICY)
    assert await dead.finish([late]) == {claim.pin_id}, "its owner comes back and knows better"
    assert await states(database) == {"a": "published", "b": "published"}
    assert await dead.finish([late]) == set(), "an outcome is recorded once"


async def expired(database: Database) -> bool:
    return bool(await database.fetchval("SELECT count(*) > 0 FROM pin WHERE lease_until <= now()"))


async def test_an_outcome_of_another_attempt_is_dropped(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    queue = PinQueue(database, owner="me", seconds=60.0)
    [claim], _ = await queue.claim(1)
    live = PostAnswer(Publication("x", "1", "https://pin"), live=True)
    for stale in (
        msgspec.structs.replace(claim, attempt=2),
        msgspec.structs.replace(claim, owner="somebody else"),
    ):
        assert await queue.finish([after_answer(stale, live, POLICY)]) == set()
    assert await states(database) == {"a": "sending"}


async def test_the_database_never_has_two_pins_of_a_profile_under_way(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinImporter(database).enqueue_all([(0, pin("client-001", "a")), (1, pin("client-001", "b"))])
    with pytest.raises(DataRefusedError):
        await database.execute("UPDATE pin SET state = 'sending'")


async def test_stopping_waits_for_calls_and_records_them(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 3)
    await ayrshare.fault("*", "latency", endpoint="/post", seconds=0.5)
    await PinImporter(database).enqueue_all([(i, pin(f"client-00{i + 1}", "a")) for i in range(3)])
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "sending", 3))
    assert len(await posts(ayrshare)) == 3
    assert await database.fetchval("SELECT count(*) FROM pin WHERE state = 'published'") == 3


async def test_a_call_that_stopping_cuts_off_is_unknown(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_GRACE_SECONDS", 0.1)
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "hang", endpoint="/post", after_work=True)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare):
        await until(lambda: sent(ayrshare, 1))
    row, [attempt] = await PinStore(database).story(1)
    assert (row.state, attempt.reason) == ("unknown", "interrupted")


async def test_stopping_without_the_database_ends_in_time_and_leaves_pins_to_their_leases(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(publisher_module, "_WIND_DOWN_SECONDS", 0.4)
    await register(database, ayrshare, 3)
    await PinImporter(database).enqueue_all([(i, pin(f"client-00{i + 1}", "a")) for i in range(3)])

    async def gone(_queue: PinQueue, _results: object) -> set[int]:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(PinQueue, "finish", gone)
    async with asyncio.timeout(15), working(database, ayrshare):
        await until(lambda: sent(ayrshare, 3))
    assert await database.fetchval("SELECT count(*) FROM pin WHERE state = 'sending' AND lease_until IS NOT NULL") == 3


async def test_stopping_while_the_database_does_not_answer_a_claim_ends_in_time(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_CLAIM_SECONDS", 0.2)
    claiming = asyncio.Event()

    async def unanswered(_queue: PinQueue, _limit: int) -> None:
        claiming.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(PinQueue, "claim", unanswered)
    async with asyncio.timeout(15), working(database, ayrshare):
        await claiming.wait()


async def sent(ayrshare: Ayrshare, count: int) -> bool:
    return len(await posts(ayrshare)) >= count


async def test_a_process_that_was_suspended_does_not_send_its_old_claims(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, lease=0.0001):
        await until(lambda: ended(database, 1))
    _, [attempt, *_] = await PinStore(database).story(1)
    assert attempt.reason == "late"
    assert await posts(ayrshare) == []


async def test_a_program_that_enqueues_in_a_long_transaction_delays_nobody(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    store = PinStore(database)
    async with working(database, ayrshare):
        await store.enqueue(pin("client-001", "a"))
        await until(lambda: count_of(database, "published", 1))
        async with database.transaction() as connection:
            await connection.execute("SELECT enqueue_pin('client-001', 'slow', '{https://a.example/a.jpg}')")
            await store.enqueue(pin("client-001", "b"))
            await until(lambda: count_of(database, "published", 2))
        await until(lambda: count_of(database, "published", 3))


async def test_a_notification_wakes_the_publisher_at_once(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_IDLE_SECONDS", 3600.0)
    await register(database, ayrshare, 1)
    async with working(database, ayrshare):
        listening = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query ILIKE 'listen%'"
        await until(lambda: truth(database, listening))
        await PinStore(database).enqueue(pin("client-001", "a"))
        await until(lambda: settled(database))


async def test_a_lane_without_work_is_left_alone(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    store = PinStore(database)
    await PinImporter(database).enqueue_all([(0, pin("client-001", "a")), (1, pin("client-002", "b"))])
    await store.cancel(1, PinState.QUEUED)
    queue = PinQueue(database, owner="me", seconds=60.0)
    assert [claim.pin_id for claim in (await queue.claim(10))[0]] == [2]
    assert await database.fetchval("SELECT count(*) FROM pin_lane WHERE due_at IS NOT NULL") == 0


async def test_a_standby_is_an_outage_and_outcomes_wait_for_its_promotion(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 3)
    await ayrshare.fault("*", "latency", endpoint="/post", seconds=0.4)
    await PinImporter(database).enqueue_all([(i, pin(f"client-00{i + 1}", "a")) for i in range(3)])
    name = await database.fetchval("SELECT current_database()")
    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    async with working(database, ayrshare):
        await until(lambda: count_of(database, "sending", 3))
        try:
            await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            await database.fetch(drop, name)
            await until(lambda: sent(ayrshare, 3))
        finally:
            async with database.connection() as connection:
                await connection.execute("SET default_transaction_read_only = off")
                await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
                await connection.fetch(drop, name)
        await until(lambda: settled_in_spite_of_outages(database))
    assert set((await states(database)).values()) == {"published"}


async def test_a_cancelled_pin_that_is_live_becomes_published(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    queue = PinQueue(database, owner="slow", seconds=60.0)
    [claim], _ = await queue.claim(1)
    await database.execute("UPDATE pin SET state = 'cancelled'")
    live = PostAnswer(Publication("x", "1", "https://pin"), live=True)
    assert await queue.finish([after_answer(claim, live, POLICY)]) == {claim.pin_id}
    assert await states(database) == {"a": "published"}


async def test_many_pins_for_later_do_not_hold_up_one_that_is_due(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 2)
    await database.execute(
        "INSERT INTO pin_arrival (profile_id, due_at) "
        "SELECT 1, now() + interval '1 month' FROM generate_series(1, 12000)"
    )
    await PinStore(database).enqueue(pin("client-002", "a"))
    claims, _ = await PinQueue(database, owner="me", seconds=60.0).claim(10)
    assert [claim.profile for claim in claims] == ["client-002"]


async def test_a_claim_that_was_not_confirmed_is_given_back(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(database, ayrshare, 3)
    await PinImporter(database).enqueue_all([(i, pin(f"client-00{i + 1}", "a")) for i in range(3)])
    claim = PinQueue.claim
    lost: list[int] = []

    async def unconfirmed(queue: PinQueue, limit: int) -> Any:
        answer = await claim(queue, limit)
        if not lost:
            lost.extend(each.pin_id for each in answer[0])
            raise DatabaseUnavailableError("the connection broke after the commit")
        return answer

    monkeypatch.setattr(PinQueue, "claim", unconfirmed)
    async with working(database, ayrshare):
        await until(lambda: settled(database))
    assert len(lost) == 3
    assert set((await states(database)).values()) == {"published"}
    assert len(await posts(ayrshare)) == 3
