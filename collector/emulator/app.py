"""The emulator as an aiohttp application, and as a server on a real socket."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from collector.emulator import analytics, posts, profiles
from collector.emulator.accounts import Account
from collector.emulator.config import EmulatorConfig
from collector.emulator.control import Control
from collector.emulator.errors import UNAUTHORIZED, RefusalError, refuse
from collector.emulator.state import Call, Emulator
from collector.emulator.wire import FAULTS_OF_THE_WORK, inject

EMULATOR: Final = web.AppKey("emulator", Emulator)
PREFIX: Final = "/api"

_Work = Callable[[Emulator, Call], bytes]
_SHUTDOWN_SECONDS = 0.2

_ENDPOINTS: Final[dict[str, _Work]] = {
    "POST /analytics/social": analytics.social,
    "POST /analytics/post": analytics.post,
    "POST /post": posts.publish,
    "DELETE /post": posts.delete,
    "POST /validate/post": posts.validate,
    "GET /history": posts.history,
    "GET /history/pinterest": posts.native_history,
    "GET /user/details": profiles.details,
    "GET /profiles": profiles.list_profiles,
    "POST /profiles": profiles.create_profile,
    "GET /user": profiles.user,
}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One of Ayrshare's endpoints: checks a request, applies its faults, does its work."""

    emulator: Emulator
    name: str
    work: _Work

    async def handle(self, request: web.Request) -> web.StreamResponse:
        record = self.emulator.record
        account = self.emulator.accounts.by_key(self._key(request))
        title = None if account is None else account.title
        record.enter(self.name, title)
        try:
            response = await self._answer(request)
        except RefusalError as refusal:
            response = _refused(refusal)
        except ConnectionError:
            # The client closed the connection during its request; nobody reads an answer.
            response = web.Response(status=400)
        finally:
            record.leave(title)
        if account is not None and not response.prepared:
            response.headers["x-ratelimit-max"] = str(self.emulator.config.rate_limit)
            response.headers["x-ratelimit-count"] = str(account.window_count)
        record.answered(title, response.status)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        account = self._admitted(request)
        drawn = self.emulator.faults.draw(account.title, self.name)
        if drawn.latency_seconds:
            await asyncio.sleep(drawn.latency_seconds)
        call = Call(
            account=account,
            keyed=self._key(request) is not None,
            now=self.emulator.clock.now(),
            endpoint=self.name,
            raw_body=await request.read(),
            query=request.query,
            fault=drawn.fault,
        )
        if drawn.fault is None or drawn.fault.fault in FAULTS_OF_THE_WORK:
            return web.Response(body=self.work(self.emulator, call), content_type="application/json")
        return await inject(drawn.fault, request, lambda: self.work(self.emulator, call))

    def _admitted(self, request: web.Request) -> Account:
        config = self.emulator.config
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {config.api_key}".encode()):
            raise refuse(UNAUTHORIZED)
        account = self.emulator.accounts.require(self._key(request))
        account.spend(self.emulator.clock.now(), config)
        return account

    def _key(self, request: web.Request) -> str | None:
        # The list of profiles belongs to the API key; Ayrshare ignores a Profile-Key there.
        return None if self.name.endswith("/profiles") else request.headers.get("Profile-Key")


def make_app(config: EmulatorConfig) -> web.Application:
    """Make the application; its state is `app[EMULATOR]`. Control is reachable with and without the `/api`."""
    emulator = Emulator(config)
    app = web.Application()
    app[EMULATOR] = emulator
    for name, work in _ENDPOINTS.items():
        method, path = name.split()
        app.router.add_route(method, PREFIX + path, _Endpoint(emulator, name, work).handle)
    control = Control(emulator, tuple(_ENDPOINTS))
    app.add_routes(control.routes("") + control.routes(PREFIX))
    return app


@asynccontextmanager
async def serve(what: EmulatorConfig | web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serve an emulator and yield its base URL, which ends in `/api`; port 0 finds a free one."""
    app = what if isinstance(what, web.Application) else make_app(what)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}"
    finally:
        await runner.cleanup()


def _refused(refusal: RefusalError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(refusal.body),
        status=refusal.http_status,
        headers=refusal.headers,
        content_type="application/json",
    )
