"""Prints a page to PDF by a Chromium that is installed; it is given no network and no profile of anybody."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from collector.errors import CollectorError, ConfigurationError

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PRINT_SECONDS: Final = 120.0
"""How long a browser may take for a page."""

_MOST_SHOWN = 300


def find_browser() -> str:
    """Return where the browser is. Raises ``ConfigurationError`` where there is none."""
    found = installed_browser()
    if found is None:
        raise ConfigurationError(
            [f"--pdf needs Chromium or Chrome: none of {', '.join(_NAMES)} is on the PATH; the HTML prints the same"]
        )
    return found


def installed_browser() -> str | None:
    """Return where a browser is, None without one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


async def print_page(browser: str, page: str) -> bytes:
    """Return the PDF of a page.

    Raises:
        CollectorError: the browser failed, or took longer than two minutes.
    """
    with tempfile.TemporaryDirectory(prefix="collector-report-") as name:
        folder = Path(name)
        source, target = folder / "report.html", folder / "report.pdf"
        source.write_text(page, encoding="utf-8")
        said = await _run(browser, *_arguments(folder, target), source.as_uri())
        if not target.is_file():
            raise CollectorError(f"{browser} made no PDF: {said[-_MOST_SHOWN:] or 'it said nothing'}")
        return target.read_bytes()


def _arguments(folder: Path, target: Path) -> list[str]:
    # Its sandbox does not work for root; the page has no script.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [
        "--headless",
        *sandbox,
        f"--user-data-dir={folder / 'profile'}",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-pdf-header-footer",
        f"--print-to-pdf={target}",
    ]


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PRINT_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        raise CollectorError(f"{command[0]} did not print the page within {PRINT_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace").strip()
