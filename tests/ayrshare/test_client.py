"""The client: what it sends, how it classifies answers, and that keys are only in headers."""

import itertools
import re
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses
from pydantic import SecretStr
from yarl import URL

from collector.ayrshare.analytics import parse_account_analytics
from collector.ayrshare.client import AyrshareClient, open_client
from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics
from collector.models.outcome import Failure
from collector.models.pin import PinContent
from tests.support.ayrshare import Ayrshare

URL_SOCIAL = "https://ayrshare.example/api/analytics/social"
API_KEY = SecretStr("the-api-key")
PROFILE_KEY = SecretStr("THE-PROFILE-KEY")
TODAY = date(2026, 11, 24)
GOOD = {"pinterest": {"analytics": {"impression": 3, "daily": []}}, "status": "success"}


def client(session: aiohttp.ClientSession, **others: Any) -> AyrshareClient:
    return AyrshareClient(session, url="https://ayrshare.example/api", api_key=API_KEY, **others)


async def refusal(**answer: Any) -> AyrshareError:
    async with aiohttp.ClientSession() as session:
        with aioresponses() as mocked:
            mocked.post(URL_SOCIAL, **answer)
            with pytest.raises(AyrshareError) as caught:
                await client(session).account_analytics(PROFILE_KEY, today=TODAY)
    return caught.value


async def test_a_request_carries_both_keys_in_their_headers_and_follows_no_redirect() -> None:
    async with aiohttp.ClientSession() as session:
        with aioresponses() as mocked:
            mocked.post(URL_SOCIAL, payload=GOOD, headers={"x-ratelimit-max": "300", "x-ratelimit-count": "280"})
            analytics, rate_limit = await client(session).account_analytics(PROFILE_KEY, today=TODAY)
            [[call]] = mocked.requests.values()
    assert mocked.requests.keys() == {("POST", URL(URL_SOCIAL))}
    assert call.kwargs["headers"] == {"Authorization": "Bearer the-api-key", "Profile-Key": "THE-PROFILE-KEY"}
    assert call.kwargs["data"] == b'{"platforms":["pinterest"]}'
    assert call.kwargs["allow_redirects"] is False
    assert isinstance(analytics, AccountAnalytics)
    assert analytics.window.impression == 3
    assert (rate_limit.maximum, rate_limit.count) == (300, 280)


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (401, {"message": "API Key not valid", "code": 102}, Failure.UNAUTHORIZED),
        (403, {"message": "Profile suspended"}, Failure.SUSPENDED),
        (403, {"message": "The Profile Key is invalid"}, Failure.KEY_INVALID),
        (400, {"code": 156, "message": "Pinterest is not linked."}, Failure.UNLINKED),
        (429, {"message": "Rate limit"}, Failure.RATE_LIMITED),
        (500, {"message": "Oops"}, Failure.UPSTREAM_ERROR),
        (302, {}, Failure.UPSTREAM_ERROR),
        (200, {"status": "error", "code": 161, "message": "relink"}, Failure.UNLINKED),
        (200, [1, 2], Failure.PAYLOAD_INVALID),
    ],
)
async def test_an_answer_is_classified_by_what_to_do_next(status: int, body: object, failure: Failure) -> None:
    assert (await refusal(status=status, payload=body)).failure is failure


async def test_retry_after_is_honoured() -> None:
    error = await refusal(status=429, payload={}, headers={"Retry-After": "17"})
    assert error.retry_after_seconds == 17.0


@pytest.mark.parametrize(
    ("exception", "failure"),
    [
        (TimeoutError(), Failure.TIMEOUT),
        (aiohttp.ServerDisconnectedError(), Failure.NETWORK),
        (aiohttp.ClientPayloadError("truncated"), Failure.NETWORK),
    ],
)
async def test_no_answer_is_a_timeout_or_the_network(exception: Exception, failure: Failure) -> None:
    assert (await refusal(exception=exception)).failure is failure


@pytest.mark.parametrize("before", ["", " " * 290, "x" * 495])
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_no_part_of_a_key_that_an_answer_echoes_is_kept(status: int, before: str) -> None:
    for echo in (f"{before}THE-PROFILE-KEY for the-api-key", f'{{"message": "x{before}THE-PROFILE-KEY"}}'):
        error = await refusal(status=status, body=echo)
        shown = f"{error} {error.excerpt} {error!r} {error.args}"
        assert "THE-P" not in shown
        assert "the-api" not in shown


async def test_invalid_rate_limit_headers_are_ignored() -> None:
    async with aiohttp.ClientSession() as session:
        with aioresponses() as mocked:
            headers = {"x-ratelimit-max": "many", "x-ratelimit-count": "-4"}
            mocked.post(URL_SOCIAL, callback=lambda _url, **_: CallbackResult(payload=GOOD, headers=headers))
            _, rate_limit = await client(session).account_analytics(PROFILE_KEY, today=TODAY)
    assert (rate_limit.maximum, rate_limit.count) == (None, None)


async def opened(ayrshare: Ayrshare, *, patience: float = 5.0) -> AyrshareError | None:
    key = SecretStr(ayrshare.identity(0).profile_key)
    async with open_client(
        url=ayrshare.url, api_key=SecretStr(ayrshare.config.api_key), request_timeout=patience, connections=2
    ) as real:
        try:
            await real.account_analytics(key, today=TODAY)
        except AyrshareError as error:
            return error
    return None


@pytest.mark.parametrize(
    ("fault", "failure", "status"),
    [
        ("hang", Failure.TIMEOUT, None),
        ("reset_before", Failure.NETWORK, None),
        ("reset_after", Failure.NETWORK, None),
        ("truncated", Failure.PAYLOAD_INVALID, HTTPStatus.OK),
        ("wrong_json", Failure.PAYLOAD_INVALID, HTTPStatus.OK),
        ("huge", Failure.PAYLOAD_INVALID, HTTPStatus.OK),
        ("html", Failure.UPSTREAM_ERROR, HTTPStatus.BAD_GATEWAY),
        ("bad_key", Failure.KEY_INVALID, None),
        ("relink", Failure.UNLINKED, HTTPStatus.BAD_REQUEST),
    ],
)
async def test_real_misbehaviour_over_a_real_socket(
    ayrshare: Ayrshare, fault: str, failure: Failure, status: int | None
) -> None:
    await ayrshare.fault("client-001", fault)
    error = await opened(ayrshare, patience=0.5 if fault == "hang" else 10.0)
    assert error is not None
    assert error.failure is failure
    assert status is None or error.http_status == status
    await ayrshare.heal()
    assert await opened(ayrshare) is None


async def list_profiles(pages: int, cursor_of: Callable[[int], str]) -> list[str]:
    """List the profiles of an agency, one a page; after page ``n`` comes the cursor ``cursor_of(n)``."""
    asked = itertools.count()

    def page(_url: URL, **_: Any) -> CallbackResult:
        number = next(asked)
        pagination = {"hasMore": number + 1 < pages, "nextCursor": cursor_of(number)}
        return CallbackResult(payload={"profiles": [{"title": str(number)}], "pagination": pagination})

    async with aiohttp.ClientSession() as session:
        with aioresponses() as mocked:
            mocked.get(re.compile(".*"), callback=page, repeat=True)
            return [entry.title async for entry in client(session).profiles()]


async def test_no_page_of_profiles_is_one_too_many() -> None:
    assert await list_profiles(1200, cursor_of=str) == [str(number) for number in range(1200)]


@pytest.mark.parametrize("length", [1, 3])
async def test_pages_of_profiles_that_go_round_in_a_circle_are_an_error(length: int) -> None:
    with pytest.raises(AyrshareError, match="does not end"):
        await list_profiles(1200, cursor_of=lambda number: str(number % length))


async def test_all_pages_of_profiles_are_read(ayrshare: Ayrshare) -> None:
    async with open_client(
        url=ayrshare.url, api_key=SecretStr(ayrshare.config.api_key), request_timeout=5.0, connections=2
    ) as real:
        entries = [entry async for entry in real.profiles()]
    assert [entry.title for entry in entries] == [ayrshare.identity(index).title for index in range(50)]


async def analytics_of(a_client: AyrshareClient) -> object:
    return await a_client.account_analytics(PROFILE_KEY, today=TODAY)


async def profiles_of(a_client: AyrshareClient) -> object:
    return [entry async for entry in a_client.profiles()]


async def publish_by(a_client: AyrshareClient) -> object:
    content = PinContent(media_urls=("https://images.example/a.jpg",))
    return await a_client.publish(PROFILE_KEY, content, idempotency_key="k", notes="n")


async def history_of(a_client: AyrshareClient) -> object:
    return await a_client.history(PROFILE_KEY, since=datetime(2026, 11, 24, tzinfo=UTC), days=2)


async def native_pins_of(a_client: AyrshareClient) -> object:
    return await a_client.native_pins(PROFILE_KEY)


CALLS = [
    (analytics_of, GOOD),
    (profiles_of, {"profiles": []}),
    (publish_by, {"status": "success", "postIds": [], "id": "a"}),
    (history_of, {"history": []}),
    (native_pins_of, {"posts": []}),
]
REFUSED = {"status": "error", "message": "API Key not valid"}


@pytest.mark.parametrize(("call", "good"), CALLS)
async def test_the_verdict_on_every_call_is_reported(
    call: Callable[[AyrshareClient], Awaitable[object]], good: object
) -> None:
    verdicts: list[tuple[Failure | None, int | None]] = []
    answers: list[tuple[dict[str, Any], tuple[Failure | None, int | None]]] = [
        ({"payload": good}, (None, 200)),
        ({"payload": REFUSED, "status": 401}, (Failure.UNAUTHORIZED, 401)),
        ({"body": "<html>"}, (Failure.PAYLOAD_INVALID, 200)),
        ({"exception": TimeoutError()}, (Failure.TIMEOUT, None)),
    ]
    async with aiohttp.ClientSession() as session:
        told = client(session, on_verdict=lambda failure, status: verdicts.append((failure, status)))
        for answer, _ in answers:
            with aioresponses() as mocked, suppress(AyrshareError):
                for method in (mocked.get, mocked.post):
                    method(re.compile(".*"), **answer)
                await call(told)
    assert verdicts == [verdict for _, verdict in answers]


@pytest.mark.parametrize(("size", "here"), [(100_000, True), (1_000_000, False)])
async def test_a_large_answer_is_read_off_the_event_loop(
    ayrshare: Ayrshare,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    here: bool,
) -> None:
    threads = []

    def parse(*answer: Any, **others: Any) -> object:
        threads.append(threading.current_thread())
        return parse_account_analytics(*answer, **others)

    monkeypatch.setattr("collector.ayrshare.client.parse_account_analytics", parse)
    await ayrshare.fault("client-001", "bloated", size_bytes=size)
    assert await opened(ayrshare) is None
    assert (threads == [threading.main_thread()]) is here
