"""The committed dashboards are those of the builder, and every query returns what its panel needs."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import DataqueryConfig, register_dataquery_variant
from grafana_foundation_sdk.models.dashboard import Dashboard

from collector.migrate import migrate
from collector.store.pool import connected, open_database
from collector.store.role import GRAFANA
from grafana.builder.__main__ import FOLDER, files
from grafana.builder.query import POSTGRES_TYPE, PostgresQuery
from grafana.queries import expand
from grafana.queries.expand import Choice, Window
from grafana.queries.targets import Query, queries
from tests.support.alert_rules import RULES, exported
from tests.support.databases import as_user, other_database, stop_policies
from tests.support.fleet import AWKWARD, PLAIN, filled
from tests.support.monitoring import scraping

BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
PROVISIONING = FOLDER.parent / "provisioning"
ASKED = [(board, query) for board, made in sorted(BOARDS.items()) for query in queries(made)]
SQL = [(board, query) for board, query in ASKED if query.language == "sql"]
PROMQL = [query for _, query in ASKED if query.language == "promql"]
# Only one of these has rows when all changes go the same way.
ONE_OF = {"Movers up", "Movers down"}
NOW = datetime.now(UTC)
_FIELD = re.compile(r"\$\{__data\.fields\.(\w+)")
_METRIC = re.compile(r"(?<![\w:$.])(?:pinterest|collector)_\w+")


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, made in BOARDS.items():
        for panel in made["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from strings(each)
        case list():
            for each in value:
                yield from strings(each)


def test_the_committed_dashboards_are_those_that_the_builder_makes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == files(), "run `make dashboards`"


def sql_query(data: dict[str, Any]) -> PostgresQuery:
    """Read a query back, for which the SDK has no type."""
    query = PostgresQuery(data["rawSql"], table=data["format"] == "table", ref_id=data["refId"])
    if unknown := data.keys() - query.to_json().keys():
        raise ValueError(f"unknown keys in a PostgreSQL query: {sorted(unknown)}")
    return query


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_grafanas_own_types_read_a_dashboard_and_write_the_same(name: str) -> None:
    register_default_plugins()
    register_dataquery_variant(DataqueryConfig(POSTGRES_TYPE, sql_query))
    again = json.loads(json.dumps(Dashboard.from_json(BOARDS[name]), cls=JSONEncoder))
    assert again == BOARDS[name]


def test_a_query_with_an_unknown_key_is_refused() -> None:
    target = BOARDS["client"]["annotations"]["list"][0]["target"] | {"rawSQL": ""}
    register_dataquery_variant(DataqueryConfig(POSTGRES_TYPE, sql_query))
    with pytest.raises(ValueError, match="rawSQL"):
        Dashboard.from_json({"panels": [{"type": "table", "targets": [target]}]})


def test_uids_and_panel_ids_are_unique() -> None:
    assert len({made["uid"] for made in BOARDS.values()}) == len(BOARDS) == 4
    for made in BOARDS.values():
        ids = [panel["id"] for panel in made["panels"]]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_panels_are_inside_the_grid_and_do_not_overlap(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in BOARDS[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]


@pytest.mark.parametrize(("name", "panel"), list(panels()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_panel_has_a_description_and_a_link(name: str, panel: dict[str, Any]) -> None:
    assert name
    assert "**When to worry:**" in panel["description"]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"] != ""
    assert panel["links"]


def test_every_link_leads_to_a_dashboard_and_sets_variables_that_it_has() -> None:
    boards = {made["uid"]: {each["name"] for each in made["templating"]["list"]} for made in BOARDS.values()}
    links = [text for made in BOARDS.values() for text in strings(made) if text.startswith("/d/")]
    assert links
    for link in links:
        uid = link.removeprefix("/d/").partition("?")[0]
        assert set(re.findall(r"&var-(\w+)=", link)) <= boards[uid]


def test_every_data_source_is_provisioned() -> None:
    used = {
        (value["type"], value["uid"])
        for made in BOARDS.values()
        for value in dictionaries(made)
        if set(value) == {"type", "uid"}
    }
    provisioned = yaml.safe_load((PROVISIONING / "datasources/pinterest.yml").read_text(encoding="utf-8"))
    assert used == {(source["type"], source["uid"]) for source in provisioned["datasources"]}


def dictionaries(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from dictionaries(each)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_variable_that_is_used_is_defined_and_every_one_that_is_defined_is_used(name: str) -> None:
    made = BOARDS[name]
    defined = {variable["name"] for variable in made["templating"]["list"]}
    shown = [text for panel in made["panels"] for key in ("title", "description") for text in [panel.get(key, "")]]
    used = set().union(*(expand.used(query.text) for query in queries(made)), *map(expand.used, shown))
    assert used == defined


@pytest.mark.parametrize(("board", "query"), SQL, ids=lambda value: value if isinstance(value, str) else value.name)
def test_a_panels_query_uses_the_time_range_and_no_format_that_breaks_names(board: str, query: Query) -> None:
    assert board
    assert query.kind == "variable" or re.search(r"\$__time(Filter|From|To)\(", query.text)
    assert ":sqlstring}" not in query.text


def test_the_metrics_of_the_dashboards_and_of_the_alert_rules_exist() -> None:
    texts = [query.text for query in PROMQL] + [rule["expr"] for rule in RULES]
    used = {re.sub(r"_bucket$", "", name) for text in texts for name in _METRIC.findall(text)}
    assert used - exported() == set()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fleet_dsn(server_dsn: str, migrated_dsn: str) -> AsyncIterator[str]:
    """A database that a daemon has filled and that no test changes, with Grafana's role."""
    assert migrated_dsn
    async with connected(server_dsn) as connection:
        await connection.execute("CREATE DATABASE fleet")
    dsn = other_database(server_dsn, "fleet")
    async with connected(dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
    async with open_database(dsn) as database, filled(database, dsn):
        pass
    yield dsn


def choices(board: str, client: str | None, metric: str) -> dict[str, Choice]:
    """Return what is chosen: one client, or all where a dashboard can."""
    single = client or AWKWARD
    several = Choice.several(client) if client else Choice.everything("''")
    return {
        "client": Choice.one(single) if board == "client" else several,
        "profile": Choice.everything("''"),
        "metric": Choice.one(metric),
        "compare": Choice.one(PLAIN if single == AWKWARD else AWKWARD),
        "search": Choice.one("" if client is None else client[:5].upper()),
        "page": Choice.one("1"),
        "day": Choice.one(str(NOW.date() - timedelta(days=2))),
    }


@pytest.mark.parametrize("days", [7, 90, 730])
@pytest.mark.parametrize("client", [None, AWKWARD], ids=["all", "one"])
async def test_every_sql_query_brings_what_its_panel_needs(fleet_dsn: str, days: int, client: str | None) -> None:
    window = Window(NOW - timedelta(days=days), datetime.now(UTC))
    async with connected(as_user(fleet_dsn, GRAFANA)) as reader:
        empty = set()
        for board, query in SQL:
            found = await run(reader, query, window, choices(board, client, "engagement"))
            assert found.columns, f"{board}: {query.name} has no columns"
            problems = [*found.problems(query)]
            assert problems == [], f"{board}: {query.name}"
            if not found.rows:
                empty.add(query.name)
    assert empty < ONE_OF, "these are empty"


@pytest.mark.parametrize("metric", ["impression", "save", "pin_click", "outbound_click"])
async def test_every_metric_can_be_chosen(fleet_dsn: str, metric: str) -> None:
    window = Window(NOW - timedelta(days=30), datetime.now(UTC))
    async with connected(as_user(fleet_dsn, GRAFANA)) as reader:
        for board, query in SQL:
            if "metric" in expand.used(query.text):
                await run(reader, query, window, choices(board, None, metric))


class Found:
    """The rows of a query."""

    def __init__(self, columns: list[str], rows: list[asyncpg.Record]) -> None:
        self.columns = columns
        self.rows = rows

    def problems(self, query: Query) -> Iterator[str]:
        """Yield what its panel, annotation or variable lacks."""
        match query.kind:
            case "annotation":
                yield from (f"no column {name}" for name in ("time", "text") if name not in self.columns)
                yield from (f"{row['time']} is no time" for row in self.rows if not isinstance(row["time"], datetime))
            case "variable":
                if len(self.columns) != 1 and self.columns != ["__value", "__text"]:
                    yield f"a variable cannot use {self.columns}"
            case "panel":
                yield from self._panel_problems(query) if query.table else self._series_problems()
                yield from (f"no field {name}" for name in _FIELD.findall(json.dumps(query.asker)) if query.table
                            and name not in self.columns)  # fmt: skip

    def _series_problems(self) -> Iterator[str]:
        if "time" not in self.columns:
            yield "no column time"
            return
        times = [row["time"] for row in self.rows]
        if not all(isinstance(time, datetime) and time.tzinfo is not None for time in times):
            yield "a time without its zone"
        elif times != sorted(times):
            yield "not in the order of time"
        if self.rows and not any(is_number(row[name]) for row in self.rows for name in self.columns):
            yield "no number"

    def _panel_problems(self, query: Query) -> Iterator[str]:
        panel = query.asker
        wanted = [
            override["matcher"]["options"]
            for override in panel["fieldConfig"]["overrides"]
            if override["matcher"]["id"] == "byName"
        ]
        wanted += [panel["options"][key] for key in ("xField",) if key in panel["options"]]
        yield from (f"no column {name}" for name in wanted if name not in self.columns)
        dates = [name for name in self.columns if any(isinstance(row[name], date) and not
                 isinstance(row[name], datetime) for row in self.rows)]  # fmt: skip
        yield from (f"{name} is a date, which the browser's time zone would move" for name in dates)


def is_number(value: object) -> bool:
    return value is not None and not isinstance(value, str | datetime | bool)


async def run(reader: asyncpg.Connection, query: Query, window: Window, chosen: dict[str, Choice]) -> Found:
    text = expand.sql(query.text, window, chosen)
    statement = await reader.prepare(text)
    return Found([column.name for column in statement.get_attributes()], await statement.fetch())


async def test_every_promql_query_brings_series(empty_dsn: str, migrated_dsn: str, tmp_path: Path) -> None:
    assert migrated_dsn
    async with connected(empty_dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
    async with (
        open_database(empty_dsn) as database,
        filled(database, empty_dsn) as target,
        scraping(tmp_path, target) as url,
        aiohttp.ClientSession(url) as session,
    ):
        missing = [query.name for query in PROMQL]
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        while missing and datetime.now(UTC) < deadline:
            missing = [query.name for query in PROMQL if not await series(session, query)]
    assert missing == []


async def series(session: aiohttp.ClientSession, query: Query) -> list[object]:
    end = datetime.now(UTC)
    window = Window(end - timedelta(hours=1), end)
    text = expand.promql(query.text, window, {"instance": Choice.everything(".+")})
    arguments = {"query": text, "time": str(end.timestamp())}
    async with session.get("/api/v1/query", params=arguments) as response:
        answer = await response.json()
    assert answer["status"] == "success", f"{query.name}: {answer}"
    result: list[object] = answer["data"]["result"]
    return result
