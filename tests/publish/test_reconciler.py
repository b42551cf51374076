"""The reconciler looks for unknown pins in Ayrshare's history, and sends none again without knowing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collector.ayrshare.history import parse_history
from collector.ayrshare.native import parse_native_pins
from collector.ayrshare.post import PostAnswer
from collector.errors import AyrshareError, PinError
from collector.models.history import History, NativePin, PostedPin, UnknownPin
from collector.models.outcome import Failure
from collector.models.pin import PinState, Publication
from collector.publish import decision
from collector.publish.check import check_history, unreadable_history
from collector.publish.decision import PublishPolicy, after_answer, after_error, interrupted
from collector.publish.operator import FoundPin, PinOperator
from collector.store.pin import PinStore
from collector.store.pin_check import CheckStore
from collector.store.pin_import import PinImporter
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.paths import PAYLOADS
from tests.support.profiles import register
from tests.support.publishing import POLICY, count_of, ended, pin, posts, settled, states, until, with_policy, working

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=10)
UNKNOWN = UnknownPin(7, 2, "tok", 0, SENT - timedelta(hours=1), SENT, due=True)
LIVE = Publication("ay", "1", "https://pin/1")
POLICY_OF_TWO = PublishPolicy(lane_gap=0.0, spam_cooldown=60.0, checks=(60.0, 300.0), requeue_absent=False)


async def check_now(database: Database, worker: Any) -> None:
    await database.execute("UPDATE pin SET next_look_at = now() WHERE state = 'unknown'")
    await worker.reconciler.run_once()


async def test_a_lost_answer_is_found_in_the_history(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        assert await database.fetchval("SELECT next_look_at - now() > interval '50 s' FROM pin")
        await check_now(database, worker)
    row, [attempt] = await PinStore(database).story(1)
    [post] = await posts(ayrshare)
    assert (row.state, row.pinterest_pin_id, row.attempts) == ("published", post["pin_id"], 1)
    assert "found in the history" in str(attempt.look)


async def test_a_failure_whose_answer_was_lost_is_found_too(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "unlinked", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: ended(database, 1))
        await database.execute("UPDATE pin SET state = 'unknown', next_look_at = now()")
        await database.execute("UPDATE pin_attempt SET outcome = 'unknown'")
        await worker.reconciler.run_once()
    row, _ = await PinStore(database).story(1)
    assert row.state == "failed"
    assert "not linked" in str(row.last_error)


async def test_an_absent_pin_stays_unknown_after_the_last_check(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_before", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
        again = await database.fetchval("SELECT extract(epoch FROM next_look_at - now()) FROM pin")
        assert 200 < again <= 240, "five minutes after it became unknown, of which one is over"
        await check_now(database, worker)
    row, _ = await PinStore(database).story(1)
    assert (row.state, row.looks, row.next_look_at) == ("unknown", 2, None)
    assert await posts(ayrshare) == []


async def test_an_absent_pin_is_sent_again_where_the_operator_wants_that(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_before", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, policy=with_policy(checks=(60.0,), requeue_absent=True)) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
        await until(lambda: count_of(database, "published", 1))
    assert len(await posts(ayrshare)) == 1


async def test_one_request_serves_all_unknown_pins_of_a_profile(
    database: Database, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "_FIRST_BACKOFF", 0.0)
    monkeypatch.setattr(decision, "_LEAST_WAIT", 0.0)
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=5)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(5)])
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 5))
        await check_now(database, worker)
    assert set((await states(database)).values()) == {"published"}
    assert (await ayrshare.record())["requests"]["GET /history"] == 1


async def test_a_pin_that_is_still_being_processed_is_looked_for_later(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "processing", endpoint="/post", times=1, seconds=600)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
        row, [attempt] = await PinStore(database).story(1)
        assert (row.state, row.looks) == ("unknown", 0)
        assert "processing" in str(attempt.look)
        await ayrshare.pass_time(700)
        await check_now(database, worker)
    assert await states(database) == {"a": "published"}


@pytest.mark.parametrize("fault", ["rate_limited", "suspended", "unauthorized", "status", "html", "reset_before"])
async def test_a_history_that_cannot_be_read_leaves_the_pin_unknown(
    database: Database, ayrshare: Ayrshare, fault: str
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_before", endpoint="/post", times=1)
    await ayrshare.fault("*", fault, endpoint="/history")
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, policy=with_policy(requeue_absent=True, checks=(1.0,))) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        for _ in range(3):
            await check_now(database, worker)
    row, [attempt] = await PinStore(database).story(1)
    assert (row.state, row.looks) == ("unknown", 0)
    assert row.next_look_at is not None
    assert attempt.look


def history(*pins: PostedPin, **changes: Any) -> History:
    return msgspec.structs.replace(History(pins=pins, rows=len(pins), whole=True), **changes)


def row(notes: str, state: PinState | None, status: str = "x") -> PostedPin:
    return PostedPin(notes, status, state, LIVE if state is PinState.PUBLISHED else Publication("ay"))


def check(found: History, *, unknown: UnknownPin = UNKNOWN, native: tuple[NativePin, ...] = (), **policy: Any) -> Any:
    checks = check_history(
        (unknown,), found, native=native, policy=msgspec.structs.replace(POLICY_OF_TWO, **policy), now=NOW
    )
    return checks[0] if checks else None


def test_a_live_row_of_any_attempt_settles_the_pin() -> None:
    found = check(history(row("tok#2", PinState.FAILED), row("tok#1", PinState.PUBLISHED)))
    assert (found.state, found.found_attempt, found.publication) == (PinState.PUBLISHED, 1, LIVE)


def test_an_earlier_attempts_failure_does_not_settle_the_pin() -> None:
    assert check(history(row("tok#1", PinState.FAILED))).state is PinState.UNKNOWN
    assert check(history(row("tok#2", PinState.FAILED))).state is PinState.FAILED


async def test_a_failure_in_the_history_that_waiting_mends_is_sent_again(
    database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "post_error", endpoint="/post", times=1, message="Could not fetch the image.", status=500)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
        await until(lambda: count_of(database, "published", 1))
    found, attempts = await PinStore(database).story(1)
    assert (found.refusals, [each.outcome for each in attempts]) == (1, ["requeued", "published"])


def test_other_pins_are_not_ours() -> None:
    for notes in ("", "tok", "tokk#2", "xtok#2", "other#2"):
        found = check(history(row(notes, PinState.PUBLISHED)))
        assert (found.state is PinState.PUBLISHED) == (notes == "tok")


def test_a_list_that_does_not_go_back_to_the_attempt_proves_no_absence() -> None:
    full = history(rows=100, oldest=SENT, whole=False)
    assert not check(full, requeue_absent=True, checks=(60.0,)).absent
    assert check(full, requeue_absent=True, checks=(60.0,)).state is PinState.UNKNOWN
    assert check(full).finding == "the history does not go back to the attempt: it shows 100 posts, and not all"
    far = history(rows=100, oldest=SENT - timedelta(hours=2), whole=False)
    assert check(far, requeue_absent=True, checks=(60.0,)).state is PinState.QUEUED


def native(title: str, description: str, *, pinterest_pin_id: str = "9", minutes: float = 1.0) -> NativePin:
    made = SENT + timedelta(minutes=minutes)
    return NativePin(pinterest_pin_id, made, title, description, f"https://pin/{pinterest_pin_id}")


@pytest.mark.parametrize(
    ("seen", "absent"),
    [
        (native("", "ours"), False),
        (native("Ours", "another text"), False),
        (native("", "ours", minutes=-90), True),
        (native("", "ours", pinterest_pin_id="1"), True),
        (native("", "theirs"), True),
        (native("", ""), True),
    ],
    ids=["same text", "same title", "older than the attempt", "made by another post", "another text", "no text"],
)
def test_a_pin_like_ours_on_pinterest_is_a_second_witness(seen: NativePin, absent: bool) -> None:
    ours = msgspec.structs.replace(UNKNOWN, description="ours", title="Ours")
    found = check(history(live_ids=frozenset({"1"})), unknown=ours, native=(seen,), requeue_absent=True, checks=(1.0,))
    assert (found.absent, found.state) == (absent, PinState.QUEUED if absent else PinState.UNKNOWN)
    assert absent or "https://pin/9" in found.finding


def test_a_copy_from_before_the_attempt_proves_no_absence() -> None:
    stale = history(as_of=SENT - timedelta(seconds=1))
    assert not check(stale, requeue_absent=True, checks=(60.0,)).absent
    fresh = history(as_of=SENT + timedelta(seconds=1))
    assert check(fresh, requeue_absent=True, checks=(60.0,)).state is PinState.QUEUED


def test_a_pin_whose_check_is_not_due_is_found_but_never_absent() -> None:
    waiting = msgspec.structs.replace(UNKNOWN, due=False)
    assert check(history(), unknown=waiting) is None
    assert check(history(row("tok#2", PinState.PUBLISHED)), unknown=waiting).state is PinState.PUBLISHED


def test_failed_checks_are_repeated_at_growing_intervals() -> None:
    error = AyrshareError(Failure.RATE_LIMITED, "slow down", retry_after_seconds=900.0)
    assert unreadable_history((UNKNOWN,), error, POLICY_OF_TWO, NOW)[0].next_seconds == 900.0
    error = AyrshareError(Failure.TIMEOUT, "no answer")
    assert unreadable_history((UNKNOWN,), error, POLICY_OF_TWO, NOW)[0].next_seconds == 300.0
    early = NOW - timedelta(minutes=8)
    assert unreadable_history((UNKNOWN,), error, POLICY_OF_TWO, early)[0].next_seconds == 60.0


def test_recorded_histories_are_read() -> None:
    found = parse_history(200, (PAYLOADS / "history.json").read_bytes())
    [only] = found.pins
    assert only.state is PinState.PUBLISHED
    assert only.publication.pin_url == "https://www.pinterest.com/pin/922745411165550181/"
    assert (found.rows, found.whole, found.oldest) == (1, True, datetime(2025, 4, 26, 12, 20, 49, tzinfo=UTC))
    assert found.as_of == datetime(2025, 4, 26, 12, 21, 40, 593000, tzinfo=UTC)
    empty = parse_history(400, (PAYLOADS / "history_empty_http400.json").read_bytes())
    assert (empty.pins, empty.rows, empty.whole) == ((), 0, True)


def stamps(*minutes: int) -> list[dict[str, str]]:
    return [{"created": f"2026-11-24T12:{minute:02d}:00Z"} for minute in minutes]


@pytest.mark.parametrize(
    ("answer", "whole", "oldest"),
    [
        ({"history": stamps(9, 8, 7), "count": 3}, True, 7),
        ({"history": stamps(9, 8, 7), "count": 131}, False, 7),
        ({"history": stamps(9, 8, 7)}, False, 7),
        ({"history": stamps(*range(50, 0, -1)), "count": 50}, False, 1),
        ({"history": stamps(7, 8, 9), "count": 131}, False, None),
        ({"history": [*stamps(9), {}], "count": 131}, False, None),
        ({"history": [], "count": 0}, True, None),
        ({"history": []}, True, None),
        ({"history": [], "count": 131}, False, None),
    ],
    ids=["all", "a page", "no count", "a full page", "oldest first", "no time", "empty", "empty, uncounted", "hidden"],
)
def test_a_history_is_whole_only_where_it_says_so(answer: dict[str, Any], whole: bool, oldest: int | None) -> None:
    found = parse_history(200, msgspec.json.encode(answer))
    assert (found.whole, found.oldest and found.oldest.minute) == (whole, oldest)


@pytest.mark.parametrize(("rows", "counts_all", "asked_for"), [(50, True, 3), (50, False, 3), (20, False, 8)])
async def test_a_short_page_doubles_no_pin(
    database: Database,
    ayrshare: Ayrshare,
    rows: int,
    counts_all: bool,
    asked_for: int,
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=3)
    await ayrshare.fault("*", "short_history", endpoint="/history", rows=rows, counts_all=counts_all)
    await PinImporter(database).enqueue_all([(i, pin("client-001", f"{i}")) for i in range(3)])
    async with working(database, ayrshare, policy=with_policy(checks=(60.0,), requeue_absent=True)) as worker:
        await until(lambda: count_of(database, "unknown", 3))
        for second in range(1, 129):
            await ayrshare.pass_time(second)
            await ayrshare.publish(notes=f"another's {second}")
        await check_now(database, worker)
        await until(lambda: settled(database))
    assert set((await states(database)).values()) == {"published"}
    assert len(await posts(ayrshare)) == 131
    assert (await ayrshare.record())["requests"]["GET /history"] == asked_for


async def test_a_history_that_hides_posts_proves_no_absence(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await ayrshare.fault("*", "short_history", endpoint="/history", rows=0)
    await PinStore(database).enqueue(pin("client-001", "a"))
    async with working(database, ayrshare, policy=with_policy(checks=(60.0,), requeue_absent=True)) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
    row, _ = await PinStore(database).story(1)
    assert (row.state, row.looks) == ("unknown", 0)
    assert "it shows 0 of 1 posts" in str(row.last_error)
    assert len(await posts(ayrshare)) == 1


@pytest.mark.parametrize(("witness", "state"), [(True, "unknown"), (False, "published")])
async def test_a_pin_that_only_pinterest_has_is_not_sent_again(
    database: Database,
    ayrshare: Ayrshare,
    witness: bool,
    state: str,
) -> None:
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await ayrshare.fault("*", "short_history", endpoint="/history", rows=0, counts_all=False)
    if not witness:
        await ayrshare.fault("*", "status", endpoint="/history/pinterest", status=404)
    await PinStore(database).enqueue(pin("client-001", "a", description="Spring is here"))
    async with working(database, ayrshare, policy=with_policy(checks=(60.0,), requeue_absent=True)) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        await check_now(database, worker)
        await until(lambda: settled(database))
    row, _ = await PinStore(database).story(1)
    assert row.state == state
    assert ("a pin like it" in str(row.last_error)) == witness


@pytest.mark.parametrize(
    "body",
    [
        {"history": [{"pinId": "9", "createdAt": "2026-11-24T12:00:00Z", "title": "t", "post": "d", "url": "u"}]},
        {
            "posts": {
                "pinterest": [{"id": "9", "created": "2026-11-24T12:00:00Z", "title": "t", "text": "d", "url": "u"}]
            }
        },
        [{"id": "9", "created_at": "2026-11-24T12:00:00+00:00", "title": "t", "description": "d", "postUrl": "u"}],
        [{"id": 9, "created": "2026-11-24T12:00:00Z", "title": "t", "post": "d", "postUrl": "u"}],
    ],
)
def test_native_pins_are_read_in_any_likely_shape(body: Any) -> None:
    [only] = parse_native_pins(200, msgspec.json.encode(body)).pins
    assert only == NativePin("9", NOW, "t", "d", "u")


def test_the_cursor_of_native_pins_is_found() -> None:
    for body in ({"pins": [], "cursor": "c"}, {"pins": [], "pagination": {"nextCursor": "c", "hasMore": True}}):
        assert parse_native_pins(200, msgspec.json.encode(body)).cursor == "c"


@pytest.mark.parametrize(
    ("post", "state"),
    [
        ({"status": "pending"}, None),
        ({"status": "awaiting approval"}, None),
        ({"status": 5}, None),
        ({"status": "success"}, None),
        ({"status": "success", "postIds": [{"status": "success", "id": "1", "platform": "facebook"}]}, None),
        ({"status": "success", "postIds": [{"status": "success", "id": "1"}]}, PinState.PUBLISHED),
        ({"status": "error", "errors": [{"code": 138, "message": "too small"}]}, PinState.FAILED),
        ({"status": "error", "errors": "nonsense"}, PinState.FAILED),
        ({"status": "deleted"}, PinState.FAILED),
        ({"status": "deleted", "postIds": [{"status": "success", "id": "1"}]}, PinState.PUBLISHED),
    ],
)
def test_a_row_of_the_history_says_what_became_of_its_pin(post: dict[str, Any], state: PinState | None) -> None:
    body = msgspec.json.encode({"history": [None, "x", {"notes": 5}, {"notes": "tok#2", **post}]})
    [only] = parse_history(200, body).pins
    assert only.state is state


async def lost_answer(database: Database, ayrshare: Ayrshare) -> None:
    """Queue pin 1, of which the answer will be lost although it is live."""
    await register(database, ayrshare, 1)
    await ayrshare.fault("*", "reset_after", endpoint="/post", times=1)
    await PinStore(database).enqueue(pin("client-001", "a"))


async def test_a_pin_is_not_sent_again_while_it_is_looked_for(database: Database, ayrshare: Ayrshare) -> None:
    await lost_answer(database, ayrshare)
    await ayrshare.fault("*", "latency", endpoint="/history", seconds=0.5)
    store = PinStore(database)
    async with working(database, ayrshare) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        checking = asyncio.create_task(check_now(database, worker))
        await until(lambda: asked(ayrshare))
        operator = PinOperator(store, CheckStore(database))
        with pytest.raises(PinError, match="being looked for right now"):
            await operator.retry(FoundPin(1, PinState.UNKNOWN, 1))
        await checking
        with pytest.raises(PinError, match="changed meanwhile"):
            await operator.retry(FoundPin(1, PinState.UNKNOWN, 1))
    assert await states(database) == {"a": "published"}
    assert len(await posts(ayrshare)) == 1


async def asked(ayrshare: Ayrshare) -> bool:
    return "GET /history" in (await ayrshare.record())["requests"]


async def test_a_pin_found_live_after_a_retry_is_not_sent(database: Database, ayrshare: Ayrshare) -> None:
    await lost_answer(database, ayrshare)
    async with working(database, ayrshare, policy=with_policy(lane_gap=3600.0)) as worker:
        await until(lambda: count_of(database, "unknown", 1))
        group = await CheckStore(database).of_pin(1)
        assert group is not None
        found = await worker.reconciler.check(group)
        assert await PinStore(database).retry(1, PinState.UNKNOWN, 1)
        assert await states(database) == {"a": "queued"}
        await CheckStore(database).record(found)
        await database.execute("UPDATE pin_lane SET due_at = now(), not_before = NULL")
        claims, _ = await worker.queue.claim(10)
    assert claims == []
    row, [attempt] = await PinStore(database).story(1)
    assert (row.state, row.pin_url is not None, attempt.outcome) == ("published", True, "published")
    assert len(await posts(ayrshare)) == 1


@pytest.mark.parametrize("who", ["a check", "its first sender"])
async def test_what_is_found_live_while_it_is_sent_again_is_not_sent_a_third_time(
    database: Database, ayrshare: Ayrshare, who: str
) -> None:
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    slow, other = (PinQueue(database, owner=name, seconds=60.0) for name in ("slow", "other"))
    [first], _ = await slow.claim(1)
    await other.finish([interrupted(first, POLICY)])
    assert await PinStore(database).retry(1, PinState.UNKNOWN, 1)
    await database.execute("UPDATE pin_lane SET due_at = now(), not_before = NULL")
    [second], _ = await other.claim(1)
    if who == "a check":
        live = check(history(row("tok#1", PinState.PUBLISHED)), unknown=msgspec.structs.replace(UNKNOWN, attempt=1))
        await CheckStore(database).record([msgspec.structs.replace(live, pin_id=1)])
    else:
        live = after_answer(first, PostAnswer(LIVE, live=True), POLICY)
        assert await slow.finish([live]) == {1}
        assert await slow.finish([live]) == set()
    assert await states(database) == {"a": "sending"}
    assert await database.fetchval("SELECT sending_pin FROM pin_lane") == 1, "the second call is under way"
    limited = AyrshareError(Failure.RATE_LIMITED, "slow down", http_status=429)
    assert await other.finish([after_error(second, limited, POLICY)]) == {1}
    found, attempts = await PinStore(database).story(1)
    assert (found.state, found.pin_url) == ("published", LIVE.pin_url)
    assert [attempt.outcome for attempt in attempts] == ["published", "requeued"]
    assert await database.fetchval("SELECT count(*) FROM pin WHERE state IN ('queued', 'sending', 'unknown')") == 0
