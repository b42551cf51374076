"""Tokens in the database, sessions of browsers, and what a visitor may do, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from collector.access import VISITOR, ApiToken, Visitor, digest, for_each_client, new_token, open_to_everybody
from collector.errors import DatabaseUnavailableError
from collector.loops.every import Heartbeats
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.token import TokenStore
from collector.web.door import Door
from collector.web.guesses import MOST_FAILURES, PERIOD_SECONDS
from collector.web.health import Health
from collector.web.server import Pages, serving
from collector.web.session import SECONDS, Sessions
from collector.web.tokens import FRESH_SECONDS, Tokens
from tests.support.console import make_console
from tests.support.profiles import new_profile
from tests.support.program import Program

FULL, READ = "full-0123456789ab", "read-0123456789ab"


class MorePages(Pages):
    """The pages, and some that tell who looks."""

    def application(self, *middlewares: Middleware) -> web.Application:
        app = super().application(*middlewares)
        app.add_routes(
            [web.get("/mine", self.mine), web.post("/mine", self.mine), web.get("/all", self.everything),
             web.post("/all", self.everything), web.get("/open", self.open)]
        )  # fmt: skip
        return app

    @for_each_client
    async def mine(self, request: web.Request) -> web.Response:
        return await self.everything(request)

    async def everything(self, request: web.Request) -> web.Response:
        visitor: Visitor = request[VISITOR]
        return web.json_response(
            {"change": visitor.may_change, "entry": visitor.entry, "client": visitor.client, "name": visitor.name}
        )

    @open_to_everybody
    async def open(self, request: web.Request) -> web.Response:
        return web.json_response(VISITOR in request)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def pages(database: Database, door: Door | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    shown = MorePages(Health(database, Heartbeats(), hold=lambda: None), None, make_console(database))
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serving(shown, "127.0.0.1", 0, door=door) as url,
        aiohttp.ClientSession(url, cookie_jar=jar) as session,
    ):
        yield session


def door(database: Database, clock: Callable[[], float] | None = None, *, behind_proxy: bool = False) -> Door:
    tokens = Tokens(SecretStr(FULL), SecretStr(READ), TokenStore(database).known, clock or Clock())
    return Door(tokens, behind_proxy=behind_proxy)


async def made(database: Database, name: str, *, client: str | None = None, may_change: bool = True) -> str:
    token = new_token()
    await TokenStore(database).add(name, digest(token), client=client, may_change=may_change)
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(
    session: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, str]:
    async with session.request(method, path, headers=headers, allow_redirects=False, **more) as response:
        return response.status, await response.text()


async def sign_in(session: aiohttp.ClientSession, token: str, **headers: str) -> aiohttp.ClientResponse:
    form = {"token": token, "next": "/mine?a=1"}
    async with session.post("/sign-in", data=form, headers=headers, allow_redirects=False) as response:
        await response.read()
        return response


def same_origin(session: aiohttp.ClientSession) -> dict[str, str]:
    return {"Origin": str(session._base_url).rstrip("/")}


async def test_a_handler_knows_its_visitor(database: Database) -> None:
    mine = await made(database, "shop", client="acme", may_change=False)
    async with pages(database, door(database)) as session:
        for token, known in (
            (FULL, '{"change": true, "entry": "token", "client": null, "name": "COLLECTOR_API_TOKEN"}'),
            (READ, '{"change": false, "entry": "token", "client": null, "name": "COLLECTOR_API_TOKEN_READ"}'),
            (mine, '{"change": false, "entry": "token", "client": "acme", "name": "shop"}'),
        ):
            assert await ask(session, "GET", "/mine", bearer(token)) == (200, known)
        assert await ask(session, "GET", "/open") == (200, "false")
    async with pages(database) as session:
        local = '{"change": true, "entry": "local", "client": null, "name": null}'
        assert await ask(session, "POST", "/all") == (200, local)


async def test_a_token_of_a_client_opens_only_pages_that_know_of_clients(database: Database) -> None:
    mine = await made(database, "shop", client="acme")
    async with pages(database, door(database)) as session:
        assert (await ask(session, "POST", "/mine", bearer(mine)))[0] == 200
        for method, path in (("GET", "/all"), ("POST", "/all"), ("GET", "/metrics"), ("GET", "/metrics/profiles"),
                             ("GET", "/readyz"), ("GET", "/healthz")):  # fmt: skip
            status, text = await ask(session, method, path, bearer(mine))
            assert (status, "for the client acme" in text) == (403, True), path
        assert (await ask(session, "GET", "/nowhere", bearer(mine)))[0] == 404


async def test_a_read_only_token_changes_nothing(database: Database) -> None:
    read = await made(database, "auditor", may_change=False)
    async with pages(database, door(database)) as session:
        assert (await ask(session, "GET", "/all", bearer(read)))[0] == 200
        assert (await ask(session, "POST", "/mine", bearer(read))) == (403, "this token may only read\n")


async def test_a_revoked_token_and_its_sessions_end_within_seconds(database: Database) -> None:
    clock = Clock()
    token = await made(database, "shop")
    async with pages(database, door(database, clock)) as session:
        await sign_in(session, token)
        assert (await ask(session, "GET", "/all"))[0] == 200
        await TokenStore(database).revoke("shop")
        clock.now += FRESH_SECONDS
        assert (await ask(session, "GET", "/all", bearer(token)))[0] == 401
        assert (await ask(session, "GET", "/all"))[0] == 401


async def test_a_browser_signs_in_and_out(database: Database) -> None:
    async with pages(database, door(database)) as session:
        browser = {"Accept": "text/html"}
        async with session.get("/all?a=1&b", headers=browser, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/sign-in?next=/all?a%3D1%26b")
        assert 'name="next" value="&lt;&#34;"' in (await ask(session, "GET", '/sign-in?next=<"'))[1]
        answer = await sign_in(session, f" {READ} ")
        assert (answer.status, answer.headers["Location"]) == (303, "/mine?a=1")
        cookie = answer.headers["Set-Cookie"]
        assert {part.strip() for part in cookie.split(";")[1:]} == {
            "HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict",
        }  # fmt: skip
        assert READ not in cookie
        assert (
            '"entry": "session", "client": null, "name": "COLLECTOR_API_TOKEN_READ"'
            in (await ask(session, "GET", "/mine"))[1]
        )
        assert (await ask(session, "POST", "/sign-out", same_origin(session)))[0] == 303
        assert (await ask(session, "GET", "/mine"))[0] == 401


@pytest.mark.parametrize("onward", ["//example.com", "/\\example.com", "https://example.com", "", "/a\nb", "x"])
async def test_signing_in_leads_nowhere_else(database: Database, onward: str) -> None:
    async with pages(database, door(database)) as session:
        form = {"token": FULL, "next": onward}
        async with session.post("/sign-in", data=form, allow_redirects=False) as response:
            assert response.headers["Location"] == "/"


async def test_behind_a_proxy_with_https_the_cookie_is_for_https_only(database: Database) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "collector.example.com"}
    async with pages(database, door(database, behind_proxy=True)) as session:
        answer = await sign_in(session, FULL, **forwarded, Origin="https://collector.example.com")
        assert answer.headers["Set-Cookie"].startswith("__Host-collector=")
        assert "Secure" in answer.headers["Set-Cookie"]
    async with pages(database, door(database)) as session:
        answer = await sign_in(session, FULL, **forwarded)
        assert "Secure" not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "SELF"}, 200),
    ],
)
async def test_only_pages_of_this_server_change_things_with_a_session(
    database: Database, headers: dict[str, str], status: int
) -> None:
    async with pages(database, door(database)) as session:
        await sign_in(session, FULL)
        sent = {name: value.replace("SELF", same_origin(session)["Origin"]) for name, value in headers.items()}
        assert (await ask(session, "POST", "/all", sent))[0] == status
        assert (await ask(session, "POST", "/all", sent | bearer(FULL)))[0] == 200


async def test_another_page_of_this_machine_changes_nothing_without_a_token(database: Database) -> None:
    async with pages(database) as session:
        assert (await ask(session, "POST", "/all", {"Origin": "http://127.0.0.1:1"}))[0] == 403
        assert (await ask(session, "POST", "/all", {"Sec-Fetch-Site": "same-site"}))[0] == 403
        assert (await ask(session, "POST", "/all", same_origin(session)))[0] == 200
        assert (await ask(session, "POST", "/sign-in", {"Origin": "https://example.com"}))[0] == 403


@pytest.mark.parametrize("cookie", ["", "0", "0.99999999999.00", "x.y.z", f"0.99999999999.{'0' * 64}", "\u0660.1.2"])
async def test_a_made_up_cookie_opens_nothing(database: Database, cookie: str) -> None:
    async with pages(database, door(database)) as session:
        assert (await ask(session, "GET", "/all", {"Cookie": f"collector={cookie}"}))[0] == 401


def test_a_session_ends_with_its_time_its_token_and_the_tokens_of_the_settings() -> None:
    [full, read] = Tokens(SecretStr(FULL), SecretStr(READ))._settings
    sessions = Sessions(b"pepper")
    cookie = sessions.issue(full, 1000.0)
    assert sessions.holds(cookie, full, 1000.0 + SECONDS - 1)
    assert not sessions.holds(cookie, full, 1000.0 + SECONDS)
    assert not sessions.holds(cookie, read, 1000.0)
    assert not Sessions(b"another").holds(cookie, full, 1000.0)
    assert not sessions.holds(cookie.replace(".605800.", ".605801."), full, 1000.0)


async def test_every_replica_knows_a_session(database: Database) -> None:
    async with pages(database, door(database)) as one, pages(database, door(database)) as other:
        cookie = (await sign_in(one, FULL)).headers["Set-Cookie"].partition(";")[0]
        assert (await ask(other, "GET", "/all", {"Cookie": cookie}))[0] == 200


async def test_guessing_is_slow_and_sessions_go_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("collector.web.door.time.monotonic", clock)
    async with pages(database, door(database, behind_proxy=True)) as session:
        await sign_in(session, FULL, **{"X-Forwarded-For": "192.0.2.7"})
        attacker = {"X-Forwarded-For": "192.0.2.9, 192.0.2.7"}
        for _ in range(MOST_FAILURES):
            assert (await ask(session, "GET", "/all", bearer("wrong") | attacker))[0] == 401
        status, text = await ask(session, "GET", "/all", bearer(FULL) | attacker)
        assert (status, text) == (429, "too many wrong tokens from 192.0.2.7; the next one is looked at in 60 s\n")
        assert (await sign_in(session, FULL, **attacker)).headers["Retry-After"] == "60"
        assert (await ask(session, "GET", "/all", attacker))[0] == 200
        assert (await ask(session, "GET", "/all", bearer(FULL) | {"X-Forwarded-For": "192.0.2.9"}))[0] == 200
        clock.now += PERIOD_SECONDS
        assert (await ask(session, "GET", "/all", bearer(FULL) | attacker))[0] == 200


async def test_tokens_of_the_settings_need_no_database_and_others_say_that_it_is_away(database: Database) -> None:
    asked = 0

    async def away() -> list[ApiToken]:
        nonlocal asked
        asked += 1
        raise DatabaseUnavailableError("the database cannot be used: gone")

    tokens = Tokens(SecretStr(FULL), None, away, Clock())
    async with pages(database, Door(tokens)) as session:
        assert (await ask(session, "GET", "/all", bearer(FULL)))[0] == 200
        await sign_in(session, FULL)
        assert (await ask(session, "GET", "/all"))[0] == 200
        assert asked == 0
        answers = await asyncio.gather(*(ask(session, "GET", "/all", bearer(new_token())) for _ in range(10)))
        assert set(answers) == {(503, "the database cannot be used: gone; try again in a moment\n")}
        assert asked == 1


async def test_the_command_makes_lists_and_revokes_tokens(collector: Program, database: Database) -> None:
    await ProfileStore(database).put([new_profile("a", "key-of-a")])
    added = await collector("tokens", "add", "shop", "--client", "acme", "--read-only")
    assert added.err == "shop may see what is acme's; this is the only time that the token is shown\n"
    token = added.out.strip()
    [known] = await TokenStore(database).known()
    assert (known.sha256, known.client, known.may_change) == (digest(token), "acme", False)
    assert token not in str(await database.fetch("SELECT t::text FROM api_token t"))
    assert "there is a token shop already" in (await collector("tokens", "add", "shop")).err
    assert "no such client: Acme; did you mean acme?" in (await collector("tokens", "add", "x", "--client", "Acme")).err
    listed = await collector("tokens", "list")
    assert "shop  see what is acme's" in listed.out
    assert '"may_change": false' in (await collector("tokens", "list", "--json")).out
    assert (await collector("tokens", "revoke", "shop")).out == "shop revoked\n"
    assert "there is no token shop" in (await collector("tokens", "revoke", "shop")).err
