"""Runs every query of a dashboard and returns the answers as Grafana's data sources do."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg

from grafana.queries import expand
from grafana.queries.expand import Choice, Window
from tools.preview import frames
from tools.preview.frames import Frame
from tools.preview.live import SCRAPE_SECONDS

Json = dict[str, Any]

_ROLE = "grafana_reader"
_HIDDEN = 2
_AGO = re.compile(r"now-(\d+)([smhdwMy])")
_NOW = re.compile(r"now(?:\+(\d+)([smhdwMy]))?")
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "y": "year"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}


@asynccontextmanager
async def as_reader(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Read with the rights of Grafana's role."""
    await connection.execute(f"SET SESSION AUTHORIZATION {_ROLE}")
    try:
        yield connection
    finally:
        await connection.execute("RESET SESSION AUTHORIZATION")


class Sources:
    """The two data sources of the dashboards."""

    def __init__(self, connection: asyncpg.Connection, prometheus: str, session: aiohttp.ClientSession) -> None:
        self._connection = connection
        self._prometheus = prometheus
        self._session = session

    async def options(self, sql: str) -> list[str]:
        """Return the options of a variable."""
        return [str(row[0]) for row in await self._connection.fetch(sql)]

    async def ask(self, target: Json, window: Window, choices: Mapping[str, Choice]) -> list[Frame]:
        """Return the answer to a target."""
        if "rawSql" in target:
            return await self._ask_postgres(target, expand.sql(target["rawSql"], window, choices))
        return await self._ask_prometheus(
            target, expand.promql(target["expr"], window, choices, scrape_seconds=SCRAPE_SECONDS), window
        )

    async def _ask_postgres(self, target: Json, sql: str) -> list[Frame]:
        statement = await self._connection.prepare(sql)
        columns = [(each.name, frames.kind_of(each.type.name)) for each in statement.get_attributes()]
        rows = await statement.fetch()
        ref_id = target.get("refId", "A")
        if target.get("format") == "table":
            return [frames.table(ref_id, columns, rows)]
        return frames.time_series(ref_id, columns, rows)

    async def _ask_prometheus(self, target: Json, expression: str, window: Window) -> list[Frame]:
        ref_id, legend = target.get("refId", "A"), target.get("legendFormat", "")
        if target.get("instant"):
            result = await self._get("query", query=expression, time=str(window.end.timestamp()))
            if target.get("format") == "table":
                return frames.instant_table(ref_id, result)
            return frames.instant_vector(ref_id, legend, expression, result)
        step = expand.step_seconds(window, SCRAPE_SECONDS)
        start, end = (str(moment.timestamp() // step * step) for moment in (window.start, window.end))
        result = await self._get("query_range", query=expression, start=start, end=end, step=str(step))
        return frames.range_vector(ref_id, legend, expression, result)

    async def _get(self, path: str, **parameters: str) -> list[Json]:
        async with self._session.get(f"{self._prometheus}/api/v1/{path}", params=parameters) as response:
            answer: Json = await response.json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters['query']}: {answer.get('error')}")
        result: list[Json] = answer["data"]["result"]
        return result


class Reader:
    """Reads one dashboard at one moment."""

    def __init__(self, dashboard: Json, sources: Sources, window: Window, wanted: Mapping[str, str]) -> None:
        self._dashboard = dashboard
        self._sources = sources
        self._window = window
        self._wanted = wanted
        self._choices: dict[str, Choice] = {}
        self._variables: list[Json] = []

    async def read(self, range_text: str) -> Json:
        """Return everything that the page needs to draw."""
        for variable in self._dashboard.get("templating", {}).get("list", []):
            await self._choose(variable)
        answers = {str(panel["id"]): await self._answer(panel) for panel in panels_of(self._dashboard)}
        return {
            "dashboard": self._dashboard,
            "range": {
                "from": self._window.start.timestamp() * 1000,
                "to": self._window.end.timestamp() * 1000,
                "text": range_text,
            },
            "variables": self._variables,
            "answers": answers,
            "annotations": [await self._annotate(each) for each in self._annotations()],
        }

    async def _choose(self, variable: Json) -> None:
        name, current = variable["name"], variable.get("current") or {}
        several = bool(variable.get("multi") or variable.get("includeAll"))
        is_query, everything = variable["type"] == "query", current.get("value") in ("$__all", ["$__all"])
        if name in self._wanted or (is_query and not everything):
            value = self._wanted.get(name) or current.get("value")
            if value is None:
                value = await self._first(variable)
            choice, text = Choice.several(value) if several else Choice.one(value), value or current.get("text", "")
        elif is_query:
            choice, text = Choice.everything(variable["allValue"]), "All"
        else:
            choice, text = Choice.one(str(current.get("value", ""))), str(current.get("text", ""))
        self._choices[name] = choice
        self._variables.append(
            {
                "name": name,
                "label": variable.get("label") or name,
                "text": text,
                "hidden": variable.get("hide") == _HIDDEN,
            }
        )

    async def _first(self, variable: Json) -> str:
        query = variable["query"]
        options = await self._sources.options(expand.sql(query, self._window, self._choices))
        return options[0] if options else ""

    async def _answer(self, panel: Json) -> Json:
        found: list[Frame] = []
        for target in panel.get("targets", []):
            try:
                found += await self._sources.ask(target, self._window, self._choices)
            except (asyncpg.PostgresError, expand.ExpansionError, ValueError) as error:
                return {"frames": found, "error": f"{panel.get('title')}, {target.get('refId')}: {error}"}
        return {"frames": found}

    def _annotations(self) -> list[Json]:
        annotations: list[Json] = self._dashboard.get("annotations", {}).get("list", [])
        return [each for each in annotations if each.get("enable") and "rawSql" in (each.get("target") or {})]

    async def _annotate(self, annotation: Json) -> Json:
        found = await self._sources.ask(annotation["target"], self._window, self._choices)
        shown = {key: annotation.get(key) for key in ("name", "iconColor", "filter")}
        return {**shown, "frames": found}


def panels_of(dashboard: Json) -> list[Json]:
    """Return the panels, those of collapsed rows included, without the rows."""
    flat = [each for panel in dashboard["panels"] for each in (panel, *panel.get("panels", []))]
    return [panel for panel in flat if panel["type"] != "row"]


def window_of(dashboard: Json, now: datetime) -> Window:
    """Return the time range with which a dashboard opens."""
    time = dashboard["time"]
    since, until = _AGO.fullmatch(time["from"]), _NOW.fullmatch(time["to"])
    if since is None or until is None:
        raise ValueError(f"a time range from {time['from']} to {time['to']} is not understood")
    start = now - timedelta(seconds=int(since[1]) * _SECONDS[since[2]])
    end = now + timedelta(seconds=int(until[1]) * _SECONDS[until[2]]) if until[1] else now
    return Window(start.astimezone(UTC), end.astimezone(UTC))


def range_text(dashboard: Json) -> str:
    """Return that time range in Grafana's words."""
    time = dashboard["time"]
    since = _AGO.fullmatch(time["from"])
    if since is None or time["to"] != "now":
        return f"{time['from']} to {time['to']}"
    unit = _UNITS[since[2]] + ("" if since[1] == "1" else "s")
    return f"Last {since[1]} {unit}"
