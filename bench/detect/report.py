"""Lays figures out as a table, in which ``!`` marks what misses its target, and lists those targets."""

import math
from dataclasses import dataclass

from bench.detect.scoring import Figures
from bench.detect.world import DROPS
from collector.detect.tuning import BUDGETS
from collector.models.drop import Sensitivity

_NAME, _CELL = 32, 9
# What a table shows of each drop: days, by drop.
_SHOWN = {"-60 %": (3, 7, 14), "-40 %": (3, 7, 14), "zero": (3, 7, 14), "-5 %/day": (7, 10, 14)}


@dataclass(frozen=True)
class Target:
    """At least ``least`` or at most ``most``. ``key`` is (drop, days), or the name of a figure."""

    key: tuple[str, int] | str
    least: float = -math.inf
    most: float = math.inf
    as_engagement: bool = False

    def value(self, figures: Figures) -> float:
        if isinstance(self.key, tuple):
            return (figures.engagement if self.as_engagement else figures.told)[self.key]
        return float(getattr(figures, self.key))

    def met(self, figures: Figures) -> bool:
        # What is printed decides: 97.96 % is 98 %.
        digits = 2 if self.key == "alarms" else 3
        return self.least <= round(self.value(figures), digits) <= self.most

    def __str__(self) -> str:
        if isinstance(self.key, str):
            return f"{self.key} at most {self.most:.2f}" if self.most < math.inf else f"{self.key} {self.least:.0%}"
        drop, days = self.key
        return f"{drop}{' as engagement' if self.as_engagement else ''} {self.least:.0%} in {days} days"


_AT_VOLUME = (
    Target("alarms", most=0.4),
    Target(("-60 %", 3), 0.88, as_engagement=True),
    Target(("-60 %", 7), 0.98, as_engagement=True),
    Target(("-40 %", 7), 0.70, as_engagement=True),
    Target(("-40 %", 14), 0.90, as_engagement=True),
    Target(("zero", 3), 1.0),
    Target(("-5 %/day", 10), 0.60),
)
_SILENT_DAYS = (Target("alarms", most=1.0), Target(("zero", 7), 0.95))
_TARGETS = {
    "20 a day": (Target("alarms", most=0.4), Target(("zero", 7), 1.0)),
    "200 a day": _AT_VOLUME,
    "  low sensitivity": (Target("alarms", most=BUDGETS[Sensitivity.LOW]),),
    "  high sensitivity": (Target("alarms", most=BUDGETS[Sensitivity.HIGH]),),
    "2,000 a day": _AT_VOLUME,
    "intermittent, 1 day of 4": _SILENT_DAYS,
    "hurdles, silent runs": _SILENT_DAYS,
}
_ANY = (Target("alarms", most=1.0),)
_DORMANT = ("dormant, falls after 8 weeks", "dormant, falls after 300 days", "asleep for a year")
_YOUNG = "the same, but young"


def targets_of(name: str, others: dict[str, Figures]) -> tuple[Target, ...]:
    """Return the targets of a regime. A dormant account must be watched as well as a young one, within two points."""
    targets = _TARGETS.get(name, _ANY)
    if name in _DORMANT and _YOUNG in others:
        young = others[_YOUNG].told
        targets += tuple(Target(("-60 %", days), round(young["-60 %", days] - 0.02, 3)) for days in (3, 7))
    return targets


def heading(title: str) -> str:
    drops = "".join(f"{drop:^{_CELL * len(_SHOWN[drop])}}" for drop in DROPS)
    days = "".join(f"{f'{day} d':>{_CELL}}" for drop in DROPS for day in _SHOWN[drop])
    rest = "".join(f"{name:>7}" for name in ("named", "alone", "recov", "never"))
    return f"\n{title:{_NAME + 16}}{drops}\n{'':{_NAME}}{'alarms':>8}{'country':>8}{days}{rest}"


def row(name: str, figures: Figures, targets: tuple[Target, ...] = ()) -> str:
    """Return a line: alarms a client-year, then percent told as engagement / told at all, by drop and days.

    The first alarms are of clients without a country, the second of clients with their own.
    """
    missed = {(target.key, target.as_engagement) for target in targets if not target.met(figures)}
    alarms = f"{figures.alarms:.2f}{'!' if ('alarms', False) in missed else ' '}"
    country = "-" if math.isnan(figures.alarms_with_country) else f"{figures.alarms_with_country:.2f}"
    cells = ""
    for drop in DROPS:
        for days in _SHOWN[drop]:
            key = (drop, days)
            told = _percent(figures.told[key]) + ("!" if (key, False) in missed else "")
            if figures.engagement:
                told = f"{_percent(figures.engagement[key])}{'!' if (key, True) in missed else ''}/{told}"
            cells += f"{told:>{_CELL}}"
    rest = (figures.named, figures.alone, figures.recovered, figures.never)
    tail = "".join(f"{_percent(share):>7}" for share in rest)
    sold = "" if math.isnan(figures.sold) else f"  as sold: {figures.sold:.1f} alarms"
    warning = f"  ! {figures.warning}" if figures.warning else ""
    return f"{name:{_NAME}}{alarms:>8}{country:>8}{cells}{tail}{sold}{warning}"


# What a second table compares: drops of 40 % told within a week.
_COMPARED = ("-40 %", 7)
_COLUMNS = {
    "oracle, all metrics": "oracle",
    "NB CUSUM": "CUSUM",
    "weekday median/MAD, 2 of 3": "MAD",
    "day -30 %": "day",
    "7 days -30 %": "7 days",
    "14 days -50 %": "14 days",
}


def matched_heading() -> str:
    columns = "".join(f"{column:>10}" for column in ("ours", *_COLUMNS.values()))
    title = "at the same alarms, -40 % told in 7 days"
    return f"\n{title:{_NAME + 8}}{columns}"


def matched_row(name: str, ours: Figures, rivals: dict[str, Figures]) -> str:
    shares = [ours.told[_COMPARED], *(rivals[key].told[_COMPARED] if key in rivals else math.nan for key in _COLUMNS)]
    return f"{name:{_NAME}}{ours.alarms:>8.2f}" + "".join(f"{_percent(share):>10}" for share in shares)


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f}"


def misses(results: dict[str, Figures]) -> list[str]:
    """Return a sentence for each missed target."""
    lines = []
    for name, figures in results.items():
        for target in targets_of(name, results):
            if not target.met(figures):
                value = target.value(figures)
                shown = f"{value:.2f}" if target.key == "alarms" else f"{100 * value:.1f} %"
                lines.append(f"{name}: {target}; it is {shown}")
        if figures.warning:
            lines.append(f"{name}: no warning of NumPy; it is {figures.warning!r}")
    return lines
