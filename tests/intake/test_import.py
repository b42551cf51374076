"""History of other programs: read in its layouts, checked line by line, marked, and used with its mark."""

import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from signal import SIGINT

import pytest

from collector.detect.detector import Detector
from collector.errors import BadLinesError, ConfigurationError
from collector.history.gaps import find_gaps, note_lost_days
from collector.intake.days import FoundDays, read_days
from collector.intake.mapping import Mapping, load_mapping
from collector.models.gap import GapReason
from collector.models.intake import FileDay
from collector.report.brand import Brand
from collector.report.gather import gather
from collector.report.language import Locale
from collector.report.month import month_of
from collector.report.page import render
from collector.store.drop import DropStore
from collector.store.gap import GapStore
from collector.store.imported import ImportStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.report import ReportStore
from collector.table.moment import DateFormat
from tests.support.console import console_session, page
from tests.support.drops import SETTLED, fill
from tests.support.profiles import new_profile
from tests.support.program import PATIENCE_SECONDS, Program

TODAY = datetime.now(UTC).date()
NEWEST = date(2026, 6, 30)

PINTEREST = """\
Analytics overview
"Date range: 06/01/2026 - 06/03/2026","Content type: All"

Date,Impressions,Total audience
2026-06-01,"1,200",900
2026-06-02,1300,901

Date,Saves,Outbound clicks
2026-06-01,12,3
2026-06-02,13,-

Top Pins
Pin,Impressions
https://www.pinterest.com/pin/1/,77
"""


def read(text: str, mapping: Mapping | None = None, profile: str | None = "acme", form: str = "iso") -> FoundDays:
    return read_days(
        text.encode(), mapping or Mapping(), profile=profile, form=DateFormat(form), newest=NEWEST,
        oldest=date(2020, 1, 1),
    )  # fmt: skip


def test_pinterests_own_export_is_read_with_its_texts_and_tables() -> None:
    found = read(PINTEREST)
    assert found.bad == []
    assert [day for _, day in found.days] == [
        FileDay("acme", date(2026, 6, 1), (1200, None, 12, None, 3)),
        FileDay("acme", date(2026, 6, 2), (1300, None, 13, None, None)),
    ]
    assert found.unused == ["Total audience"]
    assert found.skipped == [1, 2, 12, 13, 14]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("profile;Datum;Impressionen;Interaktionen\nacme;01.06.2026;1.200;9\n\nacme;02.06.2026;5;1\n", "german"),
        ('Account,Date,Impressions,Engagements\nacme,6/1/2026,"1,200",9\nacme,06/02/2026,5.0,1\n', "us"),
        ("day\tprofile\timpression\tengagement\n2026-06-01\tacme\t1200\t9\n2026-06-02T00:00\tacme\t5\t1\n", "iso"),
    ],
)
def test_tables_of_other_programs_are_read(text: str, form: str) -> None:
    found = read(text, profile=None, form=form)
    assert (found.bad, found.skipped) == ([], [])
    assert [(day.day.day, day.numbers[:2]) for _, day in found.days] == [(1, (1200, 9)), (2, (5, 1))]


def test_a_mapping_tells_what_columns_and_profiles_are(tmp_path: Path) -> None:
    file = tmp_path / "tool.toml"
    file.write_text(
        'source = "tool"\ndate_format = "us"\n[columns]\nday = "When"\nimpression = "Views"\nprofile = "Brand"\n'
        '[profiles]\n"Acme (Pinterest)" = "acme"\n'
    )
    found = read("When,Views,Brand,Impressions\n6/1/2026,7,Acme (Pinterest),99\n", load_mapping(file), form="us")
    assert [day for _, day in found.days] == [FileDay("acme", date(2026, 6, 1), (7, None, None, None, None))]
    assert found.unused == ["Impressions"]
    file.write_text('[columns]\nviews = "Views"\n')
    with pytest.raises(ConfigurationError, match="columns: views: not known"):
        load_mapping(file)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-07-01,1,1", "2026-07-01 is not over yet"),
        ("2019-12-31,1,1", "2019-12-31 is older than what is kept: 2020-01-01 is the first"),
        ("24.12.2025,1,1", "not a day: 24.12.2025; write 2026-12-24, or say by --date-format"),
        ("2026-02-30,1,1", "not a day: 2026-02-30"),
        ("2026-06-01,-5,1", "impression is no whole number: -5"),
        ("2026-06-01,1000000000001,1", "impression is more than a trillion: 1000000000001"),
        ('2026-06-01,"9,223,372,036,854,775,807",1', "impression is more than a trillion: 9,223"),
        (f'2026-06-01,"1{",000" * 2000}",1', "impression is no whole number: 1,000"),
        ("2026-06-01,1.5,1", "impression is no whole number: 1.5"),
        ("2026-06-01,1.234,1", "impression is no whole number: 1.234"),
        ("2026-06-01,,", "2026-06-01 has no number"),
        ("2026-06-01,1", "2 cells, where the header has 3"),
        ("2026-05-01,1,1", "impression of acme on 2026-05-01 is there already; the day is on line 2"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named(line: str, said: str) -> None:
    found = read(f"Date,Impressions,Saves\n2026-05-01,1,1\n{line}\n")
    assert found.bad[0][0] == 3
    assert said in found.bad[0][1]


def test_a_file_without_a_table_of_days_says_what_would_be_one() -> None:
    with pytest.raises(BadLinesError) as caught:
        read("Pin,Impressions\nx,1\n")
    assert "no line names a day and a metric" in caught.value.lines[0][1]
    assert read("Date,Saves\n2026-06-01,1\n", profile=None).bad == [
        (1, "no column names the profile: name it by --profile"),
        (2, "no profile is named"),
    ]


def table(days: int, *, until: date = TODAY - timedelta(days=1), impression: int = 100) -> str:
    lines = (f"acme,{until - timedelta(days=n)},{impression + n},{10 + n % 3}" for n in range(days))
    return "\n".join(["profile,day,impression,engagement", *lines])


@pytest.fixture
async def acme(database: Database) -> Database:
    await ProfileStore(database).put([new_profile("acme", "K")])
    return database


async def test_an_import_is_whole_marked_and_repeatable(collector: Program, acme: Database, tmp_path: Path) -> None:
    (tmp_path / "tool.csv").write_text(table(400))
    await acme.execute(
        "INSERT INTO daily_metric (profile_id, day, impression) VALUES (1, $1, 5)", TODAY - timedelta(days=9)
    )
    dry = await collector("import", "daily", "tool.csv", "--dry-run")
    assert dry.code == 0, dry.err
    assert dry.out.endswith("399 days would be stored as tool; this was a dry run: nothing was changed\n")
    assert await acme.fetchval("SELECT count(*) FROM daily_metric") == 1
    done = await collector("import", "daily", "tool.csv")
    assert done.out.splitlines()[-1] == "399 days are stored as tool"
    row = await acme.fetchrow(
        "SELECT impression, engagement, engagement_rate, source FROM daily_metric WHERE day = $1",
        TODAY - timedelta(days=1),
    )
    assert row is not None
    assert tuple(row) == (100, 10, 0.1, "tool")
    assert await acme.fetchval("SELECT impression FROM daily_metric WHERE source IS NULL") == 5, (
        "what was observed stays"
    )
    again = await collector("import", "daily", "tool.csv")
    assert again.out.splitlines()[-1] == "0 days are stored as tool"

    (tmp_path / "tool.csv").write_text(table(3, impression=200))
    kept = await collector("import", "daily", "tool.csv")
    assert "3 days of another import kept its numbers; --replace changes that" in kept.out
    assert (await collector("import", "daily", "tool.csv", "--replace")).out.endswith("3 days are stored as tool\n")
    assert (
        await acme.fetchval("SELECT max(impression) FROM daily_metric WHERE day > $1", TODAY - timedelta(days=3)) == 201
    )

    assert "tool    1         399" in (await collector("import", "list")).out
    assert (await collector("import", "undo", "tool", "--yes")).out == "399 days deleted\n"
    assert await acme.fetchval("SELECT count(*) FROM daily_metric") == 1


async def test_what_was_lost_before_an_import_is_lost_again_without_it(acme: Database) -> None:
    store = ImportStore(acme)
    first, last = TODAY - timedelta(days=220), TODAY - timedelta(days=210)
    await acme.execute("UPDATE profile SET first_day = $1, lost_through = $2, settle_days = 3", first, last)
    days = [FileDay("acme", first + timedelta(days=n), (1, None, None, None, None)) for n in range(-5, 11)]
    await store.take(1, days, "old", replace=False, dry_run=False)
    assert await store.undo("old") == 16
    lost, *_ = [gap for gap in await find_gaps(GapStore(acme)) if gap.first_day == first]
    assert (lost.last_day, lost.lost, lost.reason) == (last, True, GapReason.LOG_GONE)


async def test_days_that_an_undo_takes_while_lost_ones_are_written_down_are_lost_in_the_books(acme: Database) -> None:
    gaps, imports = GapStore(acme), ImportStore(acme)
    day = TODAY - timedelta(days=210)
    await acme.execute("UPDATE profile SET first_day = $1, lost_through = $1::date - 1, settle_days = 3", day)
    await imports.take(1, [FileDay("acme", day, (1, None, None, None, None))], "old", replace=False, dry_run=False)
    looked_at = {1: day}
    [found] = await gaps.losing([1])
    assert day not in found.missing
    await imports.undo("old")
    await gaps.note_lost(looked_at, [])
    assert day - timedelta(days=1) == await acme.fetchval("SELECT lost_through FROM profile"), "nobody looked at it"

    await note_lost_days(gaps)
    await imports.take(1, [FileDay("acme", day, (1, None, None, None, None))], "old", replace=False, dry_run=False)
    async with acme.transaction() as connection:
        # An undo that is not over yet: it found the day written down already.
        await connection.execute("SELECT FROM profile FOR NO KEY UPDATE")
        await connection.execute("DELETE FROM daily_metric WHERE source = 'old'")
        await gaps.note_lost(looked_at, [])
    assert day in {each.cause.day for each in await gaps.lost(None, None)}


async def test_an_import_that_is_stopped_says_how_far_it_got(
    collector: Program, acme: Database, tmp_path: Path
) -> None:
    await ProfileStore(acme).put([new_profile("zeta", "K2")])
    text = table(3)
    (tmp_path / "tool.csv").write_text(text + "\n" + text.split("\n", 1)[1].replace("acme", "zeta"))
    async with acme.transaction() as connection:
        await connection.execute("SELECT FROM profile WHERE name = 'zeta' FOR UPDATE")
        async with collector.started("import", "daily", "tool.csv") as process:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await acme.fetchval("SELECT count(*) FROM daily_metric"):
                    await asyncio.sleep(0.02)
            process.send_signal(SIGINT)
            _, err = await process.communicate()
    assert process.returncode == 130
    assert (
        "stopped after 1 of 2 profiles: 3 days of the file are stored as tool. The same command goes on" in err.decode()
    )
    assert (await collector("import", "daily", "tool.csv")).out.endswith("3 days are stored as tool\n")


async def test_one_bad_line_keeps_everything_out(collector: Program, acme: Database, tmp_path: Path) -> None:
    (tmp_path / "tool.csv").write_text(f"{table(2)}\nnobody,2026-01-01,5,1\nacme,soon,5,1\n")
    ended = await collector("import", "daily", "tool.csv")
    assert ended.code == 1
    assert "line 4: no such profile: nobody" in ended.err
    assert "line 5: not a day: soon" in ended.err
    assert await acme.fetchval("SELECT count(*) FROM daily_metric") == 0
    (tmp_path / "tool.csv").write_text(table(200))
    late = await collector("import", "daily", "tool.csv", RETENTION_DAYS="100")
    assert "is older than what is kept" in late.err


async def test_imported_days_are_used_with_their_mark(collector: Program, database: Database, tmp_path: Path) -> None:
    # Too few days to be judged, until the days before them are imported.
    await fill(database, "acme", days=20, dropped=6, left=0.2)
    detector = Detector(DropStore(database))
    await detector.run_once()
    assert await database.fetchval("SELECT silence FROM drop_verdict") is not None
    before = SETTLED - timedelta(days=20)
    lines = [f"acme,{before - timedelta(days=n)},9000,{300 + n % 7}" for n in range(150)]
    (tmp_path / "old.csv").write_text("\n".join(["profile,day,impression,engagement", *lines]))
    assert (await collector("import", "daily", "old.csv")).code == 0
    await detector.run_once()
    assert await database.fetchval("SELECT count(*) FROM drop_episode WHERE closed_on IS NULL") == 1
    assert await detector.run_once() == 0, "it is judged once"

    exported = (await collector("export", "daily", "--client", "acme", "--to", str(before), "-o", "-")).out
    assert {row["source"] for row in csv.DictReader(io.StringIO(exported))} == {"old"}
    shown = (await collector("history", "show", "acme", str(before))).out
    assert "imported as old" in shown
    month = month_of(before).before()
    store = ReportStore(database)
    [contents] = await gather(store, ["acme"], month, [], await store.today())
    assert f"{month.days} days were recorded by another program" in render(contents, Brand(), Locale.EN, TODAY)
    async with console_session(database) as session:
        assert "imported: another program recorded it" in await page(session, "/client?name=acme&days=90")


@pytest.mark.timescaledb
@pytest.mark.usefixtures("timescaledb")
async def test_days_go_into_chunks_of_the_columnstore(acme: Database) -> None:
    store = ImportStore(acme)

    def days(impression: int, first: int, last: int) -> list[FileDay]:
        numbers = (impression, None, None, None, None)
        return [FileDay("acme", TODAY - timedelta(days=n), numbers) for n in range(first, last)]

    await store.take(1, days(1, 300, 400), "a", replace=False, dry_run=False)
    await acme.fetch("SELECT compress_chunk(c) FROM show_chunks('daily_metric') c")
    taken = await store.take(1, days(2, 250, 400), "a", replace=True, dry_run=False)
    assert (taken.new, taken.changed) == (50, 100)
    assert await acme.fetchval("SELECT array_agg(DISTINCT impression) FROM daily_metric") == [2]
    assert await acme.fetchval("SELECT count(*) FROM daily_metric") == 150
    assert await store.undo("a") == 150
