"""Drives a real Chromium, and notices what no page may do: complain in its console, or ask another machine."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SERIOUS = {"serious", "critical"}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser that is installed; without one, skip."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("Chromium is not installed; .ci/servers installs it")
    # Its sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(browser: Browser, address: str, *, expected: str | None = None, **context: Any) -> AsyncIterator[Page]:
    """Yield a page of a new visitor; at its end nothing may have gone wrong but what holds the text ``expected``."""
    opened = await browser.new_context(base_url=address, **context)
    page = await opened.new_page()
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            wrong.append(message.text)

    def see(request: Request) -> None:
        if not request.url.startswith("data:") and urlsplit(request.url).netloc != urlsplit(address).netloc:
            wrong.append(f"asked {request.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", see)
    try:
        yield page
    finally:
        await opened.close()
    assert [each for each in wrong if expected is None or expected not in each] == []


async def barriers(page: Page) -> list[str]:
    """Return what axe finds that keeps people from using the page."""
    found = await Axe().run(page)
    return [
        f"{each['id']}: {node['target']}"
        for each in found.response["violations"]
        if each["impact"] in _SERIOUS
        for node in each["nodes"]
    ]
