"""Decides who may see which page: by a token, or without one by being on this machine."""

import hmac
from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr
from yarl import URL

from collector.config import OpenPages, is_loopback

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
# They hold no data: the front page is the same for everybody.
_ALWAYS_OPEN = frozenset({"/"})
_PATHS = {
    OpenPages.HEALTH: frozenset({"/healthz", "/readyz"}),
    OpenPages.METRICS: frozenset({"/metrics", "/metrics/profiles"}),
}


class Door:
    """Knows the tokens: ``full`` may do everything, ``read`` may look; ``opened`` pages need none."""

    def __init__(
        self, *, full: SecretStr | None = None, read: SecretStr | None = None, opened: Collection[OpenPages] = ()
    ) -> None:
        self._full = full
        self._read = read
        self._open = _ALWAYS_OPEN.union(*(_PATHS[pages] for pages in opened))

    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            self._check(request)
            return await handler(request)

        return check

    def _check(self, request: web.Request) -> None:
        reads = request.method in _READING
        if reads and request.path in self._open:
            return
        if self._full is None and self._read is None:
            _insist_on_this_machine(request)
            return
        token = _bearer(request)
        if _same(token, self._full) or (reads and _same(token, self._read)):
            return
        if _same(token, self._read):
            raise web.HTTPForbidden(text="this token may only read; COLLECTOR_API_TOKEN may change things\n")
        raise web.HTTPUnauthorized(
            text="send COLLECTOR_API_TOKEN or COLLECTOR_API_TOKEN_READ as `Authorization: Bearer TOKEN`\n",
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _same(token: str, expected: SecretStr | None) -> bool:
    if expected is None:
        return False
    return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), expected.get_secret_value().encode())


def _insist_on_this_machine(request: web.Request) -> None:
    """Refuse what a page of another site makes a browser on this machine send, under a name of that site or not."""
    hosts = [request.headers.get(hdrs.HOST, "")]
    if (origin := request.headers.get(hdrs.ORIGIN)) is not None:
        hosts.append(origin.partition("://")[2])
    if not all(is_loopback(_host(each)) for each in hosts):
        raise web.HTTPForbidden(
            text="without COLLECTOR_API_TOKEN, these pages are for this machine, under the name localhost\n"
        )


def _host(authority: str) -> str:
    try:
        return URL(f"//{authority}").host or ""
    except ValueError:
        return ""
