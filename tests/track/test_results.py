"""How pins did, as it is shown: by the API, the command line, exports and the console; and to whom."""

import csv
import io
import json
from http import HTTPStatus
from typing import Any

import pytest

from collector.store.client import ClientStore
from collector.store.pool import Database
from tests.support.api import client, client_token, two_clients
from tests.support.console import console_session, page
from tests.support.program import Program

PINS = """
INSERT INTO pin (
    profile_id, client_ref, title, media_urls, state, published_at, publish_at, ayrshare_id, pin_url
)
SELECT
    $1, $2 || n, CASE WHEN n = 1 THEN '=' || $2 END, '{https://x.example/a.jpg}', 'published', at, at, $2 || n,
    'https://www.pinterest.com/pin/' || n || '/'
FROM generate_series(1, $3::integer) AS n
CROSS JOIN LATERAL (SELECT now() - n * interval '1 day' AS at) t
"""
RESULTS = """
UPDATE pin_result AS r
SET impression = 100 * n, save = n, pin_click = 2 * n, outbound_click = CASE WHEN n > 1 THEN 1 END,
    observed_at = now(), asked_at = now(), week_engagement = CASE WHEN n > 7 THEN 50 END
FROM (SELECT id, (regexp_match(client_ref, '\\d+'))[1]::integer AS n FROM pin) p
WHERE r.pin_id = p.id
"""


@pytest.fixture
async def ids(database: Database) -> dict[str, int]:
    """`a` of acme has 30 pins with results, the older the better; `c` of globex has one."""
    found = await two_clients(database)
    await database.execute(PINS, found["a"], "of-a-", 30)
    await database.execute(PINS, found["c"], "secret-", 1)
    await database.execute(RESULTS)
    return found | {
        "best": await database.fetchval("SELECT id FROM pin WHERE client_ref = 'of-a-30'"),
        "secret": await database.fetchval("SELECT id FROM pin WHERE client_ref = 'secret-1'"),
    }


def refs(pins: list[dict[str, Any]]) -> list[str]:
    return [pin["client_ref"] for pin in pins]


@pytest.mark.usefixtures("ids")
async def test_the_best_pins_are_ranked_by_what_is_asked_for(database: Database, collector: Program) -> None:
    async with client(database) as ask:
        _, everybodys = await ask("GET", "/top-pins", limit="31")
        assert refs(everybodys["pins"])[:2] == ["of-a-30", "of-a-29"]
        assert "secret-1" in refs(everybodys["pins"])
        first = everybodys["pins"][0]
        assert (first["engagement"], first["engagement_rate"], first["impression"]) == (91, 91 / 3000, 3000)
        _, of_one = await ask("GET", "/top-pins", profile="c")
        assert [(pin["client_ref"], pin["engagement"]) for pin in of_one["pins"]] == [("secret-1", 3)]
        _, by_rate = await ask("GET", "/top-pins", by="engagement-rate", client="acme", limit="1")
        assert refs(by_rate["pins"]) == ["of-a-2"]
        _, by_week = await ask("GET", "/top-pins", by="week-engagement", client="acme", limit="50")
        assert len(by_week["pins"]) == 23, "the others were not a week old when they were asked about"
        theirs = ask.with_token(await client_token(database, "globex"))
        assert refs((await theirs("GET", "/top-pins"))[1]["pins"]) == ["secret-1"]
        for query in ({"profile": "a"}, {"profile": "nobody"}):
            assert (await theirs("GET", "/top-pins", **query))[0] == HTTPStatus.NOT_FOUND
        for path in ("/top-pins", "/best-times"):
            status, problem = await ask("GET", path, client="nobody")
            assert (status, problem["detail"]) == (HTTPStatus.NOT_FOUND, "there is no client nobody")
    listed = (await collector("pins", "top", "--client", "acme", "--limit", "2", "--format", "csv")).out
    assert [row["client_ref"] for row in csv.DictReader(io.StringIO(listed))] == ["of-a-30", "of-a-29"]
    assert "of-a-30" in (await collector("pins", "top", "--profile", "a")).out
    exported = json.loads((await collector("export", "pins", "--format", "json", "-o", "-")).out)
    assert {pin["client_ref"]: pin["engagement"] for pin in exported}["of-a-30"] == 91


async def test_a_pin_is_shown_over_time(database: Database, collector: Program, ids: dict[str, int]) -> None:
    await database.execute(
        "INSERT INTO pin_metric (profile_id, pin_id, observed_at, impression, save, extra) "
        "SELECT $1, $2, now() - n * interval '1 day', 3000 - n, 7, '{\"total_comments\": 4}' "
        "FROM generate_series(0, 2) AS n",
        *(ids["a"], ids["best"]),
    )
    async with client(database) as ask:
        _, shown = await ask("GET", f"/pins/{ids['best']}/metrics")
        assert [(each["impression"], each["engagement"]) for each in shown["points"]] == [
            (2998, 7), (2999, 7), (3000, 7),
        ]  # fmt: skip
        assert shown["points"][0]["extra"] == {"total_comments": 4}
        assert shown["following"]["ended"] is None
        mine = ask.with_token(await client_token(database, "acme"))
        assert (await mine("GET", f"/pins/{ids['secret']}/metrics"))[0] == 404
    story = (await collector("pins", "show", str(ids["best"]))).out
    assert "impression 2998, engagement 7, save 7" in story
    assert len(json.loads((await collector("pins", "show", str(ids["best"]), "--json")).out)["results"]) == 3
    async with console_session(database) as session:
        text = await page(session, f"/pins/{ids['best']}")
        assert "How it does" in text
        assert "impressions in all" in text
        assert "3,000 Impressions</title>" in text
        assert "2,998</td>" in text
        await database.execute("UPDATE pin_result SET ended = 'not_found', next_at = NULL")
        assert "Ayrshare does not know it any more" in await page(session, f"/pins/{ids['best']}?part=results")


async def test_times_are_compared_in_the_clients_zone(
    database: Database, collector: Program, ids: dict[str, int]
) -> None:
    del ids
    async with client(database) as ask:
        _, utc = await ask("GET", "/best-times", client="acme")
        assert (utc["zone"], utc["pins"]) == ("UTC", 23)
        assert {each["finding"] for each in utc["weekdays"]} == {"too_few"}
        assert [(each["pins"], each["finding"]) for each in utc["hours"]] == [(23, "no_difference")]
        assert (await collector("clients", "set", "acme", "--timezone", "Asia/Tokyo")).code == 0
        _, local = await ask("GET", "/best-times", client="acme")
        assert local["zone"] == "Asia/Tokyo"
        assert int(local["hours"][0]["name"]) == (int(utc["hours"][0]["name"]) + 9) % 24
        status, problem = await ask("GET", "/best-times", client="acme", zone="Mars/Base")
        assert (status, problem["errors"][0]["field"]) == (422, "zone")
    told = (await collector("pins", "times", "--client", "acme")).out
    assert "fewer than 8 pins" in told
    assert "23 pins of the last 365 days that were followed for a week" in told
    assert await ClientStore(database).zone("acme") == "Asia/Tokyo"


async def test_pages_show_the_best_pins_to_whom_they_belong(database: Database, ids: dict[str, int]) -> None:
    async with console_session(database) as session:
        of_client = await page(session, "/client?name=acme&part=best")
        of_profile = await page(session, f"/profiles/{ids['a']}?part=best")
        assert "No results yet" in await page(session, f"/profiles/{ids['b']}?part=best")
    for text in (of_client, of_profile):
        assert f'href="/pins/{ids["best"]}"' in text
        assert '<td class="number">91</td>' in text
        assert "secret" not in text
        assert "Pins by hour (UTC)" in text
        assert '<td class="number">23</td>' in text
        assert "Too few pins to tell" in text, "of each weekday there are three"
