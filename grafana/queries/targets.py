"""Finds the queries in a dashboard's JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Query:
    """A query, and where it stands: ``title`` is the panel's, or the name of the annotation or variable."""

    kind: Literal["panel", "annotation", "variable"]
    title: str
    language: Literal["sql", "promql"]
    text: str
    table: bool
    # The panel, annotation or variable, from the JSON.
    asker: dict[str, Any]

    @property
    def name(self) -> str:
        """Return its name in a list."""
        return self.title if self.kind == "panel" else f"{self.kind} {self.title}"


def queries(dashboard: dict[str, Any]) -> Iterator[Query]:
    """Yield the queries of panels, annotations and variables; a variable of Prometheus reads labels and has no query."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield _query("panel", panel["title"], target, panel)
    for annotation in dashboard.get("annotations", {}).get("list", []):
        yield _query("annotation", annotation["name"], annotation["target"], annotation)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and isinstance(variable["query"], str):
            yield Query("variable", variable["name"], "sql", variable["query"], table=True, asker=variable)


def _query(kind: Literal["panel", "annotation"], title: str, target: dict[str, Any], asker: dict[str, Any]) -> Query:
    if "rawSql" in target:
        return Query(kind, title, "sql", target["rawSql"], table=target["format"] == "table", asker=asker)
    return Query(kind, title, "promql", target["expr"], table=target.get("format") == "table", asker=asker)
