"""An account's followers and other counters over time: command, API, console and export say the same."""

import csv
import io
import json
from typing import Any

import pytest

from collector.store.pool import Database
from tests.support.api import client, two_clients
from tests.support.console import console_session, page
from tests.support.program import Program

NOVEMBER = {"from": "2026-11-01", "to": "2026-11-03"}
OPTIONS = ("--from", "2026-11-01", "--to", "2026-11-03")


@pytest.fixture
async def told(database: Database) -> int:
    """Two answers on 1 November, one without followers on the 3rd, and one outside of these days."""
    ids = await two_clients(database)
    await database.execute(
        """
        INSERT INTO account_snapshot (profile_id, observed_at, followers, extra)
        VALUES
            ($1, '2026-10-31 23:59Z', 7, NULL),
            ($1, '2026-11-01 00:00Z', 10, NULL),
            ($1, '2026-11-01 23:00Z', 11, '{"monthly_views": 500, "=cmd": 1.5}'),
            ($1, '2026-11-03 12:00Z', NULL, '{"monthly_views": 700}'),
            ($2, '2026-11-01 12:00Z', 424242, NULL)
        """,
        *(ids["a"], ids["c"]),
    )
    return ids["a"]


async def test_the_last_answer_of_each_day_counts(collector: Program, database: Database, told: int) -> None:
    listed = json.loads((await collector("history", "account", "a", *OPTIONS, "--json")).out)
    expected: list[tuple[str, dict[str, Any]]] = [
        ("2026-11-01", {"followers": 11, "monthly_views": 500, "=cmd": 1.5}),
        ("2026-11-03", {"monthly_views": 700}),
    ]
    assert [(each["day"], each["counters"]) for each in listed] == expected
    async with client(database) as ask:
        _, answer = await ask("GET", f"/profiles/{told}/account", **NOVEMBER)
        assert (answer["profile"], [(each["day"], each["counters"]) for each in answer["days"]]) == ("a", expected)


async def test_a_table_has_a_column_for_each_counter(collector: Program, database: Database, told: int) -> None:
    shown = (await collector("history", "account", "a", *OPTIONS, "--format", "csv")).out
    async with client(database) as ask:
        _, headers, body = await ask.raw("GET", f"/profiles/{told}/account", params=NOVEMBER | {"format": "csv"})
    assert body.decode() == shown
    assert headers["Content-Disposition"] == 'attachment; filename="account-2026-11-01-2026-11-03.csv"'
    first, last = csv.DictReader(io.StringIO(shown))
    assert list(first) == ["day", "observed_at", "followers", "'=cmd", "monthly_views"]
    assert (first["followers"], first["'=cmd"], last["followers"], last["monthly_views"]) == ("11", "1.5", "", "700")
    table = (await collector("history", "account", "a", *OPTIONS)).out.splitlines()
    assert [table[0].split()[2], table[2].split()[4:]] == ["followers", ["-", "-", "700"]]
    assert "no such profile" in (await collector("history", "account", "nobody")).err


async def test_an_export_has_every_answer(collector: Program, told: int) -> None:
    del told
    rows = json.loads((await collector("export", "account", *OPTIONS, "--format", "json", "-o", "-")).out)
    assert [(row["profile"], row["client"], row["followers"]) for row in rows] == [
        ("a", "acme", 10), ("a", "acme", 11), ("a", "acme", None), ("c", "globex", 424242),
    ]  # fmt: skip
    assert rows[2]["counters"] == {"monthly_views": 700}


async def test_the_page_of_a_profile_shows_how_its_counters_moved(database: Database, told: int) -> None:
    await database.execute(
        """
        INSERT INTO account_snapshot (profile_id, observed_at, followers, extra)
        SELECT $1, now() - n * interval '31 days', 1100 - 100 * n, '{"monthly_views": 9000}'
        FROM generate_series(0, 1) AS n
        """,
        told,
    )
    async with console_session(database) as session:
        shown = await page(session, f"/profiles/{told}?part=account")
        assert "1,100" in shown
        assert "+10 %" in shown
        assert "Monthly views" in shown
        assert "9,000" in shown
        assert shown.count('class="spark"') == 2
