"""Draws series as SVG, for pages and for reports: values in, a string out. Pure.

Positions across are per cent of the width and texts have a size of their own, so that one drawing fits a phone, a wide
screen and paper. Colours come from a style sheet by class; without one, lines are drawn in the colour of the text.
"""

from collector.chart.bars import Bar, bar_chart
from collector.chart.line import Day, Mark, MarkKind, line_chart
from collector.chart.scale import Wording
from collector.chart.spark import sparkline

__all__ = ["Bar", "Day", "Mark", "MarkKind", "Wording", "bar_chart", "line_chart", "sparkline"]
