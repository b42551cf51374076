"""Expands a panel's query as Grafana does: variables first, then macros. Pure: no clock, no I/O.

Only what these dashboards use is supported; anything else is an error. The rules are Grafana 12's:

- the syntax of variables, and that a custom "All" value is put in as it is: ``VARIABLE_REGEX``, ``formatRegistry.ts`` and
  ``MultiValueVariable.ts`` of grafana/scenes
- how a value without a format goes into SQL: ``interpolateVariable`` in ``SqlDatasource.ts`` of @grafana/sql
- how it goes into PromQL: ``interpolateQueryExpr`` and ``prometheusSpecialRegexEscape`` in @grafana/prometheus
- macros of SQL: ``macros.go`` and ``sqleng/sql_engine.go`` of the PostgreSQL data source
- ``$__interval``, ``$__rate_interval``, ``$__range``: ``pkg/promlib/models/query.go``
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")

_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_REGEX_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
_PROMQL_SPECIAL = re.compile(r"[$^*{}\[\]+?.()|]")

# The points of a chart that is about as wide as a screen; Grafana takes the panel's width in pixels.
MAX_DATA_POINTS = 1000
SCRAPE_INTERVAL_SECONDS = 15


class ExpansionError(ValueError):
    """A query uses something that Grafana, or this implementation of it, does not know."""


@dataclass(frozen=True)
class Choice:
    """The chosen value of a variable: one text, several, or "All" with its custom value.

    ``quoted`` is whether the variable can have several values or "All"; the data sources quote by it.
    """

    values: tuple[str, ...]
    quoted: bool = False
    all_value: str | None = None

    @classmethod
    def one(cls, value: str) -> "Choice":
        """Return the choice of a variable that has one value."""
        return cls((value,))

    @classmethod
    def several(cls, *values: str) -> "Choice":
        """Return a choice of a variable that can have several."""
        return cls(values, quoted=True)

    @classmethod
    def everything(cls, all_value: str) -> "Choice":
        """Return "All" of a variable that has a custom value for it."""
        return cls((), quoted=True, all_value=all_value)


@dataclass(frozen=True)
class Window:
    """The dashboard's time range; both ends are in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None or self.end <= self.start:
            raise ExpansionError("a window needs two aware times in their order")

    @property
    def seconds(self) -> float:
        """Return its length."""
        return (self.end - self.start).total_seconds()


def sql(query: str, window: Window, choices: Mapping[str, Choice]) -> str:
    """Return the SQL that the PostgreSQL data source runs."""
    return _macros(_variables(query, choices, _sql_literal), window)


def promql(
    query: str, window: Window, choices: Mapping[str, Choice], *, scrape_seconds: int = SCRAPE_INTERVAL_SECONDS
) -> str:
    """Return the PromQL that the Prometheus data source sends; variables stand inside quoted label matchers."""
    step = step_seconds(window, scrape_seconds)
    builtin = {
        "__interval": f"{step}s",
        "__rate_interval": f"{max(step + scrape_seconds, 4 * scrape_seconds)}s",
        "__range": f"{round(window.seconds)}s",
        "__range_s": f"{round(window.seconds)}",
    }
    return _variables(query, choices, _promql_regex, builtin)


def step_seconds(window: Window, scrape_seconds: int = SCRAPE_INTERVAL_SECONDS) -> int:
    """Return the seconds between two points, as the Prometheus data source chooses them."""
    return max(scrape_seconds, round(window.seconds / MAX_DATA_POINTS))


def used(query: str) -> set[str]:
    """Return the names of the variables in a query, macros and Grafana's own left out."""
    names = {match[1] or match[2] or match[4] for match in _VARIABLE.finditer(query)}
    return {name for name in names if not name.startswith("__")}


def _variables(
    query: str,
    choices: Mapping[str, Choice],
    plain: Callable[[Choice], str],
    builtin: Mapping[str, str] | None = None,
) -> str:
    def replaced(match: re.Match[str]) -> str:
        name, wanted = match[1] or match[2] or match[4], match[3] or match[6]
        if name.startswith("__"):
            return match[0] if builtin is None else _known(builtin, name)
        choice = _known(choices, name)
        # Grafana formats no custom "All", whatever the format.
        if choice.all_value is not None:
            return choice.all_value
        return _FORMATS[wanted](choice) if wanted in _FORMATS else plain(choice) if not wanted else _unknown(wanted)

    return _VARIABLE.sub(replaced, query)


def _known(things: Mapping[str, T], name: str) -> T:
    if name not in things:
        raise ExpansionError(f"nothing is known of ${name}")
    return things[name]


def _unknown(format_name: str) -> str:
    raise ExpansionError(f"there is no format {format_name}")


def _sql_literal(choice: Choice) -> str:
    doubled = [value.replace("'", "''") for value in choice.values]
    return ",".join(f"'{value}'" for value in doubled) if choice.quoted else "".join(doubled)


def _promql_regex(choice: Choice) -> str:
    if not choice.quoted:
        raise ExpansionError("a variable of one value has no place in a regular expression")
    escaped = [_PROMQL_SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", r"\\\\")) for value in choice.values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _raw(choice: Choice) -> str:
    return ",".join(choice.values)


def _regex(choice: Choice) -> str:
    escaped = [_REGEX_SPECIAL.sub(r"\\\g<0>", value) for value in choice.values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _percent_encoded(choice: Choice) -> str:
    text = f"{{{','.join(choice.values)}}}" if choice.quoted else "".join(choice.values)
    return quote(text, safe="-_.~")


_FORMATS: dict[str, Callable[[Choice], str]] = {
    "raw": _raw,
    "csv": _raw,
    "regex": _regex,
    "percentencode": _percent_encoded,
}


def _macros(query: str, window: Window) -> str:
    step = max(1, round(window.seconds / MAX_DATA_POINTS))
    query = query.replace("$__interval_ms", str(1000 * step)).replace("$__interval", f"{step}s")

    def replaced(match: re.Match[str]) -> str:
        column = match[2].split(",")[0].strip()
        match match[1]:
            case "__timeFilter":
                return f"{column} BETWEEN {_literal(window.start)} AND {_literal(window.end)}"
            case "__timeFrom":
                return _literal(window.start)
            case "__timeTo":
                return _literal(window.end)
            case name:
                raise ExpansionError(f"there is no macro ${name}")

    return _MACRO.sub(replaced, query)


def _literal(moment: datetime) -> str:
    # Like Go's RFC3339Nano: no trailing zeros.
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"'{text}Z'"
