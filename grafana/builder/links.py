"""Makes the links from panels: the fixed uids of the dashboards, and links that keep the time range."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

FLEET = "pinterest-fleet"
CLIENT = "pinterest-client"
PUBLISHING = "pinterest-publishing"
OPERATIONS = "pinterest-operations"
TAG = "pinterest"


@dataclass(frozen=True)
class Link:
    """A title and an address, in which Grafana replaces variables."""

    title: str
    url: str
    new_tab: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as a data link; for panel links the SDK has a type."""
        return {"title": self.title, "url": self.url, "targetBlank": self.new_tab}

    def on_panel(self) -> dashboard.DashboardLink:
        """Return it as a link in the corner of a panel."""
        return dashboard.DashboardLink(self.title).type(DashboardLinkType.LINK).url(self.url).target_blank(self.new_tab)


def to(uid: str, title: str, **variables: str) -> Link:
    """Return a link to a dashboard with the same time range and those variables, named without ``var-``."""
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return Link(title, f"/d/{uid}?${{__url_time_range}}{chosen}")


def cell(column: str) -> str:
    """Return the placeholder that Grafana replaces by the row's value in ``column``, encoded for an address."""
    return f"${{__data.fields.{column}:percentencode}}"


CLIENT_OF_ROW = to(CLIENT, "Open the client", client=cell("Client"))
# The chosen clients, encoded by Grafana as one parameter each; "All" stays "All".
SAME_CLIENTS = "${client:queryparam}"


def keeping_clients(uid: str, title: str) -> Link:
    """Return a link to a dashboard that has the same variable ``client``."""
    return Link(title, f"/d/{uid}?${{__url_time_range}}&{SAME_CLIENTS}")


def navigation() -> dashboard.DashboardLink:
    """Return the menu of all four dashboards, which Grafana makes from their tag."""
    return (
        dashboard.DashboardLink("Pinterest")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=False)
        .keep_time(keep_time=True)
    )
