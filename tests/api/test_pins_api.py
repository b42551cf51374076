"""Pins by the API: queued once whatever is repeated, changed, cancelled and sent again by the queue's own rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.models.history import HistoryCheck
from collector.models.pin import PinState
from collector.publish.media import Media
from collector.store.pool import Database
from tests.support.api import IMAGE, Client, client, client_token, two_clients
from tests.support.away import Away

PIN = {"profile": "a", "media_urls": [IMAGE]}
KEY = {"Idempotency-Key": "spring"}


async def queue(ask: Client, ref: str = "spring", **content: Any) -> tuple[int, Any]:
    return await ask("POST", "/pins", {**PIN, **content}, headers={"Idempotency-Key": ref})


async def set_state(database: Database, pin_id: int, state: str) -> None:
    """Put a pin into a state, with an attempt whose end is unknown."""
    await database.execute("UPDATE pin SET state = $2, attempts = 1 WHERE id = $1", pin_id, state)
    await database.execute(
        "INSERT INTO pin_attempt (pin_id, attempt, owner, outcome, ended_at) VALUES ($1, 1, 'me', $2, now())",
        *(pin_id, "unknown"),
    )


async def test_a_pin_is_queued_once(database: Database) -> None:
    await two_clients(database)
    whole: dict[str, Any] = {
        "description": "Spring",
        "title": "T",
        "link": "https://example.com/x",
        "board_id": "12",
        "alt_texts": ["one"],
        "note": "n",
        "media_urls": [IMAGE, IMAGE],
        "carousel": [{"title": "first"}, {"description": "second", "link": "https://example.com"}],
        "publish_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
    }
    async with client(database) as ask:
        status, pin = await queue(ask, **whole)
        assert (status, pin["client_ref"], pin["state"], pin["attempts"]) == (201, "spring", "queued", [])
        assert pin["carousel"] == whole["carousel"]
        assert (await queue(ask, **whole)) == (200, pin)
        assert (await queue(ask, '"spring"', **whole))[0] == 200
        status, problem = await queue(ask, **{**whole, "title": "U"})
        assert (status, "another title" in problem["detail"]) == (409, True)
        assert (await queue(ask, profile="b"))[0] == 201
        assert (await ask("GET", f"/pins/{pin['id']}")) == (200, pin)
        status, problem = await ask("POST", "/pins", PIN)
        assert (status, problem["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert await database.fetchval("SELECT count(*) FROM pin") == 2


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"profile": "nobody"}, ["profile"]),
        ({"media_urls": []}, ["media_urls"]),
        ({"media_urls": [IMAGE, "http://x"]}, ["media_urls[1]"]),
        ({"media_urls": ["https://example.com/a.exe"]}, ["media_urls[0]"]),
        ({"media_urls": [IMAGE] * 6}, ["media_urls"]),
        ({"media_urls": ["https://example.com/a.mp4"]}, ["thumbnail_url"]),
        ({"thumbnail_url": IMAGE}, ["thumbnail_url"]),
        ({"thumbnail_url": "x"}, ["thumbnail_url", "thumbnail_url"]),
        ({"title": "x" * 101}, ["title"]),
        ({"description": "x" * 501}, ["description"]),
        ({"link": "javascript:alert(1)"}, ["link"]),
        ({"board_id": "mine"}, ["board_id"]),
        ({"note": "x" * 1001}, ["note"]),
        ({"alt_texts": ["x", "y"]}, ["alt_texts"]),
        ({"alt_texts": ["x" * 501]}, ["alt_texts[0]"]),
        ({"carousel": [{"title": "x"}]}, ["carousel"]),
        ({"carousel": [{"title": "x" * 101}, {}], "media_urls": [IMAGE] * 2}, ["carousel"]),
        ({"carousel": [{"link": "x"}, {}], "media_urls": [IMAGE] * 2}, ["carousel"]),
        ({"carousel": [{"titel": "x"}]}, ["carousel[0].titel"]),
        ({"publish_at": "2026-01-01T00:00:00"}, ["publish_at"]),
        ({"publish_at": "2020-01-01T00:00:00Z"}, ["publish_at"]),
        ({"publish_at": "1999-01-01T00:00:00Z", "past": True}, ["publish_at"]),
        ({"title": "x" * 101, "link": "x"}, ["title", "link"]),
    ],
)
async def test_a_wrong_pin_is_refused_by_its_fields(
    database: Database, content: dict[str, Any], fields: list[str]
) -> None:
    await two_clients(database)
    async with client(database) as ask:
        status, problem = await queue(ask, **content)
        assert (status, [each["field"] for each in problem["errors"]]) == (422, fields), problem
    assert not await database.fetchval("SELECT count(*) FROM pin")


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 201])
async def test_a_key_that_names_nothing_is_refused(database: Database, key: str) -> None:
    await two_clients(database)
    async with client(database) as ask:
        status, problem = await queue(ask, key)
        assert status == 422, problem
        assert problem["errors"][0]["field"] in {"idempotency_key", "client_ref"}


async def test_images_that_would_be_refused_are_refused(database: Database) -> None:
    await two_clients(database)
    away, other = Away(), "https://images.example.com/b.jpg"
    away.media = {IMAGE: Media(IMAGE, width=10, height=10), other: Media(other, width=10, height=20)}
    carousel: dict[str, Any] = {**PIN, "media_urls": [IMAGE, other]}
    async with client(database, away) as ask:
        status, problem = await queue(ask, **carousel)
        assert (status, [each["field"] for each in problem["errors"]]) == (422, ["media_urls"])
        assert problem["errors"][0]["message"].endswith("; `check_media` none queues it all the same")
        _, answer = await ask("POST", "/pins/bulk", {"pins": [{**carousel, "client_ref": "1"}]})
        assert [each["field"] for each in answer["results"][0]["errors"]] == ["media_urls"]
        _, pin = await queue(ask)
        status, problem = await ask("PATCH", f"/pins/{pin['id']}", {"media_urls": [IMAGE, other]})
        assert (status, problem["errors"][0]["field"]) == (422, "media_urls")
        assert (await queue(ask, "2", **carousel, check_media="none"))[0] == 201
        away.media = {IMAGE: Media(IMAGE, problem="it redirects")}
        assert (await queue(ask, "3"))[0] == 201
        assert (await queue(ask, "4", check_media="all"))[0] == 422


async def test_many_pins_are_queued_each_by_itself(database: Database) -> None:
    await two_clients(database)
    token = await client_token(database, "acme")
    pins = [
        {**PIN, "client_ref": "1"},
        {**PIN, "client_ref": "1"},
        {**PIN, "client_ref": "1", "title": "other"},
        {**PIN, "client_ref": "2", "link": "x"},
        {**PIN, "client_ref": "3", "profile": "c"},
        {**PIN, "client_ref": "4", "profile": "b"},
        {**PIN, "client_ref": "5", "title": "\u0000"},
    ]
    async with client(database) as ask:
        status, answer = await ask.with_token(token)("POST", "/pins/bulk", {"pins": pins})
        assert status == 200
        assert (answer["created"], answer["known"], answer["refused"]) == (2, 1, 4)
        told = [(each["status"], [e["field"] for e in each["errors"]]) for each in answer["results"]]
        assert told == [
            (201, []), (200, []), (409, ["title"]), (422, ["link"]), (422, ["profile"]), (201, []), (422, ["title"]),
        ]  # fmt: skip
        status, problem = await ask("POST", "/pins/bulk", {"pins": []})
        assert (status, problem["errors"][0]["field"]) == (422, "pins")
        assert (await ask("POST", "/pins/bulk", {"pins": [pins[0]] * 501}))[0] == 422
        status, problem = await ask("POST", "/pins/bulk", {"pins": [pins[0], {"profile": 1}]})
        assert problem["errors"][0]["field"].startswith("pins[1]")
    assert await database.fetchval("SELECT count(*) FROM pin") == 2


async def test_a_queued_pin_is_changed_in_what_is_given(database: Database) -> None:
    await two_clients(database)
    async with client(database) as ask:
        _, pin = await queue(ask, title="T", description="D", note="n")
        path = f"/pins/{pin['id']}"
        later = datetime(2099, 1, 2, 3, 4, tzinfo=UTC)
        status, changed = await ask("PATCH", path, {"title": None, "note": "m", "publish_at": later.isoformat()})
        assert (status, changed["title"], changed["description"], changed["note"]) == (200, None, "D", "m")
        assert changed["publish_at"] == "2099-01-02T03:04:00Z"
        images = {"media_urls": [IMAGE] * 2, "carousel": [{"title": "x"}, {"title": "y"}]}
        assert (await ask("PATCH", path, images))[1]["carousel"] == images["carousel"]
        assert (await ask("PATCH", path, {"carousel": None}))[1]["carousel"] is None
        for change, field in (
            ({"link": "x"}, "link"),
            ({"publish_at": "2020-01-01T00:00:00Z"}, "publish_at"),
            ({"profile": "b"}, "profile"),
            ({"publish_at": None}, "publish_at"),
        ):
            status, problem = await ask("PATCH", path, change)
            assert (status, problem["errors"][0]["field"]) == (422, field)
        await set_state(database, pin["id"], "published")
        assert (await ask("PATCH", path, {"title": "x"}))[0] == 409


async def test_a_pin_is_cancelled_and_an_unknown_one_only_if_that_is_said(database: Database) -> None:
    await two_clients(database)
    async with client(database) as ask:
        _, pin = await queue(ask)
        path = f"/pins/{pin['id']}/cancel"
        status, cancelled = await ask("POST", path, {})
        assert (status, cancelled["state"]) == (200, "cancelled")
        assert (await ask("POST", path, {}))[0] == 409
        await set_state(database, pin["id"], "unknown")
        status, problem = await ask("POST", path, {})
        assert (status, "may be live" in problem["detail"]) == (409, True)
        assert (await ask("POST", path, {"may_be_live": True}))[1]["state"] == "cancelled"


async def test_a_pin_is_sent_again_only_when_it_is_not_live(database: Database) -> None:
    await two_clients(database)
    away = Away()
    async with client(database, away) as ask:
        _, pin = await queue(ask)
        path = f"/pins/{pin['id']}/retry"
        assert (await ask("POST", path, {}))[0] == 409
        await set_state(database, pin["id"], "unknown")
        status, problem = await ask("POST", path, {})
        assert (status, "not in Ayrshare's history" in problem["detail"]) == (409, True)
        status, problem = await ask("POST", path, {"without_history": True})
        assert (status, "was not looked for" in problem["detail"]) == (409, True)
        away.history = HistoryCheck(
            pin_id=pin["id"], attempt=1, state=PinState.PUBLISHED, absent=False, next_seconds=None,
            finding="it is live", found_attempt=1,
        )  # fmt: skip
        status, found = await ask("POST", path, {"may_be_live": True})
        assert (status, found["state"]) == (200, "published")
        await database.execute("UPDATE pin SET state = 'unknown', published_at = NULL")
        away.history = None
        status, again = await ask("POST", path, {"may_be_live": True})
        assert (status, again["state"]) == (200, "queued")
        assert again["attempts"][0]["outcome"] == "published"
        assert (await ask("POST", "/pins/999/retry", {}))[0] == 404
