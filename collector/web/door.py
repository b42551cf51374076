"""Decides who may see which page, by a token, a session, or by being on this machine; and signs browsers in and out."""

import time
from collections.abc import Awaitable, Callable, Collection
from math import ceil
from urllib.parse import urlencode

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from collector.access import VISITOR, ApiToken, Audience, Entry, Visitor, audience
from collector.config import OpenPages
from collector.web.guesses import Guesses
from collector.web.origin import Origin, is_of_a_browser, names_this_machine
from collector.web.session import SECONDS, Sessions, claimed_id
from collector.web.tokens import Tokens

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_PATHS = {
    OpenPages.HEALTH: frozenset({"/healthz", "/readyz"}),
    OpenPages.METRICS: frozenset({"/metrics", "/metrics/profiles"}),
}
SIGN_IN = "/sign-in"


class Door:
    """Lets visitors in by their ``tokens``; ``opened`` pages need none. Handlers find the visitor at `VISITOR`."""

    def __init__(
        self, tokens: Tokens | None = None, *, opened: Collection[OpenPages] = (), behind_proxy: bool = False
    ) -> None:
        self._tokens = tokens or Tokens()
        self._open = frozenset[str]().union(*(_PATHS[pages] for pages in opened))
        self._sessions = Sessions(self._tokens.pepper())
        self._origin = Origin(behind_proxy=behind_proxy)
        self._guesses = Guesses(time.monotonic)

    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            await self._check(request)
            return await handler(request)

        return check

    async def _check(self, request: web.Request) -> None:
        if request.method not in _READING and _bearer(request) is None and self._origin.is_foreign(request):
            raise web.HTTPForbidden(text="a page of another site sent this; nothing was done\n")
        known_to = audience(request.match_info.handler)
        if known_to is Audience.EVERYBODY or (request.method in _READING and request.path in self._open):
            return
        visitor = await self._visitor(request)
        if visitor is None:
            raise _unknown(request)
        _insist_on_rights(request, visitor, known_to)
        request[VISITOR] = visitor

    async def _visitor(self, request: web.Request) -> Visitor | None:
        if (token := _bearer(request)) is not None:
            return _as_visitor(await self._insist_on(token, request), Entry.TOKEN)
        if (found := await self._session(request)) is not None:
            if request.method not in _READING and not is_of_a_browser(request):
                raise web.HTTPForbidden(text="a session is for browsers, which say what page sends this; use a token\n")
            return _as_visitor(found, Entry.SESSION)
        if self._tokens.required:
            return None
        if not names_this_machine(request):
            raise web.HTTPForbidden(
                text="without COLLECTOR_API_TOKEN, these pages are for this machine, under the name localhost\n"
            )
        return Visitor(may_change=True, entry=Entry.LOCAL)

    async def _insist_on(self, token: str, request: web.Request) -> ApiToken:
        """Return what a token may do. Raises an ``HTTPException`` for a wrong one, and after many wrong ones."""
        address = self._origin.address(request)
        if seconds := self._guesses.seconds_to_wait(address):
            raise web.HTTPTooManyRequests(
                text=f"too many wrong tokens from {address}; the next one is looked at in {ceil(seconds)} s\n",
                headers={hdrs.RETRY_AFTER: str(ceil(seconds))},
            )
        found = await self._tokens.find(token)
        if found is None:
            self._guesses.failed(address)
            raise _unauthorized("this token is none of those that are known; it may have been revoked\n")
        return found

    async def known(self, request: web.Request) -> Visitor | None:
        """Return who looks at a page that is open to everybody, if a session tells."""
        token = await self._session(request)
        return _as_visitor(token, Entry.SESSION) if token is not None else None

    async def _session(self, request: web.Request) -> ApiToken | None:
        cookie = request.cookies.get(self._cookie_name(request), "")
        token_id = claimed_id(cookie)
        token = await self._tokens.by_id(token_id) if token_id is not None else None
        return token if token is not None and self._sessions.holds(cookie, token, time.time()) else None

    def _cookie_name(self, request: web.Request) -> str:
        # With this prefix, browsers let no other name of the domain set it.
        return "__Host-collector" if self._origin.is_https(request) else "collector"

    async def sign_in(self, request: web.Request, token: str, answer: web.Response) -> None:
        """Let an answer begin a session. Raises an ``HTTPException`` with the reason where the token is wrong."""
        found = await self._insist_on(token, request)
        self._set_cookie(request, answer, self._sessions.issue(found, time.time()), SECONDS)

    def sign_out(self, request: web.Request, answer: web.Response) -> None:
        """Let an answer end the session of the browser."""
        self._set_cookie(request, answer, "", 0)

    def _set_cookie(self, request: web.Request, answer: web.Response, value: str, seconds: int) -> None:
        name, secure = self._cookie_name(request), self._origin.is_https(request)
        answer.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="Strict", secure=secure)


def _as_visitor(token: ApiToken, entry: Entry) -> Visitor:
    return Visitor(may_change=token.may_change, entry=entry, client=token.client, name=token.name)


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _insist_on_rights(request: web.Request, visitor: Visitor, known_to: Audience | None) -> None:
    if not visitor.may_change and request.method not in _READING:
        raise web.HTTPForbidden(text="this token may only read\n")
    exists = request.match_info.http_exception is None
    if visitor.client is not None and known_to is not Audience.EACH_CLIENT and exists:
        raise web.HTTPForbidden(text=f"this token is for the client {visitor.client}; this page is about all clients\n")


def _unknown(request: web.Request) -> web.HTTPException:
    """Ask for a token: a person by the form, a program by a status."""
    if request.method in _READING and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        onward = urlencode({"next": request.path_qs})
        return web.HTTPSeeOther(f"{SIGN_IN}?{onward}")
    return _unauthorized("send a token as `Authorization: Bearer TOKEN`: COLLECTOR_API_TOKEN, or one of your own\n")


def _unauthorized(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=text, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
