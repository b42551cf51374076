"""Profiles by the API: what the registry allows, and no key in any answer."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.errors import ConfigurationError
from collector.registry.trial import Standing, Trial
from collector.store.pool import Database
from tests.support.api import client, client_token, two_clients
from tests.support.away import Away

NEW = {"name": "d", "client": "acme", "profile_key": "KEY-OF-D-1234", "tags": ["vip", "eu"], "ref_id": "ref-d"}


def fields(problem: dict[str, Any]) -> list[str]:
    return [each["field"] for each in problem["errors"]]


async def test_a_profile_is_added_with_its_key_tried(database: Database) -> None:
    async with client(database) as ask:
        status, answer = await ask("POST", "/profiles", NEW)
        assert (status, answer["key"]) == (201, "linked to Pinterest")
        profile = answer["profile"]
        assert (profile["name"], profile["tags"], profile["ref_id"]) == ("d", ["vip", "eu"], "ref-d")
        status, headers, _ = await ask.raw("POST", "/profiles", json={**NEW, "name": "e", "profile_key": "KEY-E-12345"})
        assert status == 409
        body = {**NEW, "name": "e", "profile_key": "KEY-E-12345", "ref_id": None, "check": False}
        status, headers, _ = await ask.raw("POST", "/profiles", json=body)
        assert status == 201
        assert (await ask("GET", headers["Location"].removeprefix("/api/v1")))[1]["name"] == "e"
    stored = str(await database.fetch("SELECT p::text FROM profile p"))
    assert "KEY-OF-D-1234" not in stored


@pytest.mark.parametrize(
    ("change", "status", "wrong"),
    [
        ({"name": "-x"}, 422, ["name"]),
        ({"name": " "}, 422, ["name"]),
        ({"name": "x" * 201, "client": "", "profile_key": "short"}, 422, ["name", "client", "profile_key"]),
        ({"tags": ["a|b"]}, 422, ["tags"]),
        ({"tags": ["x"] * 51}, 422, ["tags"]),
        ({"profile_key": 7}, 422, ["profile_key"]),
        ({"tags": [1]}, 422, ["tags[0]"]),
        ({"colour": "red"}, 422, ["colour"]),
        ({"name": "a"}, 409, ["name"]),
        ({"profile_key": "key-of-a"}, 409, ["profile_key"]),
    ],
)
async def test_a_wrong_profile_is_refused_by_its_fields(
    database: Database, change: dict[str, Any], status: int, wrong: list[str]
) -> None:
    await two_clients(database)
    async with client(database) as ask:
        got, problem = await ask("POST", "/profiles", NEW | change)
        assert (got, fields(problem)) == (status, wrong)
        assert problem["status"] == status
        assert problem["detail"]
    assert await database.fetchval("SELECT count(*) FROM profile") == 3


async def test_an_invalid_key_is_refused_and_an_untried_one_taken(database: Database) -> None:
    ids, away = await two_clients(database), Away()
    async with client(database, away) as ask:
        away.trial = Trial(Standing.INVALID, "Profile Key is invalid")
        for method, path, body in (
            ("POST", "/profiles", NEW),
            ("PUT", f"/profiles/{ids['a']}/key", {"profile_key": "NEW-KEY-OF-A"}),
        ):
            status, problem = await ask(method, path, body)
            assert (status, fields(problem)) == (422, ["profile_key"])
        away.trial = Trial(Standing.UNTRIED, "Ayrshare is away")
        status, answer = await ask("PUT", f"/profiles/{ids['a']}/key", {"profile_key": "NEW-KEY-OF-A"})
        assert (status, answer["key"], answer["detail"]) == (200, "not tried", "Ayrshare is away")
        assert (await ask("PUT", f"/profiles/{ids['b']}/key", {"profile_key": "NEW-KEY-OF-A"}))[0] == 409
        assert (await ask("PUT", f"/profiles/{ids['b']}/key", {"profile_key": " "}))[0] == 422


async def test_without_encryption_keys_the_setting_is_named(database: Database) -> None:
    away = Away()
    away.keys = ConfigurationError(["COLLECTOR_ENCRYPTION_KEYS is required"])
    async with client(database, away) as ask:
        status, problem = await ask("POST", "/profiles", NEW)
        assert (status, problem["detail"]) == (503, "COLLECTOR_ENCRYPTION_KEYS is required")


async def test_a_profile_is_changed_in_what_is_given(database: Database) -> None:
    ids = await two_clients(database)
    path = f"/profiles/{ids['a']}"
    async with client(database) as ask:
        status, profile = await ask("PATCH", path, {"name": "a2", "client": "initech", "tags": ["x"], "ref_id": "r"})
        assert status == 200
        assert (profile["name"], profile["client"], profile["tags"], profile["ref_id"]) == ("a2", "initech", ["x"], "r")
        status, profile = await ask("PATCH", path, {"ref_id": None})
        assert (profile["name"], profile["tags"], profile["ref_id"]) == ("a2", ["x"], None)
        assert (await ask("PATCH", path, {}))[0] == 200
        status, problem = await ask("PATCH", path, {"name": "b", "client": "other"})
        assert (status, fields(problem)) == (409, ["name"])
        assert (await ask("GET", path))[1]["client"] == "initech"
        assert (await ask("PATCH", path, {"client": None}))[0] == 422
        assert (await ask("PATCH", "/profiles/999", {}))[0] == 404


async def test_who_changed_something_is_logged(database: Database) -> None:
    ids = await two_clients(database)
    token = await client_token(database, "acme")
    async with client(database) as ask:
        with capture_logs() as logs:
            await ask.with_token(token)("POST", f"/profiles/{ids['a']}/pause", {})
            await ask.with_token(token)("GET", f"/profiles/{ids['a']}")
    [line] = [each for each in logs if each["event"] == "changed by the API"]
    assert (line["call"], line["by"]) == ("pause_profile", "of acme True")


async def test_a_profile_is_paused_resumed_and_accepted(database: Database) -> None:
    ids = await two_clients(database)
    path = f"/profiles/{ids['a']}"
    async with client(database) as ask:
        status, profile = await ask("POST", f"{path}/pause", {"reason": "holidays"})
        assert (status, profile["state"], profile["state_reason"]) == (200, "paused", "holidays")
        assert (await ask("POST", f"{path}/pause", {"reason": "\u202e"}))[1]["errors"][0]["field"] == "reason"
        status, profile = await ask("POST", f"{path}/resume")
        assert (status, profile["state"]) == (200, "active")
        assert (await ask("POST", f"{path}/accept"))[0] == 409
        await database.execute("UPDATE profile SET account_changed_at = now(), seam_day = '2026-01-01'")
        status, profile = await ask("POST", f"{path}/accept")
        assert (status, profile["account_changed_at"], profile["seam_day"]) == (200, None, "2026-01-01")


async def test_a_token_of_a_client_adds_and_moves_nothing_to_another_client(database: Database) -> None:
    ids = await two_clients(database)
    token = await client_token(database, "acme")
    async with client(database) as ask:
        mine = ask.with_token(token)
        assert (await mine("POST", "/profiles", {**NEW, "client": "globex"}))[0] == 403
        assert (await mine("PATCH", f"/profiles/{ids['a']}", {"client": "globex"}))[0] == 403
        for change, field in (({"name": "c"}, "name"), ({"profile_key": "key-of-c"}, "profile_key")):
            status, problem = await mine("POST", "/profiles", NEW | change)
            assert (status, problem["errors"]) == (
                409,
                [{"field": field, "message": f"another profile has this {field} already"}],
            )
        status, problem = await mine("PUT", f"/profiles/{ids['a']}/key", {"profile_key": "key-of-c"})
        assert (status, problem["detail"]) == (409, "another profile has this key already")
        assert (await mine("POST", "/profiles", NEW))[0] == 201
    assert await database.fetchval("SELECT client FROM profile WHERE name = 'c'") == "globex"
