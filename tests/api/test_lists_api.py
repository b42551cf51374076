"""Lists of the API: filters, orders, pages that miss and repeat nothing, and what did not change."""

from datetime import date

import pytest

from collector.store.pin import PinStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.api import Client, client, client_token, two_clients
from tests.support.profiles import new_profile
from tests.support.publishing import pin


async def many(database: Database) -> None:
    """Seven profiles of three clients, in several states, some never read; a pin of each; a drop of five."""
    await ProfileStore(database).put([new_profile(f"p{n}", f"key-of-{n}", client=f"client {n % 3}") for n in range(7)])
    await database.execute(
        """
        UPDATE profile
        SET last_success_at = CASE WHEN id % 2 = 0 THEN '2026-01-01'::timestamptz + id * interval '1 hour' END,
            state = CASE WHEN id % 3 = 0 THEN 'paused' ELSE 'active' END,
            next_poll_at = CASE WHEN id % 3 > 0 THEN next_poll_at END,
            tags = CASE WHEN id % 2 = 0 THEN '{even}'::text[] ELSE '{}' END
        """
    )
    for n in range(7):
        await PinStore(database).enqueue(pin(f"p{n}", f"ref {n}", description=f"100% {n}_"))
    for number in range(1, 6):
        await database.execute(
            """
            INSERT INTO drop_episode (
                profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score,
                lost_share, closed_on, sentence
            ) VALUES ($1, 'engagement', $2, $2, $2, 1, 2, 1.5, 4, 0.5, $3, 'It fell.')
            """,
            *(number, date(2026, 1, 1), None if number % 2 else date(2026, 1, 9)),
        )


async def pages_of(ask: Client, path: str, what: str, **query: str) -> list[object]:
    """Read all pages of two rows, and return what names the rows."""
    found: list[object] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = await ask("GET", path, limit="2", total="true", **query, **cursor)
        assert status == 200, page
        found += [row.get("name") or row.get("id") or row.get("profile") or row["client"] for row in page[what]]
        if page["next"] is None:
            return found
        assert len(page[what]) == 2
        cursor = {"cursor": page["next"]}


@pytest.mark.parametrize("descending", ["false", "true"])
@pytest.mark.parametrize("sort", ["name", "client", "state", "last-read", "next-poll"])
async def test_pages_of_profiles_miss_and_repeat_nothing(database: Database, sort: str, descending: str) -> None:
    await many(database)
    async with client(database) as ask:
        _, whole = await ask("GET", "/profiles", sort=sort, descending=descending, total="true")
        assert (whole["total"], whole["next"]) == (7, None)
        names = [row["name"] for row in whole["profiles"]]
        assert sorted(names) == [f"p{n}" for n in range(7)]
        assert await pages_of(ask, "/profiles", "profiles", sort=sort, descending=descending) == names


@pytest.mark.parametrize("sort", ["newest", "due", "profile", "state"])
async def test_pages_of_pins_drops_and_clients_miss_and_repeat_nothing(database: Database, sort: str) -> None:
    await many(database)
    async with client(database) as ask:
        _, whole = await ask("GET", "/pins", sort=sort)
        assert await pages_of(ask, "/pins", "pins", sort=sort) == [row["id"] for row in whole["pins"]]
        assert len(whole["pins"]) == 7
        assert await pages_of(ask, "/drops", "drops", state="all") == [5, 4, 3, 2, 1]
        assert await pages_of(ask, "/clients", "clients") == ["client 0", "client 1", "client 2"]


@pytest.mark.parametrize(
    ("path", "what", "query", "count"),
    [
        ("/profiles", "profiles", {"client": "client 0"}, 3),
        ("/profiles", "profiles", {"client": "client"}, 0),
        ("/profiles", "profiles", {"state": "paused"}, 2),
        ("/profiles", "profiles", {"tag": "even"}, 3),
        ("/profiles", "profiles", {"tag": "even", "state": "paused"}, 1),
        ("/profiles", "profiles", {"text": "P1"}, 1),
        ("/profiles", "profiles", {"text": "%"}, 0),
        ("/profiles", "profiles", {"text": "_"}, 0),
        ("/profiles", "profiles", {"name": "p1"}, 1),
        ("/profiles", "profiles", {"name": "p"}, 0),
        ("/profiles", "profiles", {"read_since": "2026-01-01T03:30:00+00:00"}, 2),
        ("/profiles", "profiles", {"read_until": "2026-01-01T02:30:00Z"}, 5),
        ("/pins", "pins", {"text": "100% 3_"}, 1),
        ("/pins", "pins", {"text": "%"}, 7),
        ("/pins", "pins", {"profile": "p1"}, 1),
        ("/pins", "pins", {"client": "client 1"}, 2),
        ("/pins", "pins", {"state": "published"}, 0),
        ("/pins", "pins", {"due_until": "2026-01-01T00:00:00Z"}, 0),
        ("/drops", "drops", {}, 2),
        ("/drops", "drops", {"state": "closed"}, 3),
        ("/drops", "drops", {"client": "client 0", "state": "all"}, 2),
        ("/drops", "drops", {"profile": "p0"}, 1),
        ("/drops", "drops", {"detected_since": "2026-01-02"}, 0),
        ("/drops", "drops", {"detected_until": "2026-01-02"}, 2),
        ("/clients", "clients", {"text": "CLIENT 1"}, 1),
        ("/clients", "clients", {"client": "client 2"}, 1),
        ("/fleet-drops", "drops", {"days": "30"}, 0),
    ],
)
async def test_lists_are_filtered(database: Database, path: str, what: str, query: dict[str, str], count: int) -> None:
    await many(database)
    async with client(database) as ask:
        status, page = await ask("GET", path, **query)
        assert (status, len(page[what])) == (200, count)


async def test_clients_are_summed(database: Database) -> None:
    await many(database)
    async with client(database) as ask:
        _, page = await ask("GET", "/clients", total="true")
    [first, *_] = page["clients"]
    assert page["total"] == 3
    assert (first["client"], first["profiles"], first["active"], first["paused"]) == ("client 0", 3, 3, 0)
    assert first["open_drops"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"state": "lost"}, "state"),
        ({"sort": "key"}, "sort"),
        ({"read_since": "2026-01-01"}, "read_since"),
        ({"read_since": "2026-01-01T00:00:00"}, "read_since"),
        ({"colour": "red"}, "colour"),
        ({"cursor": "bm9uc2Vuc2U"}, "cursor"),
        ({"cursor": "\u00fc"}, "cursor"),
        ({"text": "x" * 201}, "text"),
    ],
)
async def test_a_wrong_parameter_is_named(database: Database, query: dict[str, str], field: str) -> None:
    async with client(database) as ask:
        status, problem = await ask("GET", "/profiles", **query)
        assert (status, [each["field"] for each in problem["errors"]]) == (422, [field])


async def test_a_cursor_is_of_its_list_and_order(database: Database) -> None:
    await many(database)
    async with client(database) as ask:
        _, page = await ask("GET", "/profiles", limit="2")
        for path, query in (("/profiles", {"sort": "state"}), ("/pins", {}), ("/profiles", {"descending": "true"})):
            status, problem = await ask("GET", path, cursor=page["next"], **query)
            assert (status, problem["errors"][0]["field"]) == (422, "cursor")
        status, problem = await ask("GET", "/pins", cursor="WyJuZXdlc3QiLFsieCJdXQ")
        assert status == 422


async def test_what_did_not_change_is_not_sent_again(database: Database) -> None:
    ids = await two_clients(database)
    async with client(database) as ask:
        status, headers, _ = await ask.raw("GET", "/profiles")
        known = {"If-None-Match": headers["ETag"]}
        status, again, body = await ask.raw("GET", "/profiles", headers=known)
        assert (status, again["ETag"], body) == (304, headers["ETag"], b"")
        both = {"If-None-Match": f'"other", {headers["ETag"].removeprefix("W/")}'}
        assert (await ask.raw("GET", "/profiles", headers=both))[0] == 304
        await ask("PATCH", f"/profiles/{ids['a']}", {"tags": ["new"]})
        status, after, _ = await ask.raw("GET", "/profiles", headers=known)
        assert status == 200
        assert after["ETag"] != headers["ETag"]
        assert after["Cache-Control"] == "private, no-cache"
        status, _, body = await ask.raw("HEAD", "/profiles")
        assert (status, body) == (200, b"")


async def test_a_token_of_a_client_lists_that_client_alone(database: Database) -> None:
    await many(database)
    token = await client_token(database, "client 1", may_change=False)
    async with client(database) as ask:
        mine = ask.with_token(token)
        for path, what in (("/profiles", "profiles"), ("/pins", "pins"), ("/drops", "drops"), ("/clients", "clients")):
            _, page = await mine("GET", path, total="true")
            assert {row["client"] for row in page[what]} == {"client 1"}, path
            assert page["total"] == len(page[what])
            status, problem = await mine("GET", path, client="client 2")
            assert (status, problem["errors"][0]["field"]) == (403, "client")


async def test_missing_days_come_with_their_reason_and_only_to_whom_they_belong(database: Database) -> None:
    await two_clients(database)
    await database.execute(
        "UPDATE profile SET created_at = now() - interval '20 days', first_day = current_date - 10, settle_days = 3, "
        "window_days = 90, last_day = current_date - 8"
    )
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, first_seen_at, updated_at) "
        "SELECT id, current_date - n, now(), now() FROM profile, generate_series(8, 10) AS n"
    )
    theirs = await client_token(database, "acme")
    async with client(database) as ask:
        assert (await ask("GET", "/gaps"))[0] == 422
        assert (await ask("GET", "/gaps", client="nobody"))[0] == 404
        status, answer = await ask("GET", "/gaps", profile="c")
        assert (status, len(answer["gaps"])) == (200, 1)
        own = ask.with_token(theirs)
        _, listed = await own("GET", "/gaps")
        assert {each["profile"] for each in listed["gaps"]} == {"a", "b"}
        assert (await own("GET", "/gaps", profile="c"))[0] == 404
    [gap] = answer["gaps"]
    assert (gap["days"], gap["lost"], gap["whose"], gap["reason"]) == (5, False, "us", "not_running")
    assert "the collector was not running" in gap["why"]
