"""Goes through every route of the document with tokens that may not do everything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.api.route import Route
from collector.store.drop_list import DropList
from collector.store.pin import PinStore
from collector.store.pool import Database
from tests.support.api import IMAGE, Client, client, client_token, days, routes, two_clients
from tests.support.drops import stored_drop
from tests.support.publishing import pin

# What tells of globex: its name, its profile, its pin, its numbers, its key.
SECRETS = ("globex", '"c"', "secret of c", "424242", "KEY-OF-C-NEW")
SEES_EVERYTHING = {"/fleet-drops", "/status", "/loops", "/readiness"}

BODIES: dict[str, dict[str, Any]] = {
    "add_profile": {"name": "d", "client": "globex", "profile_key": "KEY-OF-D-1234"},
    "edit_profile": {"tags": ["taken"]},
    "pause_profile": {"reason": "mischief"},
    "replace_key": {"profile_key": "KEY-OF-C-NEW"},
    "add_pin": {"profile": "c", "media_urls": [IMAGE]},
    "add_pins": {"pins": [{"client_ref": "x", "profile": "c", "media_urls": [IMAGE]}]},
    "dismiss_drop": {"note": "mischief"},
    "edit_pin": {"title": "mischief"},
    "cancel_pin": {"may_be_live": True},
    "retry_pin": {"may_be_live": True, "without_history": True},
}
_STATE = """
SELECT
    (SELECT string_agg(p::text, '|' ORDER BY id) FROM profile p) AS profiles,
    (SELECT string_agg(p::text, '|' ORDER BY id) FROM pin p) AS pins,
    (SELECT string_agg(d::text, '|') FROM drop_dismissal d) AS dismissals
"""


async def fill(database: Database) -> dict[str, int]:
    """Give globex a pin, a day and a drop; return the ids of its profile and its pin, and of those of acme."""
    ids = await two_clients(database)
    stored = PinStore(database)
    theirs = await stored.enqueue(pin("c", "secret of c", description="secret of c"))
    mine = await stored.enqueue(pin("a", "of a"))
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) VALUES ($1, current_date - 5, 424242)", ids["c"]
    )
    await days(database, ids["a"], datetime.now(UTC).date() - timedelta(days=30), 20)
    drops = {name: await stored_drop(database, ids[name], f"secret of {name}") for name in ("a", "c")}
    await DropList(database).dismiss(drops["a"], "a holiday", "acme")
    return {
        "profiles": ids["c"],
        "pins": theirs.id,
        "drops": drops["c"],
        "my profiles": ids["a"],
        "my pins": mine.id,
        "my drops": drops["a"],
    }


async def ask_route(ask: Client, route: Route, ids: dict[str, int], *, mine: bool = False) -> tuple[int, str]:
    """Ask a route about globex, or about acme, and return the status and the text of the answer."""
    kind = route.path.split("/")[1]
    path = route.path.replace("{id}", str(ids.get(f"my {kind}" if mine else kind, 0)))
    body = BODIES.get(route.name)
    status, _, text = await ask.raw(route.method, path, json=body, headers={"Idempotency-Key": "secret of c"})
    return status, text.decode()


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
async def test_a_token_of_a_client_reaches_no_row_of_another(database: Database, route: Route) -> None:
    ids = await fill(database)
    before = await database.fetch(_STATE)
    async with client(database) as ask:
        mine = ask.with_token(await client_token(database, "acme"))
        status, text = await ask_route(mine, route, ids)
        if route.path in SEES_EVERYTHING:
            assert status == 403
        elif "{id}" in route.path:
            assert status == 404, text
        elif not route.reads and route.name != "add_pins":
            assert status in {403, 422}, text
        else:
            assert status == 200, text
        text = text.replace("this token is for the client acme", "")
        assert [secret for secret in SECRETS if secret in text and secret not in str(BODIES.get(route.name))] == []
        for query in ({"client": "globex"}, {"profile": "c"}) if route.reads and "{id}" not in route.path else ():
            status, _, answer = await mine.raw("GET", route.path, params=query)
            assert [secret for secret in SECRETS[1:] if secret in answer.decode()] == [], query
    assert await database.fetch(_STATE) == before


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
async def test_a_token_that_may_only_read_changes_nothing(database: Database, route: Route) -> None:
    ids = await fill(database)
    before = await database.fetch(_STATE)
    async with client(database) as ask:
        read = ask.with_token(await client_token(database, "acme", may_change=False))
        status, _ = await ask_route(read, route, ids, mine=True)
        if not route.reads or route.path in SEES_EVERYTHING:
            assert status == 403
        else:
            assert status == 200
    assert await database.fetch(_STATE) == before


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_comes_in_without_a_token(database: Database, route: Route) -> None:
    ids = await fill(database)
    async with client(database) as ask:
        for token in ("", "wrong"):
            status, text = await ask_route(ask.with_token(token), route, ids)
            assert (status, '"status":401' in text) == (401, True)


def test_every_route_is_tried_with_a_body_that_it_takes() -> None:
    assert {route.name for route in routes() if "body" in route.parts} == BODIES.keys()
    assert {route.path for route in routes() if not route.for_clients} == SEES_EVERYTHING
