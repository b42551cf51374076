"""The console shows the report of a client to those who may see the client."""

from pathlib import Path

from playwright.async_api import expect

from collector.report.month import month_of
from collector.store.pool import Database
from collector.store.report import ReportStore
from tests.support.agency import make_agency
from tests.support.browser import chromium, visit
from tests.support.console import console_address, console_session, page, token_of


async def test_a_client_s_month_is_chosen_and_shown(database: Database) -> None:
    await make_agency(database)
    month = month_of(await ReportStore(database).today()).before()
    async with console_address(database) as address, chromium() as browser, visit(browser, address) as here:
        await here.goto("/client?name=Casa+Lumen")
        await here.select_option('select[name="locale"]', "de")
        async with here.expect_popup() as opened:
            await here.click('button:text-is("Report")')
        report = await opened.value
        await expect(report.locator("h1")).to_have_text("Casa Lumen")
        await expect(report.locator(".kind")).to_have_text("Pinterest-Bericht")
        assert f"month={month}" in report.url
        # The style sheet is the one thing that the policy lets in.
        assert await report.evaluate("getComputedStyle(document.body).marginTop") == "0px"


async def test_only_those_who_may_see_a_client_get_its_report(database: Database) -> None:
    await make_agency(database)
    token = await token_of(database, "Casa Lumen", may_change=False)
    async with console_session(database, token) as session:
        assert "Casa Lumen" in await page(session, "/client/report?name=Casa+Lumen&month=2025-01")
        await page(session, "/client/report?name=Indigo+Yarns&month=2025-01", 404)
        assert "write it like 2026-10" in await page(session, "/client/report?name=Casa+Lumen&month=soon", 400)
        assert "has no day that is over" in await page(session, "/client/report?name=Casa+Lumen&month=2999-01", 409)


async def test_a_file_of_looks_that_is_wrong_stops_the_report_alone(database: Database, tmp_path: Path) -> None:
    await make_agency(database)
    looks = tmp_path / "report.toml"
    looks.write_text('accent = "red"')
    async with console_session(database, report_file=looks) as session:
        await page(session, "/client?name=Casa+Lumen")
        assert "accent: is no colour" in await page(session, "/client/report?name=Casa+Lumen&month=2025-01", 409)
        looks.write_text('[client."Indigo Yarns"]\naccent = "red"')
        token = await token_of(database, "Casa Lumen", may_change=False)
        async with console_session(database, token, report_file=looks) as client:
            said = await page(client, "/client/report?name=Casa+Lumen&month=2026-01", 409)
        assert "tell your agency" in said
        assert "Indigo" not in said
        assert str(tmp_path) not in said
        looks.write_text('accent = "#8a3b6a"')
        assert "--accent: #8a3b6a" in await page(session, "/client/report?name=Casa+Lumen&month=2025-01")
