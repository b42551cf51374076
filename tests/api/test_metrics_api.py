"""Metrics by the API: sums of weeks and months, settled or not, as they are and as they were known."""

import csv
import io
from datetime import UTC, date, datetime

import pytest

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.api import client, client_token, days, two_clients
from tests.support.profiles import new_profile

JANUARY = {"from": "2026-01-01", "to": "2026-01-31"}


@pytest.fixture
async def ids(database: Database) -> dict[str, int]:
    """`a` and `b` of acme with the days from 1 January to 9 February 2026; their last three are provisional."""
    found = await two_clients(database)
    await days(database, found["a"], date(2026, 1, 1), 40)
    await days(database, found["b"], date(2026, 1, 1), 40, impression=50)
    return found


@pytest.mark.usefixtures("ids")
async def test_days_of_a_profile_have_the_rates_that_were_read(database: Database) -> None:
    async with client(database) as ask:
        status, answer = await ask("GET", "/metrics", profile="a", **{"from": "2026-02-05", "to": "2026-02-20"})
    assert (status, answer["settled_through"], answer["granularity"]) == (200, "2026-02-06", "day")
    assert [each["first_day"] for each in answer["periods"]] == [f"2026-02-0{n}" for n in range(5, 10)]
    assert [each["settled"] for each in answer["periods"]] == [True, True, False, False, False]
    first = answer["periods"][0]
    assert (first["impression"], first["engagement"], first["engagement_rate"]) == (100, 10, 0.5)
    assert (first["pin_click"], first["last_day"], first["days"], first["profiles"]) == (None, "2026-02-05", 1, 1)


@pytest.mark.usefixtures("ids")
async def test_weeks_and_months_are_sums_that_settle_with_their_last_day(database: Database) -> None:
    async with client(database) as ask:
        span = {"from": "2026-01-26", "to": "2026-02-28"}
        _, weeks = await ask("GET", "/metrics", profile="a", granularity="week", **span)
        _, months = await ask("GET", "/metrics", client="acme", granularity="month", **span)
        _, settled = await ask("GET", "/metrics", client="acme", granularity="month", settled="true", **span)
    assert [(each["first_day"], each["last_day"], each["days"], each["settled"]) for each in weeks["periods"]] == [
        ("2026-01-26", "2026-02-01", 7, True),
        ("2026-02-02", "2026-02-08", 7, False),
        ("2026-02-09", "2026-02-15", 1, False),
    ]
    assert weeks["periods"][0]["impression"] == 700
    assert weeks["periods"][0]["engagement_rate"] == 0.1
    assert [(each["impression"], each["profiles"], each["settled"]) for each in months["periods"]] == [
        (900, 2, True),
        (1350, 2, False),
    ]
    assert [each["impression"] for each in settled["periods"]] == [900, 900]


async def test_one_profile_that_lags_keeps_its_client_provisional(database: Database, ids: dict[str, int]) -> None:
    await database.execute("UPDATE profile SET settled_through = '2026-01-20' WHERE id = $1", ids["b"])
    async with client(database) as ask:
        _, answer = await ask("GET", "/metrics", client="acme", **JANUARY)
        assert answer["settled_through"] == "2026-01-20"
        assert sum(each["settled"] for each in answer["periods"]) == 20
        _, apart = await ask("GET", "/metrics", client="acme", each_profile="true", **JANUARY)
        assert [(each["profile"], each["settled"]) for each in apart["periods"][30:32]] == [("a", True), ("b", True)]
        assert sum(each["settled"] for each in apart["periods"]) == 31 + 20


async def test_days_are_shown_as_they_were_known(database: Database, ids: dict[str, int]) -> None:
    await database.execute(
        """
        INSERT INTO daily_metric_revision (
            profile_id, day, revision, observed_at, last_seen_at, superseded_at, impression
        ) VALUES ($1, '2026-01-05', 1, '2026-01-06', '2026-01-07', '2026-01-08', 77)
        """,
        ids["a"],
    )
    await database.execute(
        "UPDATE daily_metric SET revision = 2, updated_at = '2026-01-08' WHERE profile_id = $1 AND day = '2026-01-05'",
        ids["a"],
    )
    async with client(database) as ask:
        for moment, known, settled in (
            ("2026-01-05T12:00:00Z", [], []),
            ("2026-01-07T00:00:00Z", [77], [False]),
            ("2026-01-08T00:00:00Z", [100], [True]),
        ):
            span = {"from": "2026-01-05", "to": "2026-01-05", "as_of": moment}
            _, answer = await ask("GET", "/metrics", profile="a", **span)
            assert [each["impression"] for each in answer["periods"]] == known, moment
            assert [each["settled"] for each in answer["periods"]] == settled, moment


@pytest.mark.usefixtures("ids")
async def test_a_table_is_sent_for_spreadsheets(database: Database) -> None:
    query = {"client": "acme", "each_profile": "true", **JANUARY}
    async with client(database) as ask:
        status, headers, body = await ask.raw("GET", "/metrics", params=query, headers={"Accept": "text/csv"})
        assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert headers["Content-Disposition"] == 'attachment; filename="metrics-2026-01-01-2026-01-31.csv"'
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert len(rows) == 62
        assert (rows[0]["profile"], rows[0]["impression"], rows[0]["pin_click"], rows[0]["settled"]) == (
            "a", "100", "", "true",
        )  # fmt: skip
        _, answer = await ask("GET", "/metrics", headers={"Accept": "text/csv"}, format="json", **query)
        assert len(answer["periods"]) == 62


async def test_a_long_table_is_streamed_whole_and_a_long_answer_is_refused(database: Database) -> None:
    await ProfileStore(database).put([new_profile(f"p{n:02}", f"key-of-{n}") for n in range(30)])
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) "
        "SELECT p.id, '2025-01-01'::date + n, 1 FROM profile p, generate_series(0, 364) AS n"
    )
    query = {"client": "acme", "each_profile": "true", "from": "2025-01-01", "to": "2025-12-31"}
    async with client(database) as ask:
        status, problem = await ask("GET", "/metrics", **query)
        assert (status, "format=csv" in problem["detail"]) == (422, True)
        _, _, body = await ask.raw("GET", "/metrics", params={**query, "format": "csv"})
    lines = body.decode().splitlines()
    assert len(lines) == 1 + 30 * 365
    assert lines[0].startswith("profile,first_day,last_day,settled,days,profiles,impression")
    assert len({line.split(",")[0] for line in lines[1:]}) == 30


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({}, 422, "profile"),
        ({"profile": "a", "client": "acme"}, 422, "client"),
        ({"profile": "nobody"}, 404, None),
        ({"client": "nobody"}, 404, None),
        ({"client": "acme", "from": "2026-02-01", "to": "2026-01-01"}, 422, "from"),
        ({"client": "acme", "from": "1999-01-01", "to": "2026-01-01"}, 422, "from"),
        ({"client": "acme", "to": "0001-01-01"}, 422, "to"),
        ({"client": "acme", "from": "today"}, 422, "from"),
        ({"client": "acme", "granularity": "hour"}, 422, "granularity"),
        ({"client": "acme", "format": "xml"}, 422, "format"),
        ({"client": "acme", "as_of": "yesterday"}, 422, "as_of"),
    ],
)
@pytest.mark.usefixtures("ids")
async def test_a_wrong_question_is_named(
    database: Database, query: dict[str, str], status: int, field: str | None
) -> None:
    async with client(database) as ask:
        got, problem = await ask("GET", "/metrics", **query)
    assert (got, next((each["field"] for each in problem["errors"]), None)) == (status, field)


@pytest.mark.usefixtures("ids")
async def test_a_token_of_a_client_needs_to_name_nothing_and_sees_nothing_else(database: Database) -> None:
    token = await client_token(database, "acme", may_change=False)
    async with client(database) as ask:
        mine = ask.with_token(token)
        _, answer = await mine("GET", "/metrics", **JANUARY)
        assert (answer["client"], answer["periods"][0]["profiles"]) == ("acme", 2)
        assert (await mine("GET", "/metrics", profile="c"))[0] == 404
        assert (await mine("GET", "/metrics", client="globex"))[0] == 403


async def test_the_usual_days_are_the_last_ninety(database: Database, ids: dict[str, int]) -> None:
    today = datetime.now(UTC).date()
    await days(database, ids["c"], date.fromordinal(today.toordinal() - 99), 100)
    async with client(database) as ask:
        _, answer = await ask("GET", "/metrics", profile="c")
    assert len(answer["periods"]) == 90
    assert answer["periods"][-1]["last_day"] == today.isoformat()
