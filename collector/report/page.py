"""Renders a report as one HTML page that asks nothing of any machine. Pure.

The page has no script, and one style sheet, whose digest is all that its policy allows: whatever a client is called, it
is text.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import msgspec
from markupsafe import Markup

from collector.chart import Bar, Day, Mark, MarkKind, bar_chart, line_chart, sparkline
from collector.report import sentences
from collector.report.brand import Brand
from collector.report.contents import YEAR, Contents
from collector.report.language import Language, Locale, language_of
from collector.store.overview import COUNTS
from collector.template import templates_of

_MOST_GAPS: Final = 12
_MOST_DROPS: Final = 12
_CHARTED: Final = ("engagement", "impression")
_STYLE: Final = files(__package__).joinpath("templates", "report.css").read_text(encoding="utf-8")
_TEMPLATES: Final = templates_of(__package__)


class _Chart(msgspec.Struct, frozen=True):
    title: str
    drawing: Markup


def render(
    contents: Contents,
    brand: Brand,
    locale: Locale | None,
    made_on: date,
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the page of a client; ``brand`` is that client's, and chooses the language where ``locale`` does not.

    ``pictures`` holds pictures of pins by where they were, as addresses that hold them.
    """
    locale = locale or brand.locale or Locale.EN
    language = language_of(locale)
    return _TEMPLATES.get_template("report.html").render(
        language=language,
        locale=locale,
        brand=brand,
        contents=contents,
        month=language.of_month(contents.month),
        month_before=language.beside(contents.month.before(), contents.month),
        month_of_last_year=language.of_month(contents.month.before(YEAR)),
        summary=[each for each in sentences.summary(contents, language) if each],
        charts=[_by_day(contents, language, each) for each in _CHARTED],
        legend=_legend(contents, language),
        months=_by_month(contents, language),
        drops=sentences.drops(contents, language),
        most_drops=_MOST_DROPS,
        quality=sentences.quality(contents, language),
        gaps=sentences.gaps(contents, language),
        most_gaps=_MOST_GAPS,
        counts=COUNTS,
        # Their order in the table of profiles; pin clicks are in the tiles.
        shown=("impression", "engagement", "save", "outbound_click"),
        spark=lambda total: Markup(sparkline(total.days)),  # noqa: S704 -- numbers only
        made_on=language.dated(made_on),
        style=Markup(_style(brand)),  # noqa: S704 -- ours, and a colour that was checked
        policy=policy_of(brand),
        pictures=pictures,
    )


def _style(brand: Brand) -> str:
    return f":root {{ --accent: {brand.colour}; }}\n{_STYLE}"


def policy_of(brand: Brand) -> str:
    """Return what the page allows a browser: its own style sheet, and the logo and pictures that it holds."""
    digest = b64encode(sha256(_style(brand).encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _by_day(contents: Contents, language: Language, metric: str) -> _Chart:
    total = contents.total[metric]
    gaps = {
        each.first_day + number * timedelta(days=1) for each in contents.quality.gaps for number in range(each.days)
    }
    days = [
        Day(
            day=day,
            value=value,
            settled=day not in contents.provisional_days,
            missing=day in gaps,
            before=total.days_before[place] if place < len(total.days_before) else None,
            text=f"{language.on(day)}: {language.number(value)}",
        )
        for place, (day, value) in enumerate(zip(contents.days, total.days, strict=True))
    ]
    title = language.page["by_day"].format(metric=language.metrics[metric])
    drawing = line_chart(days, _marks(contents), name=metric, label=title, wording=language.axis)
    return _Chart(title, Markup(drawing))  # noqa: S704 -- escaped where it was drawn


def _marks(contents: Contents) -> list[Mark]:
    return [
        *(Mark(MarkKind.FLEET_DROP, first, last) for first, last in contents.fleet_drops),
        *(Mark(MarkKind.DROP, each.first_day, each.last_day) for each in contents.drops),
        *(Mark(MarkKind.PIN, day, day) for day in contents.pins),
    ]


def _legend(contents: Contents, language: Language) -> list[tuple[str, str]]:
    say, before = language.legend, contents.total["engagement"].days_before
    shown = [
        (True, "line", language.of_month(contents.month)),
        (any(each is not None for each in before), "before", language.of_month(contents.month.before())),
        (bool(contents.provisional_days.intersection(contents.days)), "hatch", say["provisional"]),
        (bool(contents.drops), "drop", say["drop"]),
        (bool(contents.fleet_drops), "fleet-drop", say["fleet_drop"]),
        (bool(contents.quality.gaps), "gap", say["gap"]),
        (bool(contents.pins), "pin", say["pin"]),
    ]
    return [(kind, text) for is_shown, kind, text in shown if is_shown]


def _by_month(contents: Contents, language: Language) -> _Chart | None:
    """Draw the engagements of thirteen months, where there is more than this one."""
    if sum(number is not None for _, number in contents.months) < 2:  # noqa: PLR2004 -- to be compared
        return None
    bars = [
        Bar(
            language.months_short[month.number - 1],
            number,
            f"{language.of_month(month)}: {language.number(number)}",
        )
        for month, number in contents.months
    ]
    title = language.page["by_month"]
    return _Chart(title, Markup(bar_chart(bars, label=title, wording=language.axis)))  # noqa: S704 -- as above
