"""Ayrshare over HTTP: one method an endpoint over one ``_request``, and every failure one classified error."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import ClassVar

import aiohttp
import msgspec
from pydantic import SecretStr
from yarl import URL

from collector import __version__
from collector.ayrshare.history import parse_history
from collector.ayrshare.parse import parse_account_analytics
from collector.ayrshare.post import PostAnswer, parse_post, post_body
from collector.ayrshare.profiles import ProfileEntry, parse_profiles
from collector.ayrshare.refusal import failure, unreadable
from collector.errors import AyrshareError
from collector.models import AccountAnalytics, Failure, History, PinContent, SeenAnswer
from collector.telemetry import API_REQUEST_DURATION, API_REQUESTS

# 90 days of an account with video are 60 kB; what is a hundred times that is not an answer.
LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
_TOO_LARGE = f"the answer is larger than {LARGEST_ANSWER_BYTES // 1024**2} MiB"
# Ayrshare's largest page of profiles.
_PAGE = "5000"
_MOST_PAGES = 1000

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": f"pinterest-collector/{__version__}",
}


class RateLimit(msgspec.Struct, frozen=True):
    """How much of its five-minute window a profile has used; None where Ayrshare did not say."""

    maximum: int | None
    count: int | None

    @property
    def nearly_spent(self) -> bool:
        return self.maximum is not None and self.count is not None and self.count >= 0.9 * self.maximum


class _Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    rate_limit: RateLimit
    retry_after: str | None


class AyrshareClient:
    """Calls Ayrshare with the agency's API key, for a profile where its key is given.

    Every method raises :class:`AyrshareError`, in which neither key can appear.
    """

    _ANALYTICS_BODY: ClassVar[bytes] = b'{"platforms":["pinterest"]}'

    def __init__(self, session: aiohttp.ClientSession, *, url: str, api_key: SecretStr) -> None:
        self._session = session
        self._api_key = api_key
        self._authorization = f"Bearer {api_key.get_secret_value()}"
        self._social = URL(f"{url}/analytics/social")
        self._profiles = URL(f"{url}/profiles")
        self._post = URL(f"{url}/post")
        self._history = URL(f"{url}/history")

    async def account_analytics(
        self, profile_key: SecretStr, *, known: int | None = None
    ) -> tuple[AccountAnalytics | SeenAnswer, RateLimit]:
        """``POST /analytics/social``: the window of days that Ayrshare holds of the profile's Pinterest account.

        An answer whose digest is ``known`` is not read further.
        """
        answer = await self._request("POST", self._social, "/analytics/social", profile_key, self._ANALYTICS_BODY)
        return parse_account_analytics(answer.body, today=datetime.now(UTC).date(), known=known), answer.rate_limit

    async def profiles(self) -> AsyncIterator[ProfileEntry]:
        """``GET /profiles``: all client profiles of the agency, page by page. It never tells their keys."""
        url = self._profiles.with_query(limit=_PAGE)
        for _ in range(_MOST_PAGES):
            answer = await self._request("GET", url, "/profiles")
            page = parse_profiles(answer.body)
            for entry in page.entries:
                yield entry
            if page.next_cursor is None:
                return
            url = self._profiles.with_query(limit=_PAGE, cursor=page.next_cursor)

    async def publish(
        self, profile_key: SecretStr, content: PinContent, *, idempotency_key: str, notes: str
    ) -> PostAnswer:
        """``POST /post``: publish a pin, now. Never called twice for an attempt: Pinterest takes the same pin again."""
        body = post_body(content, idempotency_key=idempotency_key, notes=notes)
        answer = await self._send("POST", self._post, "/post", profile_key, body)
        return parse_post(answer.status, answer.body, retry_after=answer.retry_after)

    async def history(self, profile_key: SecretStr, *, days: int, limit: int) -> History:
        """``GET /history``: the profile's last posts to Pinterest, at most ``limit`` of at most ``days`` days."""
        url = self._history.with_query({"platforms[0]": "pinterest", "lastDays": str(days), "limit": str(limit)})
        answer = await self._send("GET", url, "/history", profile_key)
        return parse_history(answer.status, answer.body, retry_after=answer.retry_after)

    async def _request(
        self, method: str, url: URL, endpoint: str, profile_key: SecretStr | None = None, body: bytes | None = None
    ) -> _Answer:
        """Send a call and insist on its success."""
        answer = await self._send(method, url, endpoint, profile_key, body)
        if answer.status != HTTPStatus.OK:
            refused = failure(answer.status, answer.body, retry_after=answer.retry_after)
            if refused is not None:
                raise refused
        return answer

    async def _send(
        self, method: str, url: URL, endpoint: str, profile_key: SecretStr | None = None, body: bytes | None = None
    ) -> _Answer:
        """Send a call, once, and measure it; any answer is one."""
        started = time.perf_counter()
        status = "error"
        try:
            answer = await self._exchange(method, url, profile_key, body)
            status = str(answer.status)
        except AyrshareError as error:
            status = error.failure.value
            raise
        finally:
            _requests(endpoint, status).inc()
            _durations(endpoint).observe(time.perf_counter() - started)
        return answer

    async def _exchange(self, method: str, url: URL, profile_key: SecretStr | None, body: bytes | None) -> _Answer:
        headers = {"Authorization": self._authorization}
        if profile_key is not None:
            headers["Profile-Key"] = profile_key.get_secret_value()
        try:
            # A redirect would carry the keys to wherever it points.
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                chunks = await _read(response)
                read = self._without_keys(b"".join(chunks), profile_key)
                if sum(map(len, chunks)) > LARGEST_ANSWER_BYTES:
                    raise unreadable(read, _TOO_LARGE, http_status=response.status)
                return _Answer(
                    response.status,
                    read,
                    RateLimit(_whole(response, "x-ratelimit-max"), _whole(response, "x-ratelimit-count")),
                    response.headers.get("Retry-After"),
                )
        except TimeoutError:
            raise AyrshareError(Failure.TIMEOUT, f"no answer from {url.authority} in time") from None
        except aiohttp.ClientError as error:
            unsent = isinstance(error, aiohttp.ClientConnectorError)
            raise AyrshareError(
                Failure.NETWORK, f"no answer from {url.authority}: {_reason(error)}", unsent=unsent
            ) from None

    def _without_keys(self, body: bytes, profile_key: SecretStr | None) -> bytes:
        """Return an answer without our keys, should somebody have echoed one, before anything is cut of it."""
        for key in (self._api_key, profile_key):
            secret = key.get_secret_value().encode() if key is not None else b""
            if secret and secret in body:
                body = body.replace(secret, b"[redacted]")
        return body


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


def _whole(response: aiohttp.ClientResponse, header: str) -> int | None:
    text = response.headers.get(header, "")
    return int(text) if text.isdecimal() and len(text) < 9 else None  # noqa: PLR2004 -- what fits an integer column


def _reason(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.strerror or error.os_error}; check COLLECTOR_AYRSHARE_URL if it stays so"
    return " ".join(str(error).split())[:200] or type(error).__name__


@asynccontextmanager
async def open_client(
    *, url: str, api_key: SecretStr, request_timeout: float, connections: int, idle_seconds: float = 15.0
) -> AsyncIterator[AyrshareClient]:
    """Yield a client with at most ``connections`` connections, each used again if idle for ``idle_seconds`` at most.

    ``request_timeout`` (seconds) bounds a whole call.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300, keepalive_timeout=idle_seconds),
        # Cookies would travel from one client's profile to the next.
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=aiohttp.ClientTimeout(total=request_timeout),
    ) as session:
        yield AyrshareClient(session, url=url, api_key=api_key)
