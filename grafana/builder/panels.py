"""Makes panels: their description, their look by kind, thresholds, columns and links."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import barchart, common, dashboard, stat, statushistory, timeseries
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as enums
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from grafana.builder.links import Link

P = TypeVar("P", barchart.Panel, stat.Panel, statushistory.Panel, tables.Panel, timeseries.Panel)
AnyPanel = barchart.Panel | stat.Panel | statushistory.Panel | tables.Panel | timeseries.Panel
Target = Builder[Dataquery]

# Ids of units in Grafana.
COUNT = "short"
EXACT = "locale"
SHARE = "percentunit"
SECONDS = "s"
# Marks of an axis are round numbers of its unit: 2 minutes, not 100 seconds.
MINUTES = "m"
DATE = "time:YYYY-MM-DD"
TIME = "time:YYYY-MM-DD HH:mm"
AGO = "dateTimeFromNow"

# Names of the theme's colours, which fit dark and light.
GOOD, UNEASY, BAD, NEUTRAL, PALE = "green", "orange", "red", "blue", "text"

_STATES = {
    GOOD: ("active", "published", "ok", "unchanged"),
    NEUTRAL: ("queued", "sending"),
    PALE: ("paused", "cancelled"),
    UNEASY: ("unlinked", "unknown", "rate_limited", "timeout", "network"),
    BAD: ("suspended", "key_invalid", "failed", "unauthorized", "upstream_error", "payload_invalid", "internal_error"),
}


@dataclass(frozen=True)
class About:
    """The description of a panel: what it shows, when to worry, and what it means when it is empty."""

    title: str
    shows: str
    worry: str
    empty: str


@dataclass(frozen=True)
class Column:
    """The look of a column of a table, where it differs from the others."""

    name: str
    title: str | None = None
    unit: str | None = None
    decimals: int | None = None
    width: int | None = None
    link: Link | None = None
    coloured: bool = False
    steps: tuple[tuple[float | None, str], ...] = ()
    states: bool = False
    hidden: bool = False
    wrapped: bool = False

    def properties(self) -> list[DynamicConfigValue]:
        """Return the overrides of the column."""
        coloured = self.states or self.steps or self.coloured
        looks = {
            "displayName": self.title,
            "unit": self.unit,
            "decimals": self.decimals,
            "custom.width": self.width,
            "custom.hideFrom": {"viz": True, "legend": False, "tooltip": False} if self.hidden else None,
            "links": [self.link] if self.link is not None else None,
            "mappings": [state_colours()] if self.states else None,
            "thresholds": thresholds(*self.steps).build() if self.steps else None,
            "custom.wrapText": True if self.wrapped else None,
            "custom.cellOptions": {"type": "color-text"} if coloured else None,
        }
        return [DynamicConfigValue(id_val=name, value=value) for name, value in looks.items() if value is not None]


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds; the first step has no lower bound, which is None."""
    made = [Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def state_colours() -> ValueMap:
    """Return the colours of profiles', polls' and pins' states."""
    options = {
        state: ValueMappingResult(color=colour, index=place)
        for place, (state, colour) in enumerate((state, colour) for colour, all_ in _STATES.items() for state in all_)
    }
    return ValueMap(options=options)


def _described(panel: P, about: About, unit: str, targets: Sequence[Target], size: tuple[int, int], link: Link) -> P:
    width, height = size
    return (
        panel.title(about.title)
        .description(f"{about.shows}\n\n**When to worry:** {about.worry}")
        .no_value(about.empty)
        .unit(unit)
        .targets(list(targets))
        .span(width)
        .height(height)
        .links([link.on_panel()])
    )


def number(
    about: About,
    target: Target,
    unit: str = COUNT,
    *,
    width: int = 4,
    steps: Sequence[tuple[float | None, str]] = ((None, NEUTRAL),),
    change: bool = False,
    link: Link,
) -> stat.Panel:
    """Return one number; with ``change``, how it differs from the first value of its series."""
    panel = _described(stat.Panel(), about, unit, [target], (width, 5), link)
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(enums.BigValueColorMode.VALUE)
        .graph_mode(enums.BigValueGraphMode.NONE)
        .show_percent_change(change)
        .thresholds(thresholds(*steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


def lines(
    about: About,
    targets: Sequence[Target],
    unit: str = COUNT,
    *,
    size: tuple[int, int] = (12, 9),
    link: Link,
    zero: bool = True,
) -> timeseries.Panel:
    """Return lines over time, on an axis from zero by default."""
    panel = _described(timeseries.Panel(), about, unit, targets, size, link)
    if zero:
        panel.min(0)
    return (
        panel.draw_style(enums.GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(8)
        .show_points(enums.VisibilityMode.NEVER)
        .span_nulls(span_nulls=False)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(enums.TooltipDisplayMode.MULTI).sort(enums.SortOrder.DESCENDING))
        .override_by_regexp("/[Pp]rovisional/", _dashed())
    )


def columns_over_time(about: About, targets: Sequence[Target], *, link: Link) -> timeseries.Panel:
    """Return stacked columns over time; series that are states have the states' colours."""
    panel = lines(about, targets, link=link)
    for colour, names in _STATES.items():
        panel.override_by_regexp(f"/^({'|'.join(names)})$/", coloured(colour))
    return (
        panel.draw_style(enums.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .stacking(common.StackingConfig().mode(enums.StackingMode.NORMAL))
    )


def columns(
    about: About,
    target: Target,
    x: str,
    unit: str = COUNT,
    *,
    size: tuple[int, int] = (12, 9),
    link: Link,
    horizontal: bool = False,
    colour: str = NEUTRAL,
) -> barchart.Panel:
    """Return a column, or a bar, for each row of a table; ``x`` names them."""
    panel = _described(barchart.Panel(), about, unit, [target], size, link)
    return (
        panel.x_field(x)
        .orientation(enums.VizOrientation.HORIZONTAL if horizontal else enums.VizOrientation.VERTICAL)
        .show_value(enums.VisibilityMode.AUTO)
        .stacking(enums.StackingMode.NORMAL)
        .fill_opacity(70)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour))
        .legend(common.VizLegendOptions().show_legend(show_legend=False).calcs([]))
    )


def rows(
    about: About,
    target: Target,
    looks: Sequence[Column] = (),
    unit: str = EXACT,
    *,
    size: tuple[int, int] = (24, 10),
    link: Link,
) -> tables.Panel:
    """Return a table."""
    panel = _described(tables.Panel(), about, unit, [target], size, link)
    panel.filterable(filterable=False)
    # Grafana writes the message of an empty panel into empty cells too.
    for kind in ("string", "number", "time"):
        panel.override_by_field_type(kind, [DynamicConfigValue(id_val="noValue", value="–")])  # noqa: RUF001 -- a dash
    for column in looks:
        panel.override_by_name(column.name, column.properties())
    return panel


def heat(about: About, target: Target, unit: str, *, link: Link) -> statushistory.Panel:
    """Return a row of coloured cells for each series, on one scale of colours."""
    panel = _described(statushistory.Panel(), about, unit, [target], (24, 14), link)
    return (
        panel.show_value(enums.VisibilityMode.NEVER)
        .row_height(0.9)
        .fill_opacity(90)
        .line_width(0)
        .legend(common.VizLegendOptions().show_legend(show_legend=False).calcs([]))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BLUES))
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(enums.LegendDisplayMode.LIST)
        .placement(enums.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs([])
    )


def stepped(*steps: tuple[float | None, str]) -> list[DynamicConfigValue]:
    """Return the override that gives a number thresholds of its own."""
    return [DynamicConfigValue(id_val="thresholds", value=thresholds(*steps).build())]


def coloured(colour: str) -> list[DynamicConfigValue]:
    """Return the override that gives a series its colour, wherever it appears."""
    return [DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]


def _dashed() -> list[DynamicConfigValue]:
    return [
        # Its colour shows to which line it belongs; a second entry would only fill the legend.
        DynamicConfigValue(id_val="custom.hideFrom", value={"viz": False, "legend": True, "tooltip": False}),
        DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [4, 4]}),
        DynamicConfigValue(id_val="custom.fillOpacity", value=0),
    ]
