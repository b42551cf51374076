"""Makes the two kinds of target: SQL, for which the SDK has no type, and PromQL."""

import re
from textwrap import dedent, indent

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

POSTGRES_TYPE = "grafana-postgresql-datasource"

# The fixed uids of grafana/provisioning/datasources.
POSTGRES = DataSourceRef(type_val=POSTGRES_TYPE, uid="pinterest-postgres")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="pinterest-prometheus")

_BLANK_LINES = re.compile(r"\n\s*\n")


class PostgresQuery(Dataquery):
    """A query of Grafana's PostgreSQL data source, as its editor saves it in code mode."""

    def __init__(self, raw_sql: str, *, table: bool, ref_id: str) -> None:
        self.raw_sql = raw_sql
        self.table = table
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """Return its part of the dashboard's JSON."""
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": "table" if self.table else "time_series",
            "rawQuery": True,
            "rawSql": self.raw_sql,
            "refId": self.ref_id,
        }


class Sql(Builder[Dataquery]):
    """Builds a :class:`PostgresQuery` from an indented text."""

    def __init__(self, query: str, *, table: bool, ref_id: str = "A") -> None:
        self._query = PostgresQuery(tidy(query), table=table, ref_id=ref_id)

    def build(self) -> Dataquery:
        """Return the query."""
        return self._query


def tidy(query: str) -> str:
    """Return a query without blank lines and without the indentation of the code around it."""
    return _BLANK_LINES.sub("\n", dedent(query).strip())


def nested(query: str, margin: int) -> str:
    """Return a query in brackets, for a text whose lines begin at the column ``margin``."""
    return f"(\n{indent(tidy(query), ' ' * (margin + 4))}\n{' ' * margin})"


def table(query: str, ref_id: str = "A") -> Sql:
    """Return a target whose rows are shown as they are."""
    return Sql(query, table=True, ref_id=ref_id)


def series(query: str, ref_id: str = "A") -> Sql:
    """Return a target with a column ``time``; text columns name the series, the others are their values."""
    return Sql(query, table=False, ref_id=ref_id)


def promql(expression: str, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """Return a target over the time range."""
    return (
        prometheus.Dataquery()
        .datasource(PROMETHEUS)
        .expr(tidy(expression))
        .legend_format(legend or "__auto")
        .range()
        .ref_id(ref_id)
    )


def instant(expression: str, legend: str = "") -> prometheus.Dataquery:
    """Return a target at the end of the time range."""
    return promql(expression, legend).instant()
