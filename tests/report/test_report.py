"""A client's month as a page: its numbers are those of the database, and it needs nothing but itself."""

import re
from datetime import date, timedelta
from pathlib import Path
from string import Formatter

import msgspec
import pytest

from collector.errors import ConfigurationError
from collector.history.gaps import find_gaps
from collector.models.drop import CloseReason
from collector.models.gap import Gap, GapReason, Whose
from collector.report import sentences
from collector.report.brand import Brand, load_brand
from collector.report.contents import Contents
from collector.report.file_name import file_names
from collector.report.gather import gather
from collector.report.language import Language, Locale, language_of
from collector.report.month import Month, month_of, read_month
from collector.report.page import render
from collector.report.pdf import find_browser, print_page
from collector.report.pictures import open_pictures
from collector.store.gap import GapStore
from collector.store.overview import COUNTS
from collector.store.pool import Database
from collector.store.report import ReportedDrop, ReportStore
from tests.support.agency import make_agency
from tests.support.browser import chromium, visit
from tests.support.program import Program

RIGHT_TO_LEFT = "متجر الزهور الجميلة"
LONG = "Averyveryverylongnamewithoutanyspacesinitwhatsoeverthatmustbreaksomewhere"
EVIL = "<script>alert(1)</script>"
_FILL = """
WITH made AS (
    INSERT INTO profile (
        name, client, key_ciphertext, key_fingerprint, first_day, last_day, settled_through, settle_days
    )
    SELECT $1 || ' ' || n, $1, '', sha256(($1 || n)::bytea), '2024-01-01', '2025-09-30', '2025-09-28', 3
    FROM generate_series(1, $2::integer) n
    RETURNING id
)
INSERT INTO daily_metric (profile_id, day, impression, engagement, save, pin_click, outbound_click)
SELECT id, day, 1000 * id + extract(doy FROM day), 50 * id, 7, 9, id
FROM made, generate_series('2024-07-01'::timestamp, '2025-09-30', '1 day') AS day
"""
SEPTEMBER = Month(2025, 9)


async def read(database: Database, client: str, month: Month, today: date | None = None) -> Contents:
    store = ReportStore(database)
    gaps = await find_gaps(GapStore(database), client=client)
    [found] = await gather(store, [client], month, gaps, today or await store.today())
    return found


async def test_its_numbers_are_those_of_the_database(database: Database) -> None:
    await make_agency(database)
    today = await ReportStore(database).today()
    month = month_of(today).before()
    found = await read(database, "Casa Lumen", month)
    rows = await database.fetch(
        """
        SELECT metric, sum(number) FILTER (WHERE month = $2)::bigint AS total,
            avg(number) FILTER (WHERE month = $2) / avg(number) FILTER (WHERE month = $3) - 1 AS change,
            avg(number) FILTER (WHERE month = $2) / avg(number) FILTER (WHERE month = $4) - 1 AS year_change
        FROM profile p
        JOIN daily_metric d ON d.profile_id = p.id
        CROSS JOIN LATERAL (
            VALUES ('impression', impression), ('engagement', engagement), ('save', save), ('pin_click', pin_click),
                ('outbound_click', outbound_click)
        ) AS n (metric, number)
        CROSS JOIN LATERAL (SELECT date_trunc('month', day)::date AS month) m
        WHERE client = $1
        GROUP BY metric
        """,
        *("Casa Lumen", month.first, month.before().first, month.before(12).first),
    )
    assert len(rows) == len(COUNTS)
    for row in rows:
        total = found.total[row["metric"]]
        assert total.sum == row["total"]
        assert total.change == pytest.approx(float(row["change"]))
        # The year before has too few days, unless the month is old enough.
        assert total.year_change is None or total.year_change == pytest.approx(float(row["year_change"]))
    profiles = await database.fetch(
        "SELECT name, sum(engagement)::bigint AS sum FROM settled_metric s JOIN profile p ON p.id = profile_id "
        "WHERE s.client = 'Casa Lumen' AND day BETWEEN $1 AND $2 GROUP BY 1",
        *(month.first, month.last),
    )
    assert {line.name: line.sums[1] for line in found.profiles} == {row["name"]: row["sum"] for row in profiles}
    assert dict(found.months)[month] == found.total["engagement"].sum == sum(row["sum"] for row in profiles)
    page = render(found, Brand(), Locale.EN, today)
    assert all(f"{total.sum:,}" in page for total in found.totals)


async def test_what_cannot_be_compared_is_neither_growth_nor_fall(database: Database) -> None:
    await database.execute(_FILL, "Acme", 4)
    new, gone, other = 2, 3, 4
    await database.execute("DELETE FROM daily_metric WHERE profile_id = $1 AND day < '2025-08-20'", new)
    await database.execute("DELETE FROM daily_metric WHERE profile_id = $1 AND day > '2025-09-03'", gone)
    await database.execute("UPDATE profile SET seam_day = '2025-09-01' WHERE id = $1", other)
    await database.execute("UPDATE daily_metric SET engagement = 65 WHERE profile_id = 1 AND day >= '2025-09-01'")

    found = await read(database, "Acme", SEPTEMBER, date(2025, 11, 1))

    assert found.total["engagement"].change == pytest.approx(0.3)
    assert {line.name: line.change is None for line in found.profiles} == {
        "Acme 1": False, "Acme 2": True, "Acme 3": True, "Acme 4": True,
    }  # fmt: skip
    assert found.quality.compared == 1
    assert found.total["engagement"].sum == 65 * 30 + 100 * 30 + 150 * 3 + 200 * 30
    text = " ".join(sentences.quality(found, language_of(Locale.EN)))
    assert "of 1 of 4 profiles" in text
    assert "6 days are provisional" in text


async def test_a_month_without_data_says_so_and_why(database: Database) -> None:
    await database.execute(_FILL, "Acme", 1)
    await database.execute("DELETE FROM daily_metric WHERE day >= '2025-09-01'")
    await database.execute(
        "INSERT INTO lost_day (profile_id, day, whose, reason, cause_first, cause_last) "
        "SELECT 1, day, 'client', 'unlinked', '2025-09-04', '2025-10-04' "
        "FROM generate_series('2025-09-01'::timestamp, '2025-09-30', '1 day') AS day"
    )
    await database.execute("UPDATE profile SET lost_through = '2025-12-31'")
    page = render(await read(database, "Acme", SEPTEMBER), Brand(), Locale.EN, date(2025, 11, 1))
    assert "There are no numbers of September 2025." in page
    assert "30 days, 1 to 30 September. The Pinterest account was not linked. They cannot be read any more." in page
    assert '<svg class="plot"' not in page


async def test_the_best_pins_of_the_month_are_shown(database: Database) -> None:
    await database.execute(_FILL, "Acme", 1)
    await database.execute(
        """
        INSERT INTO pin (profile_id, client_ref, media_urls, title, description, state, published_at, pin_url)
        SELECT
            1, 'r' || n, ARRAY['https://x.example/' || n || '.jpg'],
            CASE WHEN n > 1 THEN '<b>pin ' || n END, 'described', 'published',
            '2025-09-02'::date + 4 * n, CASE WHEN n < 6 THEN 'https://pin.example/' || n ELSE 'javascript:x' END
        FROM generate_series(-5, 6) AS n
        """
    )
    await database.execute(
        """
        INSERT INTO pin_result (profile_id, pin_id, observed_at, impression, save, outbound_click)
        SELECT profile_id, id, now(), 1000, 10 * id, 1
        FROM pin
        """
    )
    page = render(await read(database, "Acme", SEPTEMBER), Brand(), Locale.EN, date(2025, 11, 1))
    assert re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', page) == [
        "&lt;b&gt;pin 6",
        '<a href="https://pin.example/5">&lt;b&gt;pin 5</a>',
        '<a href="https://pin.example/4">&lt;b&gt;pin 4</a>',
        '<a href="https://pin.example/3">&lt;b&gt;pin 3</a>',
        '<a href="https://pin.example/2">&lt;b&gt;pin 2</a>',
    ]
    assert '<td class="number">121</td>' in page
    assert "<img" not in page
    found = await read(database, "Acme", SEPTEMBER)
    async with open_pictures() as pictures:
        pass
    assert await pictures.of(found, Brand(pictures=False)) == {}
    with pytest.raises(RuntimeError, match="Session is closed"):
        await pictures.of(found, Brand())
    held = "data:image/png;base64,AAAA"
    page = render(found, Brand(), Locale.EN, date(2025, 11, 1), {"https://x.example/5.jpg": held})
    assert re.findall(r'<td class="picture">(.*?)</td>', page) == ["", f'<img src="{held}" alt="">', "", "", ""]


async def test_a_month_that_has_not_begun_is_refused(database: Database) -> None:
    await database.execute(_FILL, "Acme", 1)
    with pytest.raises(ConfigurationError, match="2026-01 has no day that is over"):
        await read(database, "Acme", Month(2026, 1), date(2025, 11, 1))


async def test_it_fits_asks_nobody_and_prints(database: Database, tmp_path: Path) -> None:
    for client, profiles in ((LONG, 12), (RIGHT_TO_LEFT, 1), (EVIL, 60)):
        await database.execute(_FILL, client, profiles)
    async with chromium() as browser:
        for client in (LONG, RIGHT_TO_LEFT, EVIL):
            found = await read(database, client, SEPTEMBER, date(2025, 11, 1))
            for locale in Locale:
                file = tmp_path / f"{locale}.html"
                file.write_text(render(found, Brand(), locale, date(2025, 11, 1)), encoding="utf-8")
                for width in (390, 1000):
                    async with visit(browser, "file://", viewport={"width": width, "height": 900}) as page:
                        await page.goto(file.as_uri())
                        assert client in await page.inner_text("h1")
                        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pdf = await print_page(find_browser(), file.read_text(encoding="utf-8"))
    assert pdf.startswith(b"%PDF-")


def test_every_language_says_the_same() -> None:
    english = language_of(Locale.EN)
    for locale in Locale:
        for field in msgspec.structs.fields(Language):
            ours, theirs = getattr(english, field.name), getattr(language_of(locale), field.name)
            if isinstance(ours, dict):
                assert {key: places(text) for key, text in ours.items()} == {
                    key: places(text) for key, text in theirs.items()
                }, (locale, field.name)
            elif isinstance(ours, tuple):
                assert len(ours) == len(theirs)
            else:
                assert places(ours) == places(theirs)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def drop(**changes: object) -> ReportedDrop:
    usual = ReportedDrop(
        client="Acme", profile="Acme DE", metric="engagement", first_day=date(2025, 9, 27), last_day=date(2025, 10, 5),
        observed=720.0, expected=1800.0, usual_since=None, closed_on=None, close_reason=None, last_pin_on=None,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


async def test_drops_are_explained_in_the_reader_s_language(database: Database) -> None:
    await database.execute(_FILL, "Acme", 1)
    empty = await read(database, "Acme", SEPTEMBER, date(2025, 11, 1))
    over = {"closed_on": date(2025, 10, 9), "close_reason": CloseReason.RECOVERED}
    told = [drop(last_pin_on=date(2025, 9, 20)), drop(**over)]
    contents = msgspec.structs.replace(empty, drops=told, fleet_drops=[(date(2025, 9, 3), date(2025, 9, 4))])
    english, german = (sentences.drops(contents, language_of(each)) for each in (Locale.EN, Locale.DE))
    plain = [re.sub("[\u2068\u2069]", "", text) for text in (*english, *german)]
    fell = (
        "Engagements of Acme DE fell to 720 a day from 27 September to 5 October, 60% below what their past made "
        "likely (1,800). "
    )
    assert plain[0] == f"{fell}No pin had been published for 15 days. It had not ended on 30 September."
    assert plain[1] == f"{fell}They were back to normal by 9 October."
    assert plain[2].startswith("From 3 to 4 September, most of the profiles that we follow fell together.")
    assert "720 am Tag vom 27. September bis 5. Oktober, 60\N{NO-BREAK SPACE}% unter dem" in plain[3]


async def test_profiles_that_miss_the_same_days_are_one_line(database: Database) -> None:
    await database.execute(_FILL, "Acme", 1)

    def gap(profile: str, first: int, last: int, reason: GapReason, whose: Whose) -> Gap:
        return Gap(
            profile=profile, client="Acme", first_day=date(2025, 9, first), last_day=date(2025, 9, last),
            days=last - first + 1, lost=True, days_left=None, whose=whose, reason=reason, why="",
        )  # fmt: skip

    contents = await read(database, "Acme", SEPTEMBER, date(2025, 11, 1))
    found = [
        gap("a", 3, 4, GapReason.TIMEOUT, Whose.API),
        gap("a", 5, 6, GapReason.NETWORK, Whose.API),
        gap("b", 3, 6, GapReason.QUOTA, Whose.API),
        gap("b", 9, 9, GapReason.PAUSED, Whose.US),
    ]
    quality = msgspec.structs.replace(contents.quality, gaps=found)
    disturbed = "The service that delivers the numbers had a disturbance"
    texts = sentences.gaps(msgspec.structs.replace(contents, quality=quality), language_of(Locale.EN))
    assert [re.sub("[\u2068\u2069]", "", text) for text in texts] == [
        f"a and 1 more profile: 4 days, 3 to 6 September. {disturbed}. They cannot be read any more.",
        "b: 1 day, 9 September. Our collection was paused. They cannot be read any more.",
    ]


def test_months_are_read_and_counted() -> None:
    assert read_month("2026-01").before(1) == Month(2025, 12)
    assert Month(2024, 2).last == date(2024, 2, 29)
    assert month_of(date(2026, 12, 31)).before(-1).first == date(2026, 12, 31) + timedelta(days=1)
    for nonsense in ("2026", "2026-13", "26-01", "0000-01", "2026-1", "2026-1\N{ARABIC-INDIC DIGIT ONE}"):
        with pytest.raises(ValueError, match="write it like 2026-10"):
            read_month(nonsense)


def test_files_have_names_that_every_system_takes() -> None:
    assert file_names(["Acme"], SEPTEMBER) == {"Acme": "Acme 2025-09"}
    clients = ["a/b", "a:b", "..", "x" * 400, "é" * 100, "Ab", "aB", "North"]
    names = list(file_names(clients, SEPTEMBER).values())
    # Who is called as another's file is has another file.
    names += [file_names([*clients, name.removesuffix(" 2025-09")], SEPTEMBER).popitem()[1] for name in names[:-1]]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(not set(name) & set('/\\:*?"<>|') and len(name.encode()) < 255 for name in names)
    assert "North 2025-09" in names


PNG = b"\x89PNG\r\n\x1a\n"


def test_the_looks_of_a_client_win_over_those_of_the_agency(tmp_path: Path) -> None:
    (tmp_path / "ours.png").write_bytes(PNG)
    file = tmp_path / "report.toml"
    file.write_text(
        'agency = "North"\naccent = "#8a3b6a"\nlogo = "ours.png"\n[client.Acme]\ntitle = "Pins"\nlocale = "de"'
    )
    brand = load_brand(file).of("Acme")
    assert (brand.agency, brand.title, brand.locale, brand.colour) == ("North", "Pins", Locale.DE, "#8a3b6a")
    assert brand.logo is not None
    assert brand.logo.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('accent = "red"', "accent: is no colour"),
        ('accent = "#ffee00"', "accent: #ffee00 is too pale"),
        ('colour = "#123456"', "colour: there is no such key"),
        ('[client.Acme]\nlocale = "fr"', "client.Acme.locale: is not 'en' or 'de'"),
        ('logo = "none.png"', "logo: none.png cannot be read"),
        ('[client.Acme]\nlogo = "report.toml"', "client.Acme.logo: report.toml is neither PNG, JPEG nor SVG"),
        ("logo = ", "Invalid value"),
        (f"accent = {'[' * 9999}", "nested too deeply"),
        (f"accent = 1{'0' * 9999}", "Exceeds the limit"),
        (f"#{'x' * 1_000_000}", "is larger than 1 MB"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "report.toml"
    file.write_text(written)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load_brand(file)


async def test_the_command_writes_a_file_a_client(collector: Program, database: Database, tmp_path: Path) -> None:
    for client in ("Acme", "B/C", RIGHT_TO_LEFT):
        await database.execute(_FILL, client, 2)
    ended = await collector("report", "--all", "--month", "2025-09", "-o", "out")
    assert ended.code == 0, ended.err
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == 3
    assert ended.err == "written: 3 reports into out\n"
    assert "Acme 2025-09.html" in {each.name for each in written}
    assert all("September 2025" in each.read_text(encoding="utf-8") for each in written)
    one = await collector("report", "--client", "Acme", "--month", "2025-09", "--locale", "de", "-o", "acme.html")
    assert one.code == 0, one.err
    assert one.err == "written: acme.html\n"
    assert "Pinterest-Bericht" in (tmp_path / "acme.html").read_text(encoding="utf-8")


async def test_a_client_that_is_mistyped_in_the_file_of_looks_is_told(
    collector: Program, database: Database, tmp_path: Path
) -> None:
    await database.execute(_FILL, "Acme", 2)
    (tmp_path / "report.toml").write_text('[client."Acne"]\ntitle = "Pins"')
    ended = await collector("report", "--client", "Acme", "--month", "2025-09", REPORT_FILE="report.toml")
    assert ended.err == (
        "warning: COLLECTOR_REPORT_FILE: no such client: Acne; did you mean Acme?\nwritten: Acme 2025-09.html\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a --client, or ask for --all"),
        (("--all", "-o", "x.html"), "--all writes many files"),
        (("--client", "nobody"), "no such client: nobody"),
        (("--client", "Acme", "--month", "2026-9"), "write it like 2026-10"),
        (("--client", "Acme", "--month", "2999-01"), "2999-01 has no day that is over"),
    ],
)
async def test_what_cannot_be_written_is_said(
    collector: Program, database: Database, arguments: tuple[str, ...], said: str
) -> None:
    await database.execute(_FILL, "Acme", 1)
    ended = await collector("report", *arguments)
    assert ended.code > 0
    assert said in ended.err


def test_a_change_that_is_too_small_to_be_seen_has_no_sign() -> None:
    language = language_of(Locale.EN)
    shown = [language.change(each) for each in (-0.0004, 0.0, 0.0006, -0.2)]
    assert shown == ["±0.0%", "±0.0%", "+0.1%", "\N{MINUS SIGN}20%"]
