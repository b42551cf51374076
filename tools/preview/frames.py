"""Turns answers into the data frames of Grafana's API, as its backend does. Pure: no clock, no I/O.

The rules for SQL are those of Grafana's ``sqleng`` and of ``LongToWide`` in its plugin SDK, for PromQL those of
``promlib``.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Frame = dict[str, Any]
Values = list[Any]

_TIME, _NUMBER, _STRING, _BOOLEAN = "time", "number", "string", "boolean"
_KINDS = {
    "date": _TIME,
    "timestamp": _TIME,
    "timestamptz": _TIME,
    "bool": _BOOLEAN,
    **dict.fromkeys(("int2", "int4", "int8", "float4", "float8", "numeric"), _NUMBER),
}
_PLACEHOLDER = re.compile(r"{{\s*(\w+)\s*}}")


def kind_of(postgres_type: str) -> str:
    """Return Grafana's kind of field for a type of PostgreSQL."""
    return _KINDS.get(postgres_type, _STRING)


def table(ref_id: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Frame:
    """Return rows as they are; ``columns`` are names and kinds."""
    values = [[_plain(row[place], kind) for row in rows] for place, (_, kind) in enumerate(columns)]
    return _frame(ref_id, [_field(name, kind) for name, kind in columns], values)


def time_series(ref_id: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> list[Frame]:
    """Return rows as series: the column ``time`` is the axis, text columns are labels, the others are values."""
    if not rows:
        return []
    names = [name for name, _ in columns]
    time = names.index("time")
    labels = [place for place, (_, kind) in enumerate(columns) if kind == _STRING]
    numbers = [place for place, (_, kind) in enumerate(columns) if kind != _STRING and place != time]
    times = sorted({_plain(row[time], _TIME) for row in rows})
    at = {moment: place for place, moment in enumerate(times)}
    series: dict[tuple[str, ...], list[Values]] = {}
    for row in rows:
        key = tuple(str(row[place]) for place in labels)
        wide = series.setdefault(key, [[None] * len(times) for _ in numbers])
        for values, place in zip(wide, numbers, strict=True):
            values[at[_plain(row[time], _TIME)]] = _plain(row[place], _NUMBER)
    fields, columns_of_values = [_field("Time", _TIME)], [times]
    # Grafana takes a lone label called metric for the series' name.
    by_metric = [names[place] for place in labels] == ["metric"] and len(numbers) == 1
    for key in sorted(series):
        for place, values in zip(numbers, series[key], strict=True):
            named = {names[label]: value for label, value in zip(labels, key, strict=True)}
            fields.append(_field(key[0], _NUMBER) if by_metric else _field(names[place], _NUMBER, named or None))
            columns_of_values.append(values)
    return [_frame(ref_id, fields, columns_of_values)]


def range_vector(ref_id: str, legend: str, expression: str, result: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Return the series that Prometheus found over a time range."""
    return [_series(ref_id, legend, expression, each["metric"], each["values"]) for each in result]


def instant_vector(ref_id: str, legend: str, expression: str, result: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Return the series that Prometheus found for one moment, with a point each."""
    return [_series(ref_id, legend, expression, each["metric"], [each["value"]]) for each in result]


def instant_table(ref_id: str, result: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Return one moment's series as a table with a column a label."""
    labels = sorted({name for each in result for name in each["metric"]})
    fields = [_field("Time", _TIME), *(_field(name, _STRING) for name in labels), _field("Value", _NUMBER)]
    columns: list[Values] = [
        [float(each["value"][0]) * 1000 for each in result],
        *([each["metric"].get(name) for each in result] for name in labels),
        [_number(each["value"][1]) for each in result],
    ]
    return [_frame(ref_id, fields, columns)] if result else []


def _series(
    ref_id: str, legend: str, expression: str, labels: Mapping[str, str], points: Sequence[tuple[float, str]]
) -> Frame:
    value = _field("Value", _NUMBER, dict(labels))
    if name := _legend(legend, expression, labels):
        value["config"] = {"displayNameFromDS": name}
    columns: list[Values] = [[float(moment) * 1000 for moment, _ in points], [_number(text) for _, text in points]]
    return _frame(ref_id, [_field("Time", _TIME), value], columns)


def _legend(legend: str, expression: str, labels: Mapping[str, str]) -> str:
    if legend in {"", "__auto"}:
        # The page names a series by its labels; a series without labels is named by its expression.
        return "" if labels else expression
    return _PLACEHOLDER.sub(lambda match: labels.get(match[1], ""), legend)


def _field(name: str, kind: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"name": name, "type": kind, **({"labels": labels} if labels else {})}


def _frame(ref_id: str, fields: list[dict[str, Any]], values: list[Values]) -> Frame:
    return {"schema": {"refId": ref_id, "fields": fields}, "data": {"values": values}}


def _plain(value: Any, kind: str) -> Any:  # noqa: ANN401 -- a database's values
    """Return a value for JSON: times in milliseconds, numbers without a type of their own."""
    if value is None:
        return None
    if kind == _TIME:
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if kind == _STRING:
        return value.isoformat() if isinstance(value, date) else str(value)
    return _number(value) if isinstance(value, Decimal | float) else value


def _number(value: Decimal | float | str) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
