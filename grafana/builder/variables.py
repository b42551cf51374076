"""Makes the variables at the head of the dashboards, and their conditions in SQL.

A variable of several values is written bare in SQL, and the data source replaces it by quoted literals; a variable of one
value is written between quotes. Both are safe for names with quotes and dollars. The format ``sqlstring`` is
not: it puts a backslash before a double quote, which PostgreSQL takes for a part of the name.

"All" is the empty literal rather than every name: no client and no profile has an empty name, and PostgreSQL evaluates
``'' IN ('')`` while it plans, so the condition costs nothing.
"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from grafana.builder.query import POSTGRES, PROMETHEUS, tidy

ALL_SQL = "''"
ALL_PROMQL = ".+"
_ALL = VariableOption(text="All", value="$__all", selected=True)

METRICS = {
    "impression": "Impressions",
    "engagement": "Engagements",
    "save": "Saves",
    "pin_click": "Pin clicks",
    "outbound_click": "Outbound clicks",
}

CHOSEN_CLIENTS = "('' IN ($client) OR p.client IN ($client))"


def chosen_metric(table: str) -> str:
    """Return SQL for the chosen metric of ``table``; PostgreSQL chooses it while it plans."""
    branches = " ".join(f"WHEN '{name}' THEN {table}.{name}" for name in METRICS)
    return f"CASE '$metric' {branches} END"


def clients() -> dashboard.QueryVariable:
    """Return a variable of any number of clients."""
    return _several(_query("client", "Client", _CLIENTS), ALL_SQL)


def metric() -> dashboard.CustomVariable:
    """Return a variable of one count."""
    options = [VariableOption(text=title, value=name, selected=name == "engagement") for name, title in METRICS.items()]
    return (
        dashboard.CustomVariable("metric")
        .label("Metric")
        .values(",".join(f"{title} : {name}" for name, title in METRICS.items()))
        .options(options)
        .current(next(option for option in options if option.selected))
    )


def search(label: str) -> dashboard.TextBoxVariable:
    """Return a text box for a part of a name."""
    return (
        dashboard.TextBoxVariable("search")
        .label(label)
        .default_value("")
        .current(VariableOption(text="", value="", selected=True))
    )


def page(query: str) -> dashboard.QueryVariable:
    """Return a variable of one page of a long list; ``query`` returns the page numbers."""
    return _query("page", "Page", query).current(VariableOption(text="1", value="1", selected=True))


def instances() -> dashboard.QueryVariable:
    """Return a variable of any number of replicas."""
    replicas = (
        dashboard.QueryVariable("instance")
        .label("Replica")
        .datasource(PROMETHEUS)
        .query({"query": "label_values(collector_build_info, instance)", "refId": "instance"})
        .definition("label_values(collector_build_info, instance)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return _several(replicas, ALL_PROMQL)


def _several(variable: dashboard.QueryVariable, all_value: str) -> dashboard.QueryVariable:
    return variable.multi(multi=True).include_all(include_all=True).all_value(all_value).current(_ALL)


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(POSTGRES)
        .query(tidy(query))
        .definition(tidy(query))
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.DISABLED)
    )


# All of them: when Grafana reads the options again, it drops a choice that is not among them.
_CLIENTS = """
    SELECT DISTINCT client
    FROM profile
    ORDER BY client
"""

# The profiles of the one client that a dashboard is about.
CHOSEN_PROFILES = "c.client = '$client' AND ('' IN ($profile) OR c.profile IN ($profile))"
CHOSEN_PROFILES_AS_P = CHOSEN_PROFILES.replace("c.profile", "p.name").replace("c.client", "p.client")


def client() -> dashboard.QueryVariable:
    """Return a variable of one client."""
    return _query("client", "Client", _CLIENTS)


def profiles() -> dashboard.QueryVariable:
    """Return a variable of any number of the client's profiles."""
    query = """
        SELECT name
        FROM profile
        WHERE client = '$client'
        ORDER BY name
    """
    return _several(_query("profile", "Profile", query), ALL_SQL)


def compared() -> dashboard.QueryVariable:
    """Return a variable of a client to compare with; the empty text is none."""
    query = """
        SELECT
            '' AS __value,
            'no one' AS __text
        UNION ALL
        SELECT
            client AS __value,
            client AS __text
        FROM (SELECT DISTINCT client FROM profile WHERE client <> '$client' ORDER BY client) others
    """
    none = VariableOption(text="no one", value="", selected=True)
    return _query("compare", "Compare with", query).current(none)


def day() -> dashboard.QueryVariable:
    """Return a variable of one day of the time range, the newest first."""
    query = """
        SELECT DISTINCT c.day::text AS day
        FROM profile_day c
        WHERE c.client = '$client'
          AND $__timeFilter(c.day)
        ORDER BY day DESC
    """
    return _query("day", "Restatements of", query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
