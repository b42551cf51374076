"""``collector export``: what is in the files, for whom, and that there is a whole file or none."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pyarrow.parquet
import pytest
from python_calamine import CalamineWorkbook

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile
from tests.support.program import PATIENCE_SECONDS, Program

Row = dict[str, Any]
FORMULA = '=HYPERLINK("https://x.example")'


@pytest.fixture
async def agency(database: Database) -> None:
    """Two profiles with three days each, one of them restated; a pin and a client whose names are formulas."""
    await ProfileStore(database).put([new_profile("a", "K1", client=FORMULA), new_profile("b", "K2", client="globex")])
    await database.execute(
        "UPDATE profile SET first_day = '2026-01-01', last_day = '2026-01-03', settled_through = '2026-01-02', "
        "settle_days = 3"
    )
    await database.execute("""
        INSERT INTO daily_metric (
            profile_id, day, impression, save_rate, data_status, extra, revision, first_seen_at, updated_at
        )
        SELECT id, '2026-01-01'::date + n, 100 * id + n, 0.25, 'READY', '{"video_start": 7}', 1 + (n = 0)::integer,
            '2026-01-02 06:00Z', '2026-01-05 06:00Z'
        FROM profile, generate_series(0, 2) AS n
    """)
    await database.execute("""
        INSERT INTO daily_metric_revision (
            profile_id, day, revision, observed_at, last_seen_at, superseded_at, impression
        )
        SELECT id, '2026-01-01', 1, '2026-01-02 06:00Z', '2026-01-04 06:00Z', '2026-01-05 06:00Z', 1 FROM profile
    """)
    await database.execute(
        "SELECT enqueue_pin('a', 'one', ARRAY['https://x.example/a.jpg', 'https://x.example/b.jpg'], $1, "
        "publish_at => '2099-01-01 09:00Z')",
        FORMULA,
    )


def of_csv(content: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def of_json(content: bytes) -> list[Row]:
    found: list[Row] = json.loads(content)
    return found


def of_parquet(content: bytes) -> list[Row]:
    found: list[Row] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return found


def of_xlsx(content: bytes) -> list[Row]:
    head, *rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


READERS: dict[str, Callable[[bytes], list[Row]]] = {
    "csv": of_csv, "json": of_json, "parquet": of_parquet, "xlsx": of_xlsx,
}  # fmt: skip


@pytest.mark.usefixtures("agency")
@pytest.mark.parametrize("form", READERS)
async def test_a_table_is_the_same_in_every_format(collector: Program, tmp_path: Path, form: str) -> None:
    target = tmp_path / f"days.{form}"
    ended = await collector("export", "daily", "--client", FORMULA, "-o", str(target))
    assert (ended.code, ended.out) == (0, ""), ended.err
    rows = READERS[form](target.read_bytes())
    assert [str(row["day"])[:10] for row in rows] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert [float(row["impression"]) for row in rows] == [100, 101, 102]
    assert [float(row["save_rate"]) for row in rows] == [0.25] * 3
    assert [str(row["settled"]).lower() for row in rows] == ["true", "true", "false"]
    assert {row["engagement"] for row in rows} <= {None, ""}
    assert {row["client"] for row in rows} == {f"'{FORMULA}" if form == "csv" else FORMULA}
    extra = rows[0]["extra"]
    assert (extra if isinstance(extra, dict) else json.loads(extra)) == {"video_start": 7}
    assert files(tmp_path) == [target.name]

    pins = (await collector("export", "pins", "--format", "json", "-o", "-")).out
    [pin] = json.loads(pins)
    assert (pin["description"], len(pin["media_urls"])) == (FORMULA, 2)


@pytest.mark.usefixtures("agency")
@pytest.mark.parametrize(
    ("options", "impressions"),
    [
        (("--client", "globex"), [200, 201, 202]),
        (("--client", "globex", "--from", "2026-01-02", "--to", "2026-01-02"), [201]),
        (("--client", "globex", "--as-of", "2026-01-03"), [1]),
        (("--from", "2030-01-01"), []),
    ],
)
async def test_rows_are_chosen(collector: Program, options: Sequence[str], impressions: list[int]) -> None:
    for form in ("csv", "json"):
        ended = await collector("export", "daily", *options, "--format", form, "-o", "-")
        assert [int(row["impression"]) for row in READERS[form](ended.out.encode())] == impressions, ended.err


@pytest.mark.usefixtures("agency")
async def test_what_is_lost_is_handed_out_with_its_reason(collector: Program, database: Database) -> None:
    await database.execute(
        "INSERT INTO lost_day (profile_id, day, whose, reason, cause_first, cause_last) "
        "SELECT id, '2026-01-10', 'client', 'unlinked', '2026-01-12', '2026-02-12' FROM profile WHERE name = 'b'"
    )
    await database.execute("UPDATE profile SET lost_through = (now() AT TIME ZONE 'UTC')::date")
    options = ("--client", "globex", "--from", "2026-01-10", "-o", "-")
    [gap] = of_csv((await collector("export", "gaps", *options)).out.encode())
    assert (gap["first_day"], gap["lost"], gap["whose"]) == ("2026-01-10", "true", "client")
    assert gap["why"] == "Pinterest was not linked (2026-01-12 to 2026-02-12)"


async def test_an_export_that_is_killed_leaves_no_file_and_does_not_touch_the_former_one(
    collector: Program, database: Database, tmp_path: Path
) -> None:
    await ProfileStore(database).put([new_profile("a", "K1")])
    newest = datetime.now(UTC).date()
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) SELECT 1, $1::date - n, n FROM generate_series(0, 9) n",
        newest,
    )
    folder = tmp_path / "out"
    folder.mkdir()
    former = folder / "former.csv"
    former.write_text("kept")
    async with database.transaction() as connection, collector.started("export", "daily", "-o", str(former)) as process:
        await connection.execute("LOCK TABLE daily_metric IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await waits_for_the_table(database):
                await asyncio.sleep(0.02)
        process.send_signal(SIGKILL)
        await process.wait()
    assert files(folder) == ["former.csv"]
    assert former.read_text() == "kept"
    assert (await collector("export", "daily", "-o", str(former))).code == 0
    assert {row["day"] for row in of_csv(former.read_bytes())} == {str(date_before(newest, n)) for n in range(10)}


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def date_before(day: date, days: int) -> date:
    return day - timedelta(days=days)


async def waits_for_the_table(database: Database) -> bool:
    waiting: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'daily_metric'::regclass AND NOT granted)"
    )
    return waiting


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pins", "--as-of", "2026-01-01", "-o", "-"), "--as-of is for daily"),
        (("daily", "-o", "nowhere/at/all.csv"), "-o: nowhere/at/all.csv cannot be written"),
        (("daily", "-o", "days.xls"), "-o: days.xls ends in none of .csv, .json, .parquet, .xlsx; choose the --format"),
        (("daily", "--client", "nobody", "-o", "-"), "no such client: nobody"),
    ],
)
async def test_what_cannot_be_done_is_said(collector: Program, arguments: Sequence[str], said: str) -> None:
    ended = await collector("export", *arguments)
    assert ended.code > 0
    assert said in ended.err
