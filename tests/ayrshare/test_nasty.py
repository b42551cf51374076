"""Every answer of the nasty corpus, through the real client on a real socket, up to the decision and the database."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from collector.ayrshare.client import AyrshareClient, open_client
from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics, Metrics
from collector.models.history import UnknownPin
from collector.models.outcome import Failure
from collector.models.pin import PinClaim, PinResult
from collector.models.poll import Claim, PollRecord
from collector.models.profile import ProfileState
from collector.models.result import PinNumbers, ResultClaim
from collector.poll.decision import Policy
from collector.poll.reader import Reader
from collector.publish.check import check_history, missing, unreadable_history
from collector.publish.search import read_history
from collector.publish.sender import Sender
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pin import PinStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database
from collector.track.decision import after_failure, after_numbers
from tests.support.nasty import API_KEY, PROFILE_KEY, Nasty, answering, nasty
from tests.support.profiles import KEYS, registered
from tests.support.publishing import POLICY, pin

COLUMNS = Metrics.__struct_fields__
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=10)
KEY = SecretStr(PROFILE_KEY)
SEALED = KEYS.encrypt(KEY)
CLAIM = Claim(7, "client-007", SEALED, ProfileState.ACTIVE, 0, NOW, None, date(2026, 11, 19), NOW)
UNKNOWN = UnknownPin(7, 1, "tok", 0, SENT, SENT, due=True)
PIN = PinClaim(
    pin_id=7,
    profile_id=7,
    profile="client-007",
    key_ciphertext=SEALED,
    owner="me",
    attempt=1,
    refusals=0,
    lane_failures=0,
    lane_failed_pins=0,
    read_before=True,
    idempotency_key="once",
    token="tok",
    due_at=NOW,
    content=pin("client-007", "a").content,
)
LIVE = ResultClaim(
    profile_id=7,
    pin_id=7,
    profile="client-007",
    key_ciphertext=SEALED,
    ayrshare_id="ay",
    pinterest_pin_id="11",
    published_at=NOW - timedelta(days=3),
    claimed_at=NOW,
    claimed_until=NOW,
    failures=0,
    refusals=0,
    known=PinNumbers(impression=100, save=4),
)

# What became of an answer, what of it is kept, and all that a person could be shown.
Played = tuple[str, dict[str, Any], object]


def told(**values: object) -> dict[str, Any]:
    """Return what there is of some values."""
    return {name: value for name, value in values.items() if value not in (None, {}, [], False)}


def numbers(values: msgspec.Struct) -> dict[str, Any]:
    found = told(**msgspec.structs.asdict(values))
    found |= {name: 0 for name, value in msgspec.structs.asdict(values).items() if value == 0}
    return found


def reader(client: AyrshareClient) -> Reader:
    return Reader(client, KEYS, Policy(interval=21_600.0, settle_days=3))


async def polled(client: AyrshareClient) -> Played:
    record = await reader(client).read(CLAIM)
    return record.outcome.value, kept(record), record


def kept(record: PollRecord) -> dict[str, Any]:
    if isinstance(record.outcome, Failure):
        assert record.next_poll_in is None or 1.0 <= record.next_poll_in <= 90_000.0
    found = record.analytics
    days = {day.day.isoformat(): numbers(day.metrics) | told(extra=day.extra, status=day.data_status)
            for day in found.days} if isinstance(found, AccountAnalytics) else {}  # fmt: skip
    window = numbers(found.window) | told(extra=found.extra) if isinstance(found, AccountAnalytics) else {}
    followers = found.followers if isinstance(found, AccountAnalytics) else None
    parked = record.state if record.state is not ProfileState.ACTIVE else None
    return told(days=days, window=window, followers=followers, state=parked and parked.value)


async def published(client: AyrshareClient) -> Played:
    result = await Sender(client, KEYS, POLICY, patience=60.0).send(PIN, float("inf"))
    return result.state.value, outcome(result), result


def outcome(result: PinResult) -> dict[str, Any]:
    made = result.publication
    return told(reason=result.reason, ayrshare_id=made.ayrshare_id, pin=made.pinterest_pin_id, url=made.pin_url)


async def reconciled(client: AyrshareClient) -> Played:
    pins = (UNKNOWN,)
    try:
        history = await read_history(client, KEY, since=SENT, now=NOW, enough=lambda found: not missing(pins, found))
    except AyrshareError as error:
        [check] = unreadable_history(pins, error, POLICY, NOW)
        return check.state.value, told(unreadable=error.failure.value), (check, error.excerpt)
    [check] = check_history(pins, history, policy=POLICY, now=NOW)
    return check.state.value, told(absent=check.absent, pin=check.publication.pinterest_pin_id), check


async def tracked(client: AyrshareClient) -> Played:
    try:
        answer, _ = await client.pin_numbers(KEY, ayrshare_id="ay", pinterest_pin_id="11")
    except AyrshareError as error:
        record = after_failure(LIVE, error)
        return record.outcome.value, numbers(record.numbers), (record, error.excerpt)
    record = after_numbers(LIVE, answer.numbers)
    return record.outcome.value, numbers(record.numbers), (record, answer)


async def listed(client: AyrshareClient) -> Played:
    entries = [entry async for entry in client.profiles()]
    return "ok", told(titles=[entry.title for entry in entries]), entries


async def named(client: AyrshareClient) -> Played:
    name = await client.account_name(KEY)
    return "ok", told(name=name), name


async def boards(client: AyrshareClient) -> Played:
    found = await client.boards(KEY)
    return "ok", told(boards={board.board_id: board.name for board in found}), found


async def native(client: AyrshareClient) -> Played:
    found = await client.native_pins(KEY)
    return "ok", told(pins=[each.pinterest_pin_id or "" for each in found.pins], cursor=found.cursor), found


CALLS: dict[str, Callable[[AyrshareClient], Awaitable[Played]]] = {
    "analytics/social": polled,
    "analytics/post": tracked,
    "post": published,
    "history": reconciled,
    "history/pinterest": native,
    "profiles": listed,
    "user": named,
    "user/details": boards,
}


async def play(case: Nasty) -> tuple[tuple[str, dict[str, Any]], str]:
    """Return what became of an answer and what is kept, and all that a person could be shown."""
    async with (
        answering({PROFILE_KEY: case, "": case}) as url,
        open_client(url=url, api_key=SecretStr(API_KEY), request_timeout=5.0, connections=1) as client,
    ):
        try:
            became, stored, shown = await CALLS[case.call](client)
        except AyrshareError as error:
            return (error.failure.value, {}), f"{error!r} {error.excerpt}"
        return (became, stored), repr(shown)


def leaked(text: str) -> list[str]:
    """Return the keys of which the text has the beginning, in whatever case."""
    return [key for key in (API_KEY, PROFILE_KEY) if key[:8].lower() in text.lower()]


@pytest.mark.parametrize("call", CALLS)
async def test_nasty_answers_become_what_their_files_say_and_show_no_key(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    cases, became, shown = nasty(call), {}, {}
    for name, case in cases.items():
        with capture_logs() as lines:
            became[name], shown[name] = await play(case)
        shown[name] += str(lines)
    assert became == {name: (case.outcome, case.stored) for name, case in cases.items()}
    assert not {name: told for name, told in shown.items() if leaked(told)}
    assert not leaked(caplog.text)


def test_every_nasty_answer_is_to_a_call_that_is_made() -> None:
    assert len(nasty()) >= 200
    assert {case.call for case in nasty().values()} == set(CALLS)


async def test_what_the_database_holds_after_nasty_answers_is_what_their_files_say(database: Database) -> None:
    cases = nasty("analytics/social")
    await registered(database, {name: f"key-of-{name}" for name in cases})
    ids = [row["id"] for row in await database.fetch("SELECT id FROM profile")]
    claims = await LeaseStore(database, owner="me", seconds=600.0).claim_named(ids)
    async with (
        answering({f"key-of-{name}": case for name, case in cases.items()}) as url,
        open_client(url=url, api_key=SecretStr(API_KEY), request_timeout=5.0, connections=1) as client,
    ):
        at_noon = [msgspec.structs.replace(each, claimed_at=NOW, last_day=CLAIM.last_day) for each in claims]
        records = [await reader(client).read(claim) for claim in at_noon]
    await MetricStore(database).write_polls(records)

    rows = await database.fetch(
        "SELECT p.name, d.day::text, to_jsonb(d) AS numbers FROM daily_metric AS d JOIN profile AS p ON id = profile_id"
    )
    found = {
        (row["name"], row["day"]): numbers(msgspec.convert(msgspec.json.decode(row["numbers"]), Metrics))
        for row in rows
    }
    assert found == {
        (name, day): {column: number for column, number in values.items() if column in COLUMNS}
        for name, case in cases.items()
        for day, values in case.stored.get("days", {}).items()
    }


async def test_what_became_of_pins_after_nasty_answers_is_recorded(database: Database) -> None:
    cases = nasty("post")
    await registered(database, {name: f"key-of-{name}" for name in cases})
    for name in cases:
        await PinStore(database).enqueue(pin(name, "a"))
    queue = PinQueue(database, owner="me", seconds=600.0)
    claims, _ = await queue.claim(1000)
    assert len(claims) == len(cases)
    async with (
        answering({f"key-of-{name}": case for name, case in cases.items()}) as url,
        open_client(url=url, api_key=SecretStr(API_KEY), request_timeout=5.0, connections=1) as client,
    ):
        sender = Sender(client, KEYS, POLICY, patience=60.0)
        results = [await sender.send(claim, float("inf")) for claim in claims]
    await queue.finish(results)

    rows = await database.fetch("SELECT p.name, pin.state FROM pin JOIN profile AS p ON p.id = pin.profile_id")
    assert {row["name"]: row["state"] for row in rows} == {name: case.outcome for name, case in cases.items()}
