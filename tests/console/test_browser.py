"""The console in a real Chromium: what scripts do, for eyes, keys and screen readers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from collector.store.pool import Database, connected, open_database
from tests.support.agency import make_agency
from tests.support.browser import barriers, chromium, visit
from tests.support.console import FULL, console_address, token_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

_EMPTY = (
    "TRUNCATE profile, pin, drop_episode, drop_verdict, fleet_drop, daily_metric, daily_metric_revision, api_token, \
account_snapshot, poll_log, daemon RESTART IDENTITY CASCADE"
)


class Shown(NamedTuple):
    """A served agency, open and behind a door, and a browser."""

    browser: Browser
    database: Database
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
        yield Shown(
            browser,
            database,
            await stack.enter_async_context(console_address(database)),
            await stack.enter_async_context(console_address(database, locked=True)),
        )


async def opened(page: Page, path: str) -> None:
    await page.goto(path)
    await expect(page.locator(".pulse")).to_have_count(1)


PATHS = (
    "/",
    "/?view=profiles",
    "/client?name=Casa+Lumen",
    "/profiles/6?compare=1",
    "/profiles/19",
    "/sign-in",
    "/drops",
    "/pins",
    "/operations",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_people_from_the_pages(shown: Shown, scheme: str) -> None:
    async with visit(shown.browser, shown.open, color_scheme=scheme) as page:
        for path in PATHS:
            await page.goto(path)
            assert await barriers(page) == [], path


async def test_pages_fit_a_phone(shown: Shown) -> None:
    async with visit(shown.browser, shown.open, viewport={"width": 360, "height": 740}) as page:
        for path in PATHS:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path


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
