"""Makes the frame of a dashboard: its head, its rows, and the ids of its panels."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationPanelFilter,
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    RowPanel,
    VariableModel,
)

from grafana.builder.links import TAG, navigation
from grafana.builder.panels import AnyPanel
from grafana.builder.query import POSTGRES, table


@dataclass(frozen=True)
class Row:
    """A titled group of panels, which flow from left to right in a grid of 24 columns."""

    title: str
    panels: Sequence[AnyPanel]


def board(
    uid: str,
    title: str,
    description: str,
    *,
    rows: Sequence[Row],
    variables: Sequence[Builder[VariableModel]],
    annotations: Sequence[Builder[AnnotationQuery]] = (),
    annotated: str | None = None,
    since: str,
    refresh: str,
) -> Dashboard:
    """Return a dashboard that shows UTC days and cannot be edited in the browser.

    The annotations are drawn on every chart, or only on the panel with the title ``annotated``.
    """
    builder = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("utc")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh(refresh)
        .variables(list(variables))
        .annotations(list(annotations))
        .links([navigation()])
    )
    for row in rows:
        builder.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            builder.with_panel(panel)
    made = _numbered(builder.build())
    return made if annotated is None else _only_on(annotated, made)


def _numbered(made: Dashboard) -> Dashboard:
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number
        if isinstance(panel, RowPanel):
            panel.collapsed = False
    return made


def _only_on(title: str, made: Dashboard) -> Dashboard:
    [panel] = [panel for panel in made.panels or [] if panel.title == title]
    if panel.id_val is None or made.annotations.list_val is None:
        raise ValueError(f"nothing to mark on {title}")
    for each in made.annotations.list_val:
        each.filter_val = AnnotationPanelFilter(exclude=False, ids=[panel.id_val])
    return made


def annotation(name: str, colour: str, query: str) -> dashboard.AnnotationQuery:
    """Return marks over the time series; ``query`` gives ``time``, ``timeend`` (or NULL) and ``text``."""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(POSTGRES)
        .enable(enable=True)
        .icon_color(colour)
        .target(table(query, ref_id=name))
    )
