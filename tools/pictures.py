"""``make pictures``: takes pictures of the console's pages, as the demo shows them.

Dark and narrow ones go to a folder to be looked at; those that the documents show go to docs/images.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from tools.preview import ROOT

_MONTH = (date.today().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")  # noqa: DTZ011 -- the last whole one
PAGES = {
    "fleet": "/",
    "client": "/client?name=Alder+%26+Oak",
    "report": f"/client/report?name=Dune+Swimwear&month={_MONTH}",
    "profile": "/profiles/1?compare=1",
    "unlinked": "/profiles/14",
    "drops": "/drops",
    "pins": "/pins",
    "pin": "/pins/1",
    "calendar": "/pins/calendar",
    "pin-form": "/pins/new?like=1",
    "pin-import": "/pins/import",
    "operations": "/operations",
    "sign-in": "/sign-in",
}
# The rest is for whoever changes a page.
_IN_DOCUMENTS = {
    "fleet": "light",
    "profile": "light",
    "client": "dark",
    "report": "light",
    "calendar": "light",
    "pin-form": "light",
}
_KINDS = {"light": 1280, "dark": 1280, "narrow": 360}
_LONGEST_DEMO_SECONDS = "300"
_COLOURS = 128
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("names", metavar="PAGE", nargs="*", help=f"of {', '.join(PAGES)}")
    parser.add_argument("--all", type=Path, help="folder for a picture of each page in light, dark and narrow")
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        sys.exit("Chromium is needed")
    with demo() as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for name in options.names or PAGES:
            for kind in _KINDS:
                if options.all is not None:
                    shoot(browser, address, name, kind, options.all / f"console-{name}-{kind}.png")
                if _IN_DOCUMENTS.get(name) == kind:
                    shoot(browser, address, name, kind, ROOT / f"docs/images/console-{name}.png")
        browser.close()


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo until the end, and yield its address once everything of it is there."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        command = (sys.executable, "-m", "collector", "demo", "--port", "0", "--exit-after", _LONGEST_DEMO_SECONDS)
        environment = os.environ | {"COLLECTOR_DATA_DIR": folder, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield _address(process)
            finally:
                process.terminate()


def _address(process: "subprocess.Popen[str]") -> str:
    address = ""
    for line in process.stdout or ():
        if line.startswith("Console"):
            address = line.split()[1]
        if address and line.startswith("Polled"):
            return address.rstrip("/")
    raise SystemExit("the demo ended by itself")


def shoot(browser: Browser, address: str, name: str, kind: str, target: Path) -> None:
    """Write a picture of the whole page; what is next to be read is there, and nothing moves."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = ViewportSize(width=_KINDS[kind], height=800)
    context = browser.new_context(
        base_url=address, viewport=size, color_scheme="dark" if kind == "dark" else "light", timezone_id="UTC"
    )
    page = context.new_page()
    page.goto(PAGES[name])
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target, full_page=True)
    context.close()
    # A palette is enough for flat colours, and a quarter of the bytes.
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(target, optimize=True)
    print(target)


if __name__ == "__main__":
    main()
