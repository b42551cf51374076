"""The preview can draw every kind of panel, and makes frames as Grafana's data sources do."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tools.preview import HERE, ROOT, frames

DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
COLUMNS = [("time", "time"), ("metric", "string"), ("value", "number")]
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
MILLISECONDS = [datetime(2026, 11, day, tzinfo=UTC).timestamp() * 1000 for day in (23, 24)]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_kind_of_panel_can_be_drawn(path: Path) -> None:
    page = (HERE / "src/panels.tsx").read_text(encoding="utf-8")
    table = page[page.index("BY_TYPE") : page.index("};")]
    drawn = set(re.findall(r'^  "?([\w-]+)"?: \w+,$', table, re.MULTILINE))
    used = {panel["type"] for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]}
    assert used <= drawn | {"row"}


def test_rows_become_a_series_for_each_name_with_holes_where_a_day_is_missing() -> None:
    rows = [(MONDAY, "acme", Decimal("1.5")), (MONDAY, "zeta", 7), (TUESDAY, "acme", None)]
    [frame] = frames.time_series("A", COLUMNS, rows)
    assert [field["name"] for field in frame["schema"]["fields"]] == ["Time", "acme", "zeta"]
    assert frame["data"]["values"] == [MILLISECONDS, [1.5, None], [7, None]]


def test_other_text_columns_become_labels() -> None:
    columns = [("time", "time"), ("client", "string"), ("value", "number")]
    [frame] = frames.time_series("A", columns, [(MONDAY, "acme", 1)])
    assert frame["schema"]["fields"][1] == {"name": "value", "type": "number", "labels": {"client": "acme"}}


def test_no_rows_are_no_series() -> None:
    assert frames.time_series("A", COLUMNS, []) == []


def test_series_of_prometheus_are_named_by_their_legend() -> None:
    result = [{"metric": {"outcome": "ok"}, "values": [[MILLISECONDS[0] / 1000, "NaN"], [MILLISECONDS[1] / 1000, "2"]]}]
    [frame] = frames.range_vector("A", "polls {{outcome}}", "up", result)
    assert frame["schema"]["fields"][1]["config"] == {"displayNameFromDS": "polls ok"}
    assert frame["data"]["values"] == [MILLISECONDS, [None, 2.0]]
