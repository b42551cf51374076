"""Draws a replay: a panel for each profile, with its days, what was expected of them, and its drops.

Needs matplotlib, which is optional and slow to import: import this module only where something is drawn. Colours are
those of Okabe and Ito, which readers with colour blindness can tell apart. Hatching marks the fleet's drops in
grey print.
"""

import warnings
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import BinaryIO

import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from collector.detect.backtest import Replayed
from collector.detect.model import Floats
from collector.detect.panel import Panel, Panels

_UNITS = {
    "engagement": "engagements a day",
    "impression": "impressions a day",
    "outbound_click": "outbound clicks a day",
    "save": "saves a day",
}
_INK, _QUIET, _GRID = "#222222", "#666666", "#E4E4E4"
_EXPECTED, _OWN, _FLEET = "#0072B2", "#D55E00", "#8C8C8C"
_HATCHED, _SHADE = "#EEEEEE", 0.28
_ABOVE = 4.0
_DOT, _MOST_DOTTED_DAYS = 3.0, 100
_DASHES = (0, (3, 2))
# A matplotlibrc of this machine is overruled.
_STYLE = {"font.size": 9, "hatch.linewidth": 0.7, "axes.edgecolor": _QUIET, "svg.fonttype": "none"}
_DOTS_PER_INCH = 110
# In inches.
_WIDTH, _ROW, _ONLY_ROW, _HEAD, _FOOT, _LEFT, _RIGHT = 12.5, 1.95, 3.6, 1.22, 0.82, 0.62, 0.22
_BETWEEN_ROWS, _BETWEEN_COLUMNS = 0.42, 0.66
_MOST_IN_ONE_COLUMN = 3
_TITLE_LETTERS = {1: 110, 2: 48}
# Days shown before the first that counts, to compare with.
_DAYS_BEFORE = 28
_FEWEST_DAYS = 14
# Days this far above all others would flatten the rest; they are marked at the edge instead.
_HEADROOM, _USUAL_PERCENT = 1.6, 98


def draw(file: BinaryIO, kind: str, panels: Panels, summary: str, since: date | None) -> None:
    """Write a picture of a ``kind`` (png, svg, pdf); ``summary`` is the line below its title."""
    with warnings.catch_warnings(), style.context(["default", _STYLE]):
        # Letters that the font lacks are drawn as boxes; the rest of the picture is not affected.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure = _figure(panels.shown, since)
        faded = [] if since is None else [axes for axes in figure.axes if _fade(axes, since)]
        _write_head(figure, panels.shown, summary)
        _write_foot(figure, panels, faded=bool(faded))
        figure.savefig(file, format=kind)


def _figure(panels: Sequence[Panel], since: date | None) -> Figure:
    columns = 1 if len(panels) <= _MOST_IN_ONE_COLUMN else 2
    rows = max(-(-len(panels) // columns), 1)
    row = _ONLY_ROW if rows == 1 else _ROW
    height = _HEAD + _FOOT + rows * row + (rows - 1) * _BETWEEN_ROWS
    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    column = (_WIDTH - _LEFT - _RIGHT - (columns - 1) * _BETWEEN_COLUMNS) / columns
    span = _span(panels, since)
    for number, panel in enumerate(panels):
        down, across = divmod(number, columns)
        bottom = height - _HEAD - row - down * (row + _BETWEEN_ROWS)
        left = _LEFT + across * (column + _BETWEEN_COLUMNS)
        axes = figure.add_axes((left / _WIDTH, bottom / height, column / _WIDTH, row / height))
        _draw_panel(axes, panel, span, _TITLE_LETTERS[columns])
        lowest = number + columns >= len(panels)
        axes.tick_params(axis="x", labelbottom=lowest)
        axes.xaxis.get_offset_text().set_visible(lowest)
    return figure


def _span(panels: Sequence[Panel], since: date | None) -> tuple[date, date]:
    """Return the first and the last day of all panels: they share one axis, to be compared."""
    first = min((panel.first_day for panel in panels), default=date.min)
    last = max((_last_day(panel) for panel in panels), default=date.min)
    if since is not None:
        first = max(first, since - timedelta(days=_DAYS_BEFORE))
    return min(first, last - timedelta(days=_FEWEST_DAYS)) if panels else first, last


def _last_day(panel: Panel) -> date:
    return panel.first_day + timedelta(days=len(panel.counts) - 1)


def _draw_panel(axes: Axes, panel: Panel, span: tuple[date, date], letters: int) -> None:
    hidden = max((span[0] - panel.first_day).days, 0)
    counts, expected, low = panel.counts[hidden:], panel.expected[hidden:], panel.expected_low[hidden:]
    days = _number(panel.first_day) + hidden + np.arange(len(counts))
    for episode in panel.episodes:
        _shade(axes, episode)
    axes.fill_between(days, low, expected, color=_EXPECTED, alpha=0.22, linewidth=0, zorder=2)
    axes.plot(days, expected, color=_EXPECTED, linewidth=1.0, zorder=3)
    dot = _DOT if (span[1] - span[0]).days <= _MOST_DOTTED_DAYS else _DOT / 2
    axes.plot(days, counts, color=_INK, linewidth=0.9, marker=".", markersize=dot, zorder=4)
    top = _top(counts, expected)
    above = days[np.nan_to_num(counts) > top]
    axes.plot(above, np.full(len(above), top), "^", color=_INK, markersize=_ABOVE, clip_on=False, zorder=5)
    axes.set_ylim(0, top)
    axes.set_xlim(_number(span[0]) - 0.5, _number(span[1]) + 0.5)
    _dress(axes)
    name = _cut(f"{panel.profile} ({panel.client})", letters)
    axes.set_title(name, loc="left", fontsize=10, fontweight="bold", color=_INK, parse_math=False)
    axes.set_title(_UNITS[panel.metric], loc="right", fontsize=9, color=_QUIET)


def _fade(axes: Axes, since: date) -> bool:
    """Fade the days before the first that counts; drops that were detected on them do not count."""
    first = axes.get_xlim()[0]
    if first >= _number(since) - 0.5:
        return False
    axes.axvspan(first, _number(since) - 0.5, facecolor="white", alpha=0.6, linewidth=0, zorder=7)
    return True


def _dress(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: _short(value)))
    axes.grid(color=_GRID, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_QUIET, labelcolor=_INK, length=3)


def _top(counts: Floats, expected: Floats) -> float:
    """Return where the scale ends: above the largest day, unless that is far above nearly all others."""
    known = counts[~np.isnan(counts)]
    if not len(known):
        return 1.0
    usual = max(1.0, float(np.percentile(known, _USUAL_PERCENT)), *expected[~np.isnan(expected)])
    return float(1.12 * min(max(usual, known.max()), _HEADROOM * usual))


def _shade(axes: Axes, episode: Replayed) -> None:
    first, last, detected = map(_number, (episode.first_day, episode.last_day, episode.detected_day))
    if episode.inhibited:
        axes.axvspan(first - 0.5, last + 0.5, facecolor=_HATCHED, edgecolor=_FLEET, hatch="////", linewidth=0, zorder=1)
    else:
        axes.axvspan(first - 0.5, last + 0.5, facecolor=_OWN, alpha=_SHADE, linewidth=0, zorder=1)
    colour = _FLEET if episode.inhibited else _OWN
    axes.axvline(detected, color=colour, linewidth=1.1, linestyle=_DASHES, zorder=3)
    height = axes.get_xaxis_transform()
    axes.plot(detected, 0.95, marker="v", markersize=7, color=colour, transform=height, zorder=6)


def _write_head(figure: Figure, panels: Sequence[Panel], summary: str) -> None:
    height = figure.get_figheight()
    left = _LEFT / _WIDTH
    write = partial(figure.text, left, va="top", parse_math=False)
    write(1 - 0.14 / height, "Drops that the detector would have told", fontsize=14, weight="bold")
    write(1 - 0.43 / height, summary, fontsize=9.5, color=_QUIET)
    figure.legend(
        handles=_legend([episode for panel in panels for episode in panel.episodes], figure.axes),
        loc="upper left",
        bbox_to_anchor=(left, 1 - 0.64 / height),
        borderaxespad=0,
        borderpad=0,
        ncols=8,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.5,
    )


def _legend(episodes: Sequence[Replayed], drawn: Sequence[Axes]) -> list[Artist]:
    """Return an entry for everything that is in the picture, and for nothing else."""
    entries: list[Artist] = [
        Line2D([], [], color=_INK, linewidth=0.9, marker=".", markersize=4, label="counted"),
        Line2D([], [], color=_EXPECTED, linewidth=1.2, label="expected"),
        Patch(facecolor=_EXPECTED, alpha=0.22, label="down to the low end of what is expected"),
    ]
    own = [episode for episode in episodes if not episode.inhibited]
    if own:
        entries.append(Patch(facecolor=_OWN, alpha=_SHADE, label="drop"))
    if len(own) < len(episodes):
        entries.append(Patch(facecolor=_HATCHED, edgecolor=_FLEET, hatch="////", label="drop of the whole fleet"))
    if episodes:
        colour = _OWN if own else _FLEET
        entries.append(Line2D([], [], color=colour, linestyle=_DASHES, marker="v", markersize=7, label="detected"))
    if any(np.size(line.get_xdata()) for axes in drawn for line in axes.lines if line.get_marker() == "^"):
        entries.append(Line2D([], [], color=_INK, linestyle="", marker="^", markersize=_ABOVE, label="above the scale"))
    return entries


def _write_foot(figure: Figure, panels: Panels, *, faded: bool) -> None:
    notes = ["UTC days, each as it was known when it settled."]
    if faded:
        notes[0] += " Pale days are before the first that counts: drops that were detected on them are not shown."
    if panels.left_out:
        number = f"{panels.left_out} more profiles with drops are"
        notes.insert(0, f"{number} not shown. These {len(panels.shown)} have the most, and among equals the largest.")
    if not panels.shown:
        notes = ["No profile has settled days."]
    corner = _LEFT / _WIDTH, 0.1 / figure.get_figheight()
    figure.text(*corner, "\n".join(notes), va="bottom", color=_QUIET, linespacing=1.4)


def _number(day: date) -> int:
    """Return a day as matplotlib counts them."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= 10 * size:
            return f"{value / size:g}{letter}"
    return f"{value:,.0f}"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
