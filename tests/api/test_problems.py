"""Every error of the API is a problem detail, and hostile texts are stored as they are or refused."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from collector.access import new_token
from collector.api.serve import BODY_BYTES
from collector.store.pool import Database, open_database
from tests.support.api import FULL, IMAGE, READ, Client, client, served, two_clients

NEW = {"name": "d", "client": "acme", "profile_key": "KEY-OF-D-1234"}
TEXTS = {
    "script": "<script>alert(1)</script>",
    "quotes": """it's "quoted" `so`""",
    "percent": "100%' OR 1=1 --",
    "underscore": "__ _ \\",
    "nul": "a\u0000b",
    "override": "a\u202eb",
    "emoji": "caf\u00e9 \U0001f9e1",
    "long": "x" * 10_000,
    "surrogate": "\ud800",
}


def is_problem(headers: Any, body: bytes, status: int) -> dict[str, Any]:
    assert headers["Content-Type"] == "application/problem+json; charset=utf-8" or (
        headers["Content-Type"] == "application/problem+json"
    )
    problem: dict[str, Any] = json.loads(body)
    assert set(problem) == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "words"),
    [
        ("GET", "/nowhere", {}, 404, "/api/v1/docs"),
        ("GET", "/profiles/0", {}, 404, "there is no"),
        ("GET", "/profiles/x", {}, 404, "there is no"),
        ("GET", "/profiles/99999999999999999999", {}, 404, "there is no"),
        ("DELETE", "/profiles", {}, 405, "GET,HEAD,POST"),
        ("POST", "/profiles", {"data": b"a=1", "headers": {"Content-Type": "text/plain"}}, 415, "application/json"),
        ("POST", "/profiles", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ("POST", "/profiles", {"data": b"", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ("POST", "/profiles", {"data": b'{"name": "\xff"}', "headers": {"Content-Type": "application/json"}}, 400, ""),
        ("POST", "/profiles", {"data": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 422, ""),
        ("POST", "/profiles", {"json": []}, 422, "expected"),
        ("POST", "/profiles", {"json": {}}, 422, "name"),
        ("GET", "/loops?colour=red", {}, 422, "colour"),
    ],
)
async def test_an_error_is_a_problem(
    database: Database, method: str, path: str, sent: dict[str, Any], status: int, words: str
) -> None:
    async with client(database) as ask:
        got, headers, body = await ask.raw(method, path, **sent)
        assert got == status, body
        assert words in is_problem(headers, body, status)["detail"]
        if status == 405:
            assert headers["Allow"] == "GET,HEAD,POST"


async def test_a_body_that_is_too_large_is_not_read_to_its_end(database: Database) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 65536 + 1):
            yield bytes(65536)

    async with client(database) as ask:
        sent = {"Content-Type": "application/json"}
        status, headers, body = await ask.raw("POST", "/profiles", data=endless(), headers=sent)
        assert status == 413
        assert "larger" in is_problem(headers, body, status)["detail"]


async def test_the_door_answers_with_problems_too(database: Database) -> None:
    async with served(database) as url, aiohttp.ClientSession(url) as session:
        wrong = Client(session, "wrong")
        status, headers, body = await wrong.raw("GET", "/profiles")
        assert is_problem(headers, body, status)["status"] == 401
        assert headers["WWW-Authenticate"] == "Bearer"
        status, headers, body = await wrong.with_token(READ).raw("POST", "/profiles", json=NEW)
        assert is_problem(headers, body, status)["detail"] == "this token may only read"
        for _ in range(20):
            status, headers, body = await wrong.raw("GET", "/profiles")
        assert int(headers["Retry-After"]) > 50
        assert is_problem(headers, body, status)["status"] == 429


async def test_a_database_that_is_away_is_a_problem(empty_dsn: str, server_dsn: str) -> None:
    name = empty_dsn.partition("?")[0].rpartition("/")[2]
    async with open_database(empty_dsn) as database, open_database(server_dsn) as server, client(database) as ask:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        for token in (FULL, new_token()):
            status, headers, body = await ask.with_token(token).raw("GET", "/profiles")
            problem = is_problem(headers, body, status)
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "the database cannot be used" in problem["detail"]
        status, headers, body = await ask.raw("GET", "/readiness")
        assert (status, json.loads(body)["ready"]) == (503, False)
        known = {"If-None-Match": headers["ETag"]}
        assert (await ask.raw("GET", "/readiness", headers=known))[0] == 503
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_hostile_texts_are_kept_as_they_are_or_refused(database: Database, text: str) -> None:
    ids = await two_clients(database)
    sendable = json.dumps(text).encode()
    async with client(database) as ask:

        async def send(method: str, path: str, body: dict[str, Any], field: str) -> None:
            data = json.dumps({**body, field: "?"}).encode().replace(b'"?"', sendable)
            json_headers = {"Content-Type": "application/json", "Idempotency-Key": f"{path} {field}"}
            status, headers, answer = await ask.raw(method, path, data=data, headers=json_headers)
            if status >= 400:
                is_problem(headers, answer, status)
                assert status in {400, 422}, answer
                return
            shown = json.loads(answer)
            shown = shown.get("profile") if isinstance(shown.get("profile"), dict) else shown
            kept = "state_reason" if field == "reason" else field
            assert shown[kept] == text.strip() or (kept in {"description", "note", "title"} and shown[kept] == text)

        for field in ("name", "client", "ref_id"):
            await send("PATCH", f"/profiles/{ids['a']}", {}, field)
        await send("POST", f"/profiles/{ids['b']}/pause", {}, "reason")
        pin = {"profile": "b", "media_urls": [IMAGE]}
        for field in ("description", "title", "link", "board_id", "note", "thumbnail_url"):
            await send("POST", "/pins", pin, field)
        for path, names in (
            ("/profiles", ("client", "name", "tag", "text", "cursor")),
            ("/pins", ("client", "profile", "tag", "text")),
            ("/drops", ("client", "profile")),
            ("/clients", ("client", "text")),
            ("/metrics", ("client", "profile")),
        ):
            for name in names:
                if text == TEXTS["surrogate"]:
                    continue
                # A longer request is refused before it gets here.
                status, headers, answer = await ask.raw("GET", path, params={name: text[:5000]})
                assert status in {200, 404, 422}, (path, name, answer)
                if status >= 400:
                    is_problem(headers, answer, status)
    assert await database.fetchval("SELECT count(*) FROM profile") == 3


async def test_a_query_that_is_not_utf_8_finds_nothing(database: Database) -> None:
    async with served(database) as url, aiohttp.ClientSession() as session:
        address = URL(f"{url}/api/v1/profiles?text=%ED%A0%80%FF", encoded=True)
        async with session.get(address, headers={"Authorization": f"Bearer {FULL}"}) as response:
            assert response.status in {200, 422}
