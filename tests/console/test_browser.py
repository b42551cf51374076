"""The console in a real Chromium: what scripts do, for eyes, keys and screen readers."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from collector.models.pin import Board
from collector.publish.media import Media
from collector.store.drop_list import DropList
from collector.store.pool import Database, connected, open_database
from tests.support.agency import make_agency
from tests.support.away import Away
from tests.support.ayrshare import emulated
from tests.support.browser import barriers, chromium, visit
from tests.support.console import FULL, console_address, token_of
from tests.support.drops import SETTLED, fill, stored_drop
from tests.support.profiles import register, remove
from tests.support.publishing import truth, until, working

pytestmark = pytest.mark.asyncio(loop_scope="session")

_EMPTY = (
    "TRUNCATE profile, pin, drop_episode, drop_dismissal, drop_verdict, drop_band, fleet_drop, daily_metric, "
    "daily_metric_revision, api_token, account_snapshot, pin_metric, poll_log, daemon RESTART IDENTITY CASCADE"
)


class Shown(NamedTuple):
    """A served agency, open and behind a door, and a browser."""

    browser: Browser
    database: Database
    away: Away
    open: str
    locked: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(migrated_dsn: str) -> AsyncIterator[Shown]:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        async with connected(migrated_dsn) as connection:
            await connection.execute(_EMPTY)
        database = await stack.enter_async_context(open_database(migrated_dsn))
        await make_agency(database)
        away = Away()
        yield Shown(
            browser,
            database,
            away,
            await stack.enter_async_context(console_address(database, away=away)),
            await stack.enter_async_context(console_address(database, locked=True)),
        )


async def opened(page: Page, path: str) -> None:
    await page.goto(path)
    await expect(page.locator(".pulse")).to_have_count(1)


PATHS = (
    "/",
    "/?view=profiles",
    "/client?name=Casa+Lumen",
    "/profiles/6?compare=1&table=1",
    f"/profiles/6/days/{SETTLED}?why=1",
    "/profiles/19",
    "/sign-in",
    "/drops",
    "/pins",
    "/pins/1",
    "/pins/new?like=1",
    "/pins/calendar",
    "/pins/calendar?view=month",
    "/pins/import",
    "/operations",
)


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
async def test_nothing_keeps_people_from_a_page(shown: Shown, path: str) -> None:
    async with visit(shown.browser, shown.open, color_scheme="light") as page:
        await page.goto(path)
        assert await barriers(page) == []
        await page.emulate_media(color_scheme="dark")
        assert await barriers(page) == []


async def test_pages_fit_a_phone(shown: Shown) -> None:
    async with visit(shown.browser, shown.open, viewport={"width": 360, "height": 740}) as page:
        for path in PATHS:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path
            wide = "[...document.querySelectorAll('table.folds td')].filter(it => it.scrollWidth > it.clientWidth)"
            assert await page.evaluate(f"{wide}.map(it => it.textContent)") == [], path


async def test_a_page_is_light(shown: Shown) -> None:
    async with visit(shown.browser, shown.open) as page:
        await opened(page, "/profiles/6?days=365&compare=1")
        sizes = await page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".reduce((sum, each) => sum + each.transferSize, 0)"
        )
    assert sizes < 200_000


async def test_a_chart_is_read_by_pointer_and_by_keyboard(shown: Shown) -> None:
    async with visit(shown.browser, shown.open) as page:
        await opened(page, "/profiles/6")
        chart = page.get_by_role("slider")
        await chart.hover(position={"x": 300, "y": 100})
        await expect(page.locator(".readout")).to_contain_text("Engagement")
        await chart.focus()
        await page.keyboard.press("End")
        newest = await page.locator(".readout").text_content()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator(".readout")).not_to_have_text(newest or "")
        assert "Provisional" in (newest or "")
        assert "Engagement" in (await chart.get_attribute("aria-valuetext") or "")


async def test_the_list_follows_what_is_typed(shown: Shown) -> None:
    async with visit(shown.browser, shown.open) as page:
        await opened(page, "/")
        await page.get_by_role("searchbox").fill("inseln")
        await expect(page.locator("#part-list tbody tr")).to_have_count(1)
        await expect(page).to_have_url(f"{shown.open}/?q=inseln")
        await page.get_by_role("link", name="Fernweh Travel").first.click()
        await page.get_by_role("link", name="Fernweh Inseln").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Fernweh Inseln")


async def test_a_theme_is_chosen_and_times_are_the_viewers(shown: Shown) -> None:
    async with visit(shown.browser, shown.open, timezone_id="Asia/Tokyo", color_scheme="light") as page:
        await opened(page, "/profiles/6")
        await expect(page.locator("[data-zone]")).to_contain_text("Asia/Tokyo")
        await page.get_by_role("button", name="Light or dark").click()
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_a_pause_is_asked_about_first(shown: Shown) -> None:
    async with visit(shown.browser, shown.open) as page:
        await opened(page, "/profiles/9")
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("button", name="No, leave it").click()
        assert await shown.database.fetchval("SELECT state FROM profile WHERE id = 9") == "active"
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(page.get_by_role("button", name="Resume")).to_be_visible()
        assert await shown.database.fetchval("SELECT state FROM profile WHERE id = 9") == "paused"


async def test_a_drop_says_why_and_is_dismissed_with_a_note(shown: Shown) -> None:
    told = "SELECT count(*) FROM engagement_drop WHERE told AND profile = 'Casa Lumen'"
    async with visit(shown.browser, shown.open) as page:
        await opened(page, "/drops")
        row = page.get_by_role("row").filter(has_text="Engagement of Casa Lumen fell")
        await row.get_by_text("Why is it a drop?").click()
        await expect(row.locator(".facts")).to_contain_text("All metrics together")
        await expect(row.locator(".facts")).to_contain_text("a drop needs more than")
        await row.get_by_text("Not a problem?").click()
        await row.get_by_label("Why is it none?").fill("<b>A holiday</b>")
        assert await barriers(page) == []
        await row.get_by_role("button", name="Not a problem").click()
        await expect(page.locator("#part-list")).not_to_contain_text("Casa Lumen")
        assert await shown.database.fetchval(told) == 0
        await page.get_by_role("link", name="Not a problem").click()
        await expect(row).to_contain_text("Not a problem: <b>A holiday</b>said by this machine")
        await row.get_by_role("link", name="Casa Lumen").first.click()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("Not a problem?")).to_be_visible()
        assert await shown.database.fetchval(told) == 1
        await page.get_by_role("link", name="called a drop, or not?").click()
        await expect(page.locator("#part-verdict")).to_contain_text("Called a drop")
        await page.get_by_text("All that was looked at").click()
        await expect(page.get_by_role("row").filter(has_text="Saves").first).to_be_visible()
        assert await barriers(page) == []


async def test_a_client_signs_in_and_out(shown: Shown) -> None:
    token = await token_of(shown.database, "Casa Lumen")
    async with visit(shown.browser, shown.locked, expected="401") as page:
        await page.goto("/")
        await page.get_by_label("Token").fill("wrong-token-0123456")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert").first).to_contain_text("This token is none of those")
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Casa Lumen")
        await expect(page.get_by_role("link", name="Fleet")).to_have_count(0)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_everything_is_there_without_scripts(shown: Shown) -> None:
    async with visit(shown.browser, shown.locked, java_script_enabled=False) as page:
        await page.goto("/")
        await page.get_by_label("Token").fill(FULL)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("searchbox").fill("inseln")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#part-list tbody tr")).to_have_count(1)
        await page.goto("/profiles/6")
        await expect(page.locator("svg.plot title").first).to_contain_text("Engagement")
        await expect(page.locator("[data-zone]")).to_contain_text("UTC")


BERLIN = ZoneInfo("Europe/Berlin")


async def queued(shown: Shown, title: str, at: datetime) -> int:
    found: int = await shown.database.fetchval(
        "INSERT INTO pin (profile_id, client_ref, media_urls, publish_at, title) "
        "VALUES (1, $1, ARRAY['https://example.com/a.jpg'], $2, $1) RETURNING id",
        title, at,
    )  # fmt: skip
    return found


async def test_a_pin_is_dragged_to_another_day_and_goes_back_where_it_may_not(shown: Shown) -> None:
    at = datetime(2031, 3, 29, 8, 30, tzinfo=UTC)
    pin = await queued(shown, "Dragged", at)
    async with visit(shown.browser, shown.open, timezone_id="Europe/Berlin", expected="409") as page:
        await opened(page, "/pins/calendar?view=month&from=2031-03-29")
        card = page.locator(f'[data-pin="{pin}"]')
        await expect(page.locator("[data-zone-shown]")).to_have_attribute("data-zone-shown", "Europe/Berlin")
        await card.drag_to(page.locator('[data-day="2031-03-30"]'))
        await expect(page.locator(".toast")).to_contain_text("Moved to Sun 30 Mar 2031")
        await expect(page.locator('[data-day="2031-03-30"]').get_by_text("09:30")).to_be_visible()
        moved = await shown.database.fetchval("SELECT publish_at FROM pin WHERE id = $1", pin)
        assert moved == datetime(2031, 3, 30, 9, 30, tzinfo=BERLIN)
        # Somebody else gave it up meanwhile.
        await shown.database.execute("UPDATE pin SET state = 'cancelled' WHERE id = $1", pin)
        await card.drag_to(page.locator('[data-day="2031-03-31"]'))
        await expect(page.locator(".toast").last).to_contain_text("is cancelled; only a queued one can be changed")
        await expect(page.locator('[data-day="2031-03-30"]').locator(card)).to_have_count(1)


async def test_a_pin_is_moved_by_keyboard(shown: Shown) -> None:
    pin = await queued(shown, "Typed", datetime(2031, 5, 14, 8, 30, tzinfo=UTC))
    async with visit(shown.browser, shown.open, timezone_id="Europe/Berlin") as page:
        await opened(page, "/pins/calendar?from=2031-05-14&zone=UTC")
        await page.get_by_role("link", name=re.compile("Typed")).focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.locator("input:focus").fill("2031-05-15")
        await page.keyboard.press("Enter")
        await expect(page.locator('[data-day="2031-05-15"]').get_by_text("08:30")).to_be_visible()
        await page.get_by_role("link", name="The week after").click()
        await expect(page.get_by_role("heading", level=2)).to_have_text("19 to 25 May 2031")
    assert await shown.database.fetchval("SELECT publish_at FROM pin WHERE id = $1", pin) == datetime(
        2031, 5, 15, 8, 30, tzinfo=UTC
    )


async def test_a_pin_is_queued_as_it_is_previewed_and_published(shown: Shown) -> None:
    image = "https://images.example.com/tall.jpg"
    shown.away.media = {image: Media(image, 1000, 1800, 214_000, form="JPEG")}
    shown.away.boards = [Board("81494100", "Spring")]
    async with emulated() as ayrshare, working(shown.database, ayrshare):
        await register(shown.database, ayrshare, 1)
        async with visit(shown.browser, shown.open, timezone_id="Europe/Berlin") as page:
            await opened(page, "/pins")
            await page.get_by_role("link", name="Queue a pin").click()
            await expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
            await page.get_by_label("Profile").press_sequentially("client-0")
            await expect(page.locator("#profiles option")).to_have_count(1)
            await page.get_by_label("Profile").fill("client-001")
            await page.get_by_label("Title").fill("\N{CHRISTMAS TREE}" * 98)
            await expect(page.get_by_text("2 characters left.")).to_be_visible()
            await page.get_by_label("Title").fill("A table for spring")
            await page.get_by_label("Description").fill("Step by step")
            await expect(page.locator(".preview")).to_contain_text("A table for spring Step by step")
            await page.get_by_label("Board").select_option("Spring")
            await page.get_by_label("Address 1", exact=True).fill(image)
            await page.get_by_role("button", name="Check the images").click()
            await expect(page.locator(".preview")).to_contain_text("214 kB")
            await expect(page.get_by_role("img", name="Image 1: 1000 by 1800 pixels")).to_be_visible()
            assert await barriers(page) == []
            await page.get_by_role("button", name="Queue the pin").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("A table for spring")
            await until(
                partial(truth, shown.database, "SELECT pin_url IS NOT NULL FROM pin WHERE board_id = '81494100'")
            )
            await page.reload()
            await expect(page.locator(".badge", has_text="Published")).to_be_visible()


async def test_a_pin_is_changed_cancelled_and_sent_again(shown: Shown) -> None:
    image = "https://example.com/a.jpg"
    shown.away.media = {image: Media(image, 640, 480, form="PNG")}
    pin = await queued(shown, "Before", datetime(2031, 6, 2, 8, 30, tzinfo=UTC))
    async with visit(shown.browser, shown.open, timezone_id="Europe/Berlin") as page:
        await opened(page, f"/pins/{pin}")
        await page.get_by_role("link", name="Edit").click()
        await expect(page.get_by_label("Time", exact=True)).to_have_value("2031-06-02T10:30")
        await expect(page.get_by_role("img", name="Image 1: 640 by 480 pixels")).to_be_visible()
        await page.get_by_label("Title").fill("After")
        await page.get_by_label("Time", exact=True).fill("2031-06-03T11:00")
        await page.get_by_role("button", name="Save the changes").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("After")
        for button, badge in (("Cancel the pin", "Cancelled"), ("Send it again", "Queued")):
            await page.get_by_role("button", name=button).click()
            await page.get_by_role("button", name="Yes").click()
            await expect(page.locator("h1 + .badge")).to_have_text(badge)
    assert await shown.database.fetchval("SELECT publish_at FROM pin WHERE id = $1", pin) == datetime(
        2031, 6, 3, 11, tzinfo=BERLIN
    )


async def test_a_form_is_filled_by_keyboard_and_says_what_is_wrong(shown: Shown) -> None:
    name = await shown.database.fetchval("SELECT name FROM profile WHERE id = 6")
    async with visit(shown.browser, shown.open, expected="422", viewport={"width": 360, "height": 740}) as page:
        await opened(page, "/pins/new?day=2031-07-01")
        await page.get_by_label("Profile").focus()
        await page.keyboard.insert_text(name)
        # Over the parts of the time and its zone.
        while await page.evaluate("document.activeElement.name") != "title":
            await page.keyboard.press("Tab")
        await page.keyboard.insert_text("x" * 103)
        await expect(page.get_by_text("3 characters too many.")).to_be_visible()
        await page.keyboard.press("Enter")
        refusal = page.locator("#refusal")
        await expect(refusal).to_be_focused()
        await expect(refusal).to_contain_text("The title has 103 characters; at most 100 are taken.")
        assert await barriers(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Title")).to_be_focused()
        await page.keyboard.press("Control+A")
        await page.keyboard.insert_text("By keyboard")
        await page.get_by_label("Address 1", exact=True).fill("https://images.example.com/b.jpg")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("By keyboard")


async def test_a_table_with_faults_is_mended_and_queued(shown: Shown) -> None:
    header = "profile,client_ref,publish_at,description,media_urls\n"
    good = "".join(f"Casa Lumen,table-{n},2032-06-0{n} 18:00,Summer,https://example.com/a.jpg\n" for n in (1, 2))
    async with visit(shown.browser, shown.open, timezone_id="Europe/Berlin") as page:

        async def upload(text: str) -> None:
            await page.get_by_label("Table").set_input_files(
                {"name": "summer.csv", "mimeType": "text/csv", "buffer": (header + text).encode()}
            )
            await page.get_by_role("button", name="Look at it first").click()

        await opened(page, "/pins")
        await page.get_by_role("link", name="Import a table").click()
        await upload(good + "Casa Lumen,table-3,tomorrow,,https://example.com/a.jpg\n")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody")).to_contain_text("publish_at is not a time: tomorrow")
        assert await barriers(page) == []
        await page.get_by_role("link", name="Upload it again").click()
        await upload(good)
        await expect(page.locator("tbody")).to_contain_text("Wed 2 Jun 2032 18:00")
        await page.get_by_role("button", name="Queue 2 pins").click()
        await expect(page.get_by_text("2 pins queued")).to_be_visible()
        await page.goto("/pins/calendar?view=month&from=2032-06-01")
        await expect(page.locator('[data-day="2032-06-02"]').get_by_text("18:00")).to_be_visible()


async def test_a_reader_of_a_client_only_looks_at_its_calendar(shown: Shown) -> None:
    token = await token_of(shown.database, "Fernweh Travel", may_change=False)
    async with visit(shown.browser, shown.locked) as page:
        await page.goto("/pins/calendar?view=month")
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator(".due .whose").first).to_contain_text("Fernweh")
        assert {each[:7] for each in await page.locator(".due .whose").all_text_contents()} == {"Fernweh"}
        await expect(page.locator("[draggable=true], .due details, main form[method=post]")).to_have_count(0)
        await expect(page.get_by_role("link", name="Import a table")).to_have_count(0)


HOSTILE = (
    "<script>window.evil = 1</script>\"'><img src=x onerror='window.evil = 1'></td>{{ 7 * 7 }}"
    "javascript:alert(1)%00%\u202eevil"
)
_FOREIGN = """[...document.querySelectorAll('main :is(script, img, iframe, [onerror]), a[href^="javascript"]')]
    .map((each) => each.outerHTML).concat(window.evil ? ['it ran'] : [])"""


async def test_what_people_typed_is_text_on_every_page(shown: Shown) -> None:
    await fill(shown.database, HOSTILE, client=HOSTILE, days=40)
    profile = await shown.database.fetchval(
        "UPDATE profile SET tags = ARRAY[name], ref_id = name, last_outcome = 'network', last_error = name, "
        "consecutive_failures = 4, account_name = name, account_changed_at = now(), seam_day = settled_through - 5 "
        "WHERE name = $1 RETURNING id",
        HOSTILE,
    )
    drop = await stored_drop(shown.database, profile, HOSTILE)
    await DropList(shown.database).dismiss(drop, HOSTILE, HOSTILE)
    pin = await shown.database.fetchval(
        "INSERT INTO pin (profile_id, client_ref, title, description, note, last_error, media_urls, publish_at) "
        "VALUES ($1, $2, left($2, 100), $2, $2, $2, '{https://images.example.com/a.jpg}', '2032-01-02 10:00+00') "
        "RETURNING id",
        profile, HOSTILE,
    )  # fmt: skip
    shown.away.boards = [Board("12", HOSTILE)]
    shown.away.media = {(url := "https://images.example.com/a.jpg"): Media(url, problem=HOSTILE)}
    name, client = quote(HOSTILE), quote_plus(HOSTILE)
    try:
        async with (
            console_address(shown.database, away=shown.away) as address,
            visit(shown.browser, address) as page,
        ):
            for path in (
                "/", f"/?q={name}", "/?view=profiles&sort=client", f"/client?name={client}",
                f"/profiles/{profile}?table=1", f"/profiles/{profile}/days/{SETTLED}?why=1",
                f"/drops?state=dismissed&q={name}", f"/pins?q={name}",
                f"/pins/{pin}", f"/pins/{pin}/edit", f"/pins/new?like={pin}", "/pins/calendar?from=2032-01-02",
                f"/operations?q={name}",
            ):  # fmt: skip
                await page.goto(path)
                await expect(page.locator("body"), path).to_contain_text("javascript:alert(1)%00%")
                assert await page.evaluate(_FOREIGN) == [], path
            await page.goto("/pins/import")
            table = f"profile,client_ref,publish_at,description,media_urls\n{HOSTILE},{HOSTILE},,,{HOSTILE}\n"
            await page.get_by_label("Table").set_input_files(
                {"name": f"{HOSTILE}.csv", "mimeType": "text/csv", "buffer": table.encode()}
            )
            await page.get_by_role("button", name="Look at it first").click()
            await expect(page.locator("tbody")).to_contain_text("javascript:alert(1)%00%")
            assert await page.evaluate(_FOREIGN) == []
    finally:
        await shown.database.execute("UPDATE pin SET state = 'cancelled' WHERE id = $1", pin)
        await remove(shown.database, HOSTILE)
