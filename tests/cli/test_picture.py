"""The picture of a backtest."""

import os
import re
from collections.abc import Sequence
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from collector.cli.picture import draw
from collector.cli.picture_file import picture_file
from collector.detect.backtest import Replayed
from collector.detect.panel import Panel, Panels
from collector.errors import CollectorError
from collector.models.drop import JUDGED_METRICS
from collector.store.pool import Database
from tests.support.drops import SETTLED, fill
from tests.support.profiles import ENCRYPTION_KEY
from tests.support.program import Program

FIRST = date(2026, 6, 1)
DAYS = 120
OWN, FLEET, EXPECTED = "#D55E00", "#EEEEEE", "#0072B2"
SUMMARY = "1 alarm in 2 client-years"
Pixels = npt.NDArray[np.float32]


def an_episode(**changes: Any) -> Replayed:
    values: dict[str, Any] = {
        "profile": "acme-eu",
        "client": "acme",
        "metric": "engagement",
        "first_day": FIRST + timedelta(days=60),
        "detected_day": FIRST + timedelta(days=62),
        "last_day": FIRST + timedelta(days=80),
        "observed": 30.0,
        "expected": 100.0,
        "expected_low": 60.0,
        "score": 5.0,
        "lost_share": 0.7,
        "inhibited": False,
        "dismissed": None,
        "sentence": "Engagement fell.",
    }
    return Replayed(**(values | changes))


def a_panel(profile: str = "acme-eu", episodes: Sequence[Replayed] = (), *, days: int = DAYS, **changes: Any) -> Panel:
    usual = 100.0 + 20 * (np.arange(days) % 7 >= 5)
    values: dict[str, Any] = {"counts": usual * 1.1, "expected": usual, "expected_low": usual * 0.6}
    named: dict[str, Any] = {"profile": profile, "client": "acme", "metric": "engagement", "first_day": FIRST}
    return Panel(**(named | values | {"episodes": tuple(episodes)} | changes))


def drawn(panels: Sequence[Panel], *, left_out: int = 0, since: date | None = None) -> Pixels:
    file = BytesIO()
    draw(file, "png", Panels(list(panels), left_out), SUMMARY, since)
    file.seek(0)
    pixels: Pixels = imread(file, format="png")[..., :3]
    return pixels


def has(pixels: Pixels, colour: str, least: int = 20) -> bool:
    return int((np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.02).sum()) >= least


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_backtest_draws_the_drop(database: Database, collector: Program, tmp_path: Path) -> None:
    await fill(database, "acme-eu", dropped=20, left=0.3)
    await fill(database, "other", client="b")
    plain, plotted = await collector("alerts", "backtest"), await collector("alerts", "backtest", "--plot", "a.png")
    assert (plotted.code, plotted.err) == (0, "")
    assert plotted.out == plain.out
    pixels = imread(tmp_path / "a.png")[..., :3]
    height, width, _ = pixels.shape
    assert 1000 < width < 2500
    assert 400 < height < 1000
    assert has(pixels, OWN)
    assert has(pixels, EXPECTED)
    assert not has(pixels, FLEET, 10_000)
    # The drop is at the right edge, and nowhere else; the legend is above.
    columns = np.flatnonzero((np.abs(pixels[150:] - to_rgb(OWN)).max(axis=-1) < 0.02).any(axis=0))
    assert columns.min() > 0.75 * width
    assert names(tmp_path) == ["a.png"]


async def test_a_backtest_draws_the_fleets_drop_differently(
    database: Database, collector: Program, tmp_path: Path
) -> None:
    for number in range(12):
        await fill(database, f"p{number}", client=f"c{number}", fell=(30, 24), left=0.3)
    assert (await collector("alerts", "backtest", "--plot", "a.png", "--client", "c3")).code == 0
    pixels = imread(tmp_path / "a.png")[..., :3]
    assert has(pixels, FLEET, 10_000)
    assert not has(pixels, OWN)


@pytest.mark.parametrize("name", ["a.svg", "a.PDF"])
async def test_a_backtest_without_drops_draws_the_first_profiles(
    database: Database, collector: Program, tmp_path: Path, name: str
) -> None:
    for number in range(6):
        await fill(database, f"p{number}", client=f"c{number}")
    ended = await collector("alerts", "backtest", "--plot", name)
    assert (ended.code, ended.err) == (0, "")
    content = (tmp_path / name).read_bytes()
    if name == "a.svg":
        assert [f"p{number} (c{number})".encode() in content for number in range(6)] == [True] * 4 + [False] * 2
    else:
        assert content.startswith(b"%PDF")


async def test_a_backtest_without_days_draws_a_note(database: Database, collector: Program, tmp_path: Path) -> None:
    assert await database.fetchval("SELECT count(*) FROM profile") == 0
    ended = await collector("alerts", "backtest", "--plot", "a.svg")
    assert (ended.code, ended.err) == (0, "")
    assert "No profile has settled days" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("absent/a.png", "absent/a.png cannot be written: No such file or directory"),
        ("a.gif", "a.gif does not end in .png, .svg or .pdf"),
        ("a", "a does not end in .png, .svg or .pdf"),
        ("folder.png", "is a directory"),
        ("socket.png", "socket.png is there and cannot be written"),
        (f"{'a' * 300}.png", "cannot be written: File name too long"),
    ],
)
async def test_a_bad_path_is_refused_before_the_work(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "socket.png")
    before = names(tmp_path)
    # There is no database at this address, which would be an error if it were used.
    collector = Program(tmp_path, DATABASE_URL="postgresql://127.0.0.1:1/none", ENCRYPTION_KEYS=ENCRYPTION_KEY)
    ended = await collector("alerts", "backtest", "--plot", path)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert names(tmp_path) == before


async def test_without_matplotlib_it_says_what_to_install_before_the_work(tmp_path: Path) -> None:
    # The folder in which the program runs comes first in its path.
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('No module named matplotlib')")
    collector = Program(tmp_path, DATABASE_URL="postgresql://127.0.0.1:1/none", ENCRYPTION_KEYS=ENCRYPTION_KEY)
    ended = await collector("alerts", "backtest", "--plot", "a.png")
    assert (ended.code, ended.out) == (2, "")
    assert "pip install 'pinterest-collector[plot]'" in ended.err
    assert not (tmp_path / "a.png").exists()
    assert (await collector("alerts", "backtest", "--help")).code == 0


async def test_a_backtest_that_fails_leaves_the_picture_that_was_there(
    database: Database, collector: Program, tmp_path: Path
) -> None:
    await fill(database, "acme-eu")
    (tmp_path / "a.png").write_bytes(b"a picture")
    ended = await collector("alerts", "backtest", "--client", "nobody", "--plot", "a.png")
    assert ended.code == 1
    assert names(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"a picture"


def test_a_disk_that_is_full_leaves_the_picture_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a picture")

    def fail() -> None:
        with picture_file(tmp_path / "a.png") as _draw:
            raise OSError(28, "No space left on device")

    with pytest.raises(CollectorError, match=r"a\.png cannot be written: No space left on device"):
        fail()
    assert names(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"a picture"


async def test_the_panels_are_those_of_the_most_and_the_largest_drops(
    database: Database, collector: Program, tmp_path: Path
) -> None:
    for number in range(14):
        await fill(
            database, f"p{number:02}", client=f"c{number:02}", fell=(90 - 5 * number, 80 - 5 * number), left=0.25
        )
    await fill(database, "worst", fell=(40, 30), left=0.02)
    ended = await collector("alerts", "backtest", "--plot", "a.svg", "--since", str(SETTLED - timedelta(days=100)))
    assert (ended.code, ended.err) == (0, "")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    titles = [name for name in (*(f"p{number:02} (c" for number in range(14)), "worst (acme") if name in text]
    assert len(titles) == 12
    assert "worst (acme" in titles
    assert "3 more profiles with drops are not shown" in text
    assert all(text.index("worst (acme") < text.index(name) for name in titles if name != "worst (acme")


def test_each_metric_has_its_unit() -> None:
    for metric, unit in zip(JUDGED_METRICS, ("engagements", "impressions", "outbound clicks", "saves"), strict=True):
        file = BytesIO()
        draw(file, "svg", Panels([a_panel(metric=metric)], 0), SUMMARY, None)
        assert f"{unit} a day" in file.getvalue().decode()


def test_a_drop_of_the_fleet_is_hatched_and_a_clients_is_not() -> None:
    own, fleets = an_episode(), an_episode(inhibited=True)
    assert has(drawn([a_panel(episodes=[own])]), OWN)
    assert not has(drawn([a_panel(episodes=[own])]), FLEET, 10_000)
    assert has(drawn([a_panel(episodes=[fleets])]), FLEET, 10_000)
    assert not has(drawn([a_panel(episodes=[fleets])]), OWN)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 11, 12])
def test_any_number_of_panels_fits(number: int) -> None:
    height, width, _ = drawn([a_panel(f"p{place}") for place in range(number)]).shape
    assert width == 1375
    assert height < 2000


@pytest.mark.parametrize("name", ["$\\frac{$", "日本のクライアント", "😀", "x" * 400, "<b>&amp;"])
def test_any_name_can_be_drawn(name: str) -> None:
    assert has(drawn([a_panel(name, [an_episode()])] * 4), OWN)


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": np.full(DAYS, np.nan)},
        {"counts": np.zeros(DAYS)},
        {"expected": np.full(DAYS, np.nan), "expected_low": np.full(DAYS, np.nan)},
        {"counts": np.full(DAYS, 3e9), "expected": np.full(DAYS, 2e9)},
    ],
)
def test_any_series_can_be_drawn(changes: dict[str, Any]) -> None:
    assert drawn([a_panel(**changes)]).std() > 0


@pytest.mark.parametrize("days", [1, 2, 40, 1500])
def test_any_length_can_be_drawn(days: int) -> None:
    assert drawn([a_panel(days=days)]).std() > 0


def test_the_axis_has_days_however_few_there_are() -> None:
    file = BytesIO()
    draw(file, "svg", Panels([a_panel(days=1)], 0), SUMMARY, None)
    assert re.findall(r">\d\d:\d\d<", file.getvalue().decode()) == []


@pytest.mark.parametrize("since", [date(2000, 1, 1), FIRST, FIRST + timedelta(days=40), FIRST + timedelta(days=900)])
def test_any_first_day_can_be_drawn(since: date) -> None:
    assert drawn([a_panel(episodes=[an_episode()])], since=since).std() > 0


def test_days_before_the_first_that_counts_are_pale() -> None:
    whole = drawn([a_panel()], since=FIRST)
    pale = drawn([a_panel()], since=FIRST + timedelta(days=20))
    left = np.s_[150:, : whole.shape[1] // 7]
    assert has(whole[left], EXPECTED)
    assert not has(pale[left], EXPECTED)


def test_a_viral_day_is_marked_and_does_not_flatten_the_rest() -> None:
    counts = np.full(DAYS, 100.0)
    counts[50] = 90_000
    file = BytesIO()
    draw(file, "svg", Panels([a_panel(counts=counts)], 0), SUMMARY, None)
    text = file.getvalue().decode()
    assert "above the scale" in text
    assert "90k" not in text
