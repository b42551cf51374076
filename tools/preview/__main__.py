"""``make preview``: draws every dashboard, in the dark and the light theme."""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from collector.telemetry import configure_logging
from grafana.queries.expand import Window
from tools.preview import HERE, ROOT, live
from tools.preview.answers import Json, Reader, Sources, as_reader, range_text, window_of
from tools.preview.world import SHOWN, World, world

DASHBOARDS = ("fleet", "client", "publishing", "operations")
_WIDTH = 1600
_TOP = ROOT / "docs/images/dashboard-fleet-top.png"
_TOP_HEIGHT = 1190
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_RESTATED = (datetime.now(UTC).date() - timedelta(days=6)).isoformat()
_WANTED = {"client": {"client": SHOWN[0], "profile": SHOWN[1], "day": _RESTATED}}


def main() -> None:
    options = _options()
    configure_logging("console", "critical")
    browser = _require("a browser", *_BROWSERS)
    _require("Prometheus", "prometheus")
    _bundle()
    folder = Path(tempfile.mkdtemp(prefix="preview-"))
    (folder / "answers").mkdir()
    for each in (options.dark, options.light, options.answers):
        if each is not None:
            each.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_preview(options, browser, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.preview", description=__doc__)
    parser.add_argument("names", metavar="DASHBOARD", nargs="*", help=f"of {', '.join(DASHBOARDS)}; all by default")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the daemon runs; default: %(default)g")
    parser.add_argument("--light", type=Path, default=HERE / "pictures", help="folder of the light pictures")
    parser.add_argument("--dark", type=Path, default=ROOT / "docs/images", help="folder of the dark pictures")
    parser.add_argument("--answers", type=Path, help="folder to keep the data in, or to draw again what is there")
    options = parser.parse_args()
    if unknown := set(options.names) - set(DASHBOARDS):
        parser.error(f"there is no dashboard {', '.join(sorted(unknown))}")
    options.names = options.names or list(DASHBOARDS)
    return options


def _require(what: str, *programs: str) -> str:
    found = next((path for path in map(shutil.which, programs) if path), None)
    if found is None:
        sys.exit(f"{what} is needed: {' or '.join(programs)}")
    return found


def _bundle() -> None:
    npm = _require("npm", "npm")
    if not (HERE / "node_modules").exists():
        _run(npm, "install", "--no-audit", "--no-fund", "--loglevel=error")
    _run(npm, "run", "--silent", "check")
    _run(npm, "run", "--silent", "build")


def _run(*command: str) -> None:
    subprocess.run(command, cwd=HERE, check=True)


async def _preview(options: argparse.Namespace, browser: str, folder: Path) -> None:
    answers: Path = options.answers or folder / "answers"
    wanted = [name for name in options.names if not (answers / f"{name}.json").exists()]
    if wanted:
        async with world(folder / "agency") as agency:
            await _answers(wanted, options.seconds, agency, folder, answers)
    for name in set(options.names) - set(wanted):
        _renew_look(answers / f"{name}.json", name)
    shots: list[dict[str, Any]] = []
    async with _serving(HERE / "dist", answers) as address:
        for theme in ("dark", "light"):
            target: Path = getattr(options, theme)
            for name in options.names:
                url = f"{address}/index.html?data=answers/{name}.json&theme={theme}"
                shots.append({"url": url, "path": str((target / f"dashboard-{name}.png").resolve())})
        if "fleet" in options.names:
            # For the README, in which the whole picture would be too long.
            shots.append(shots[options.names.index("fleet")] | {"path": str(_TOP.resolve()), "top": _TOP_HEIGHT})
        await _shoot({"chromium": browser, "profile": str(folder / "browser"), "width": _WIDTH, "shots": shots})
    for shot in shots:
        print(shot["path"])


async def _answers(names: list[str], seconds: float, agency: World, folder: Path, answers: Path) -> None:
    await agency.trouble()
    async with (
        live.daemon(agency.settings, folder / "collector.log") as address,
        live.prometheus(folder, address) as prometheus,
        aiohttp.ClientSession() as session,
    ):
        started = datetime.now(UTC)
        if "operations" in names:
            await asyncio.sleep(seconds)
        async with agency.database.connection() as connection, as_reader(connection):
            sources = Sources(connection, prometheus, session)
            for name in names:
                preview = await _read(name, sources, started)
                (answers / f"{name}.json").write_text(json.dumps(preview), encoding="utf-8")
                _complain(name, preview)


def _dashboard(name: str) -> Json:
    found: Json = json.loads((ROOT / f"grafana/dashboards/{name}.json").read_text(encoding="utf-8"))
    return found


def _renew_look(path: Path, name: str) -> None:
    """Put the present dashboard into a file of answers."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(kept | {"dashboard": _dashboard(name)}), encoding="utf-8")


async def _read(name: str, sources: Sources, started: datetime) -> Json:
    dashboard = _dashboard(name)
    now = datetime.now(UTC)
    window, text = window_of(dashboard, now), range_text(dashboard)
    if name == "operations":
        # Only as long as the daemon has run; the hours before would be empty.
        window, text = Window(started + timedelta(seconds=10), now), f"Last {(now - started).seconds // 60} minutes"
    return await Reader(dashboard, sources, window, _WANTED.get(name, {})).read(text)


def _complain(name: str, preview: Json) -> None:
    titles = {str(panel["id"]): panel.get("title") for panel in preview["dashboard"]["panels"]}
    for panel_id, answer in preview["answers"].items():
        if error := answer.get("error"):
            print(f"{name}: {error}", file=sys.stderr)
        elif not any(values for frame in answer["frames"] for values in frame["data"]["values"]):
            print(f"{name}: {titles.get(panel_id)}: no data", file=sys.stderr)


@asynccontextmanager
async def _serving(page: Path, answers: Path) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_static("/answers", answers)
    app.router.add_static("/", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _shoot(order: dict[str, Any]) -> None:
    process = await asyncio.create_subprocess_exec("node", str(HERE / "shoot.mjs"), stdin=asyncio.subprocess.PIPE)
    await process.communicate(json.dumps(order).encode())
    if process.returncode:
        sys.exit("not every picture could be drawn")


if __name__ == "__main__":
    main()
