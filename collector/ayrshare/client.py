"""Calls Ayrshare over HTTP: a method for each endpoint, and a classified error for each failure."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import cache
from http import HTTPStatus
from typing import ClassVar, TypeVar

import aiohttp
import msgspec
from pydantic import SecretStr
from yarl import URL

from collector import __version__
from collector.ayrshare.analytics import parse_account_analytics
from collector.ayrshare.boards import parse_boards
from collector.ayrshare.history import parse_history
from collector.ayrshare.native import parse_native_pins
from collector.ayrshare.pin_numbers import PinAnswer, parse_pin_numbers, pin_numbers_body
from collector.ayrshare.post import PostAnswer, parse_post, post_body
from collector.ayrshare.profiles import ProfileEntry, ProfilesPage, parse_profiles
from collector.ayrshare.redaction import Redactor
from collector.ayrshare.refusal import clean, failure, unreadable
from collector.ayrshare.user import parse_account_name
from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics, SeenAnswer
from collector.models.history import History, NativePins
from collector.models.outcome import Failure
from collector.models.pin import Board, PinContent
from collector.models.poll import RateLimit
from collector.telemetry import API_REQUEST_DURATION, API_REQUESTS
from collector.tracing import span

# 90 days of an account with video are 60 kB; what is a hundred times that is not an answer.
LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
# Work on it takes milliseconds, in which nothing else would run.
_LARGE_BYTES = 256 * 1024
_LONGEST_REASON = 200
# What fits an integer column.
_MOST_DIGITS = 8
_TOO_LARGE = f"the answer is larger than {LARGEST_ANSWER_BYTES // 1024**2} MiB"
# Ayrshare's largest page of profiles.
_PAGE = "5000"
# Its largest pages of posts and of native pins; a server may give less.
_POSTS = "1000"
_NATIVE_PINS = "500"

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": f"pinterest-collector/{__version__}",
}

# Takes how a call failed (None: not at all) and the HTTP status of its answer (None: there was none).
OnVerdict = Callable[[Failure | None, int | None], None]
_Result = TypeVar("_Result")


class _Answer(msgspec.Struct, frozen=True):
    status: int
    # Without our keys; ``as_it_came`` with them, for a key can be a word of the answer.
    body: bytes
    as_it_came: bytes
    rate_limit: RateLimit
    retry_after: str | None


class _Endpoint(msgspec.Struct, frozen=True):
    path: str
    url: URL


def _ignore(_failure: Failure | None, _http_status: int | None) -> None:
    pass


class AyrshareClient:
    """Calls Ayrshare with the agency's API key, for a profile where its key is given.

    Every method raises :class:`AyrshareError`, in which neither key can appear. ``on_verdict`` is told of every call.
    """

    _ANALYTICS_BODY: ClassVar[bytes] = b'{"platforms":["pinterest"]}'

    def __init__(
        self, session: aiohttp.ClientSession, *, url: str, api_key: SecretStr, on_verdict: OnVerdict = _ignore
    ) -> None:
        self._session = session
        self._on_verdict = on_verdict
        self._api_key = api_key
        self._authorization = f"Bearer {api_key.get_secret_value()}"
        self._social, self._pin, self._profiles, self._post, self._history, self._native, self._details, self._user = (
            _Endpoint(path, URL(url + path))
            for path in (
                *("/analytics/social", "/analytics/post", "/profiles", "/post", "/history", "/history/pinterest"),
                *("/user/details", "/user"),
            )
        )

    async def account_analytics(
        self, profile_key: SecretStr, *, today: date, known: int | None = None
    ) -> tuple[AccountAnalytics | SeenAnswer, RateLimit]:
        """``POST /analytics/social``: the window of days that Ayrshare holds of the profile's Pinterest account.

        No day long after ``today`` is believed. An answer whose digest is ``known`` is not read further.
        """

        def read(answer: _Answer) -> tuple[AccountAnalytics | SeenAnswer, RateLimit]:
            _insist_on_success(answer)
            return parse_account_analytics(answer.body, today=today, known=known), answer.rate_limit

        return await self._call("POST", self._social, read, profile_key=profile_key, body=self._ANALYTICS_BODY)

    async def pin_numbers(
        self, profile_key: SecretStr, *, ayrshare_id: str | None, pinterest_pin_id: str | None
    ) -> tuple[PinAnswer, RateLimit]:
        """``POST /analytics/post``: the totals of a pin, of which one of the ids is known."""

        def read(answer: _Answer) -> tuple[PinAnswer, RateLimit]:
            numbers = parse_pin_numbers(
                answer.status,
                answer.body,
                ayrshare_id=ayrshare_id,
                pinterest_pin_id=pinterest_pin_id,
                retry_after=answer.retry_after,
            )
            return numbers, answer.rate_limit

        body = pin_numbers_body(ayrshare_id=ayrshare_id, pinterest_pin_id=pinterest_pin_id)
        return await self._call("POST", self._pin, read, profile_key=profile_key, body=body)

    async def profiles(self) -> AsyncIterator[ProfileEntry]:
        """``GET /profiles``: all client profiles of the agency, page by page, without their keys.

        Raises: AyrshareError, also when the list does not end, so that nobody takes a part of it for the whole.
        """

        def read(answer: _Answer) -> ProfilesPage:
            _insist_on_success(answer)
            return parse_profiles(answer.body)

        cursors: set[str] = set()
        query = {"limit": _PAGE}
        while True:
            page = await self._call("GET", self._profiles, read, query=query)
            for entry in page.entries:
                yield entry
            if page.next_cursor is None:
                return
            if page.next_cursor in cursors:
                raise AyrshareError(Failure.PAYLOAD_INVALID, "the list of profiles does not end: a cursor came twice")
            cursors.add(page.next_cursor)
            query = {"limit": _PAGE, "cursor": page.next_cursor}

    async def insist_on_answer(self) -> None:
        """``GET /profiles`` for one profile: the cheapest call that tells whether the API key is good."""
        await self._call("GET", self._profiles, _insist_on_success, query={"limit": "1"})

    async def publish(
        self, profile_key: SecretStr, content: PinContent, *, idempotency_key: str, notes: str
    ) -> PostAnswer:
        """``POST /post``: publish a pin, now. Never called twice for an attempt: Pinterest takes the same pin again."""

        def read(answer: _Answer) -> PostAnswer:
            return parse_post(answer.status, answer.body, retry_after=answer.retry_after)

        body = post_body(content, idempotency_key=idempotency_key, notes=notes)
        return await self._call("POST", self._post, read, profile_key=profile_key, body=body)

    async def history(
        self, profile_key: SecretStr, *, since: datetime, days: int, until: datetime | None = None
    ) -> History:
        """``GET /history``: the profile's posts to Pinterest since then, or as many of them as Ayrshare shows.

        ``days`` is how many days that is, for a server that knows of no dates.
        """

        def read(answer: _Answer) -> History:
            return parse_history(answer.status, answer.body, retry_after=answer.retry_after)

        query = {"platforms[0]": "pinterest", "lastDays": str(days), "limit": _POSTS, "startDate": _stamp(since)}
        if until is not None:
            query["endDate"] = _stamp(until)
        return await self._call("GET", self._history, read, profile_key=profile_key, query=query)

    async def boards(self, profile_key: SecretStr) -> list[Board]:
        """``GET /user/details``: the boards of the profile's account."""

        def read(answer: _Answer) -> list[Board]:
            return parse_boards(answer.status, answer.body, retry_after=answer.retry_after)

        return await self._call("GET", self._details, read, profile_key=profile_key)

    async def native_pins(
        self, profile_key: SecretStr, *, cursor: str | None = None, analytics: bool = False
    ) -> NativePins:
        """``GET /history/pinterest``: the account's pins, whoever made them, the newest first.

        With ``analytics``, their numbers come too, if Ayrshare has them.
        """

        def read(answer: _Answer) -> NativePins:
            return parse_native_pins(answer.status, answer.body, retry_after=answer.retry_after)

        query = {"limit": _NATIVE_PINS, "skipAnalytics": "false" if analytics else "true"}
        query |= {"cursor": cursor} if cursor is not None else {}
        return await self._call("GET", self._native, read, profile_key=profile_key, query=query)

    async def account_name(self, profile_key: SecretStr) -> str | None:
        """``GET /user``: what the profile's Pinterest account is called; None where Ayrshare does not tell.

        How it fails is no verdict on the API key or the profile: the endpoint may not be part of the plan.
        """
        answer = await self._send("GET", self._user.url, self._user.path, profile_key, None)
        usable = answer.status == HTTPStatus.OK and len(answer.body) <= _LARGE_BYTES
        return parse_account_name(answer.body) if usable else None

    async def _call(
        self,
        method: str,
        endpoint: _Endpoint,
        read: Callable[[_Answer], _Result],
        *,
        profile_key: SecretStr | None = None,
        body: bytes | None = None,
        query: dict[str, str] | None = None,
    ) -> _Result:
        """Send a call, once, read its answer, and report the verdict."""
        url = endpoint.url if query is None else endpoint.url.with_query(query)
        try:
            answer = await self._send(method, url, endpoint.path, profile_key, body)
            large = len(answer.body) > _LARGE_BYTES
            result = await asyncio.to_thread(_read_answer, read, answer) if large else _read_answer(read, answer)
        except AyrshareError as error:
            self._on_verdict(error.failure, error.http_status)
            raise
        self._on_verdict(None, HTTPStatus.OK)
        return result

    async def _send(
        self, method: str, url: URL, path: str, profile_key: SecretStr | None, body: bytes | None
    ) -> _Answer:
        """Send a call and measure it; an answer of any status is returned."""
        started = time.perf_counter()
        status = "error"
        try:
            with span("call", method=method, path=path) as calling:
                answer = await self._exchange(method, url, profile_key, body)
                calling.note(status=answer.status, bytes=len(answer.body))
            status = str(answer.status)
        except AyrshareError as error:
            status = error.failure.value
            raise
        finally:
            _requests(path, status).inc()
            _durations(path).observe(time.perf_counter() - started)
        return answer

    async def _exchange(self, method: str, url: URL, profile_key: SecretStr | None, data: bytes | None) -> _Answer:
        headers = {"Authorization": self._authorization}
        if profile_key is not None:
            headers["Profile-Key"] = profile_key.get_secret_value()
        redactor = Redactor((self._api_key, profile_key))
        try:
            # A redirect would carry the keys to wherever it points.
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                chunks = await _read(response)
                body = b"".join(chunks)
                # The largest takes a second when it is full of escapes.
                large = len(body) > _LARGE_BYTES
                cleared = await asyncio.to_thread(redactor.clear, body) if large else redactor.clear(body)
                if len(body) > LARGEST_ANSWER_BYTES:
                    raise unreadable(cleared, _TOO_LARGE, http_status=response.status)
                return _Answer(
                    response.status,
                    cleared,
                    body,
                    RateLimit(_whole(response, "x-ratelimit-max"), _whole(response, "x-ratelimit-count")),
                    response.headers.get("Retry-After"),
                )
        except TimeoutError:
            raise AyrshareError(Failure.TIMEOUT, f"no answer from {url.authority} in time") from None
        except aiohttp.ClientError as error:
            unsent = isinstance(error, aiohttp.ClientConnectorError)
            # The library quotes what it could not read.
            reason = clean(redactor.clear_text(_reason(error)), _LONGEST_REASON)
            raise AyrshareError(Failure.NETWORK, f"no answer from {url.authority}: {reason}", unsent=unsent) from None


def _read_answer(read: Callable[[_Answer], _Result], answer: _Answer) -> _Result:
    """Read an answer: whether it failed, and how, by what came, and all that it says without our keys."""
    with span("parse"):
        if answer.as_it_came is not answer.body:
            try:
                read(msgspec.structs.replace(answer, body=answer.as_it_came))
            except AyrshareError as error:
                raise _without_keys(error, read, answer) from None
        return read(answer)


def _without_keys(error: AyrshareError, read: Callable[[_Answer], _Result], answer: _Answer) -> AyrshareError:
    message, excerpt = f"HTTP {answer.status}, the answer holds a key", None
    try:
        read(answer)
    except AyrshareError as told:
        message, excerpt = str(told), told.excerpt
    return AyrshareError(
        error.failure,
        message,
        http_status=error.http_status,
        code=error.code,
        retry_after_seconds=error.retry_after_seconds,
        excerpt=excerpt,
        retry_available=error.retry_available,
        from_ayrshare=error.from_ayrshare,
    )


def _insist_on_success(answer: _Answer) -> None:
    if answer.status != HTTPStatus.OK:
        refused = failure(answer.status, answer.body, retry_after=answer.retry_after)
        if refused is not None:
            raise refused


# Finding a labelled child costs as much as all else that the library does for a request.
_requests = cache(API_REQUESTS.labels)
_durations = cache(API_REQUEST_DURATION.labels)


async def _read(response: aiohttp.ClientResponse) -> list[bytes]:
    """Read an answer, or a little more of it than is accepted."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER_BYTES:
            # Not read to its end, so the connection cannot be used again.
            response.close()
            break
    return chunks


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole(response: aiohttp.ClientResponse, header: str) -> int | None:
    text = response.headers.get(header, "")
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _reason(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.strerror or error.os_error}; check COLLECTOR_AYRSHARE_URL if it stays so"
    return " ".join(str(error).split()) or type(error).__name__


@asynccontextmanager
async def open_client(
    *,
    url: str,
    api_key: SecretStr,
    request_timeout: float,
    connections: int,
    idle_seconds: float = 15.0,
    on_verdict: OnVerdict = _ignore,
) -> AsyncIterator[AyrshareClient]:
    """Yield a client with at most ``connections`` connections, each used again if idle for ``idle_seconds`` at most.

    ``request_timeout`` (seconds) bounds a whole call. ``on_verdict`` is told of every one.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300, keepalive_timeout=idle_seconds),
        # Cookies would travel from one client's profile to the next.
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=aiohttp.ClientTimeout(total=request_timeout),
    ) as session:
        yield AyrshareClient(session, url=url, api_key=api_key, on_verdict=on_verdict)
