"""Reports that nobody asked for: each is written and told once, whoever dies in between."""

import asyncio
import os
from datetime import date, datetime
from pathlib import Path
from signal import SIGKILL

from collector.notify.deliver import open_deliverer
from collector.notify.notifier import Notifier
from collector.notify.targets import load_targets
from collector.report.reporter import Reporter
from collector.store.event import EventStore, Limits
from collector.store.gap import GapStore
from collector.store.monthly_report import MonthlyReportStore
from collector.store.notice import NoticeStore
from collector.store.pool import Database
from collector.store.report import ReportStore
from tests.support.away import Away
from tests.support.program import PATIENCE_SECONDS, Program
from tests.support.receivers import mail_server

SECOND = date(2025, 10, 2)
_REGISTER = """
WITH made AS (
    INSERT INTO profile (
        name, client, key_ciphertext, key_fingerprint, first_day, last_day, settled_through, created_at
    )
    SELECT client || ' 1', client, '', sha256(client::bytea), '2025-08-01', '2025-09-30', '2025-09-28', $2::timestamptz
    FROM unnest($1::text[]) AS client
    RETURNING id
)
INSERT INTO daily_metric (profile_id, day, impression, engagement)
SELECT id, day, 1000, 50
FROM made, generate_series('2025-08-01'::timestamp, '2025-09-30', '1 day') AS day
"""
# Registers that it was started, and ends with whoever started it.
_HANGING_BROWSER = '#!/bin/sh\ntouch "{started}"\nwhile kill -0 $PPID 2>/dev/null; do sleep 0.1; done\n'
_PRINTING_BROWSER = '#!/bin/sh\nfor each; do case "$each" in --print-to-pdf=*) echo %PDF-1 >"${each#*=}";; esac; done\n'

_TARGETS = """
group = "0s"

[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
from = "collector@example.com"

[[target]]
name = "one"
kind = "email"
to = ["one@example.com"]
clients = ["client 07"]

[[target]]
name = "all"
kind = "email"
to = ["all@example.com"]
"""


def reporter(database: Database, folder: Path, *, owner: str = "me", browser: str | None = None) -> Reporter:
    monthly = MonthlyReportStore(database, owner=owner, seconds=60.0)
    return Reporter(
        ReportStore(database),
        GapStore(database),
        monthly,
        folder=folder,
        looks=None,
        browser=browser,
        pictures_of=Away().pictures_of,
    )


async def register(database: Database, *clients: str, on: str = "2025-08-01 00:00Z") -> None:
    await database.execute(_REGISTER, clients, datetime.fromisoformat(on))


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def files_in(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


async def let_claims_run_out(database: Database) -> None:
    await database.execute("UPDATE monthly_report SET lease_until = now() WHERE written_at IS NULL")


async def test_each_month_is_written_once_from_its_second_day_on(database: Database, tmp_path: Path) -> None:
    await register(database, "Acme", "Birch")
    await register(database, "late", on="2025-10-01 00:00Z")
    writing = reporter(database, tmp_path)
    await writing.write_due(date(2025, 10, 1))
    assert files_in(tmp_path) == ["2025-08/Acme 2025-08.html", "2025-08/Birch 2025-08.html"]
    await writing.write_due(SECOND)
    september = ["2025-09/Acme 2025-09.html", "2025-09/Birch 2025-09.html"]
    assert files_in(tmp_path)[2:] == september
    assert "September 2025" in (tmp_path / september[0]).read_text(encoding="utf-8")

    (tmp_path / september[0]).unlink()
    await database.execute("UPDATE profile SET client = 'Acme & Sons' WHERE client = 'Acme'")
    await writing.write_due(date(2025, 10, 31))
    assert files_in(tmp_path)[2:] == september[1:], "neither written again, nor under another name"


async def test_two_replicas_write_a_report_once_and_its_mail_carries_it(database: Database, tmp_path: Path) -> None:
    clients = [f"client {number:02}" for number in range(25)]
    await register(database, *clients)
    browser = program(tmp_path / "browser", _PRINTING_BROWSER)
    folder = tmp_path / "reports"
    async with mail_server() as box:
        await asyncio.to_thread(Path("notify.toml").write_text, _TARGETS.format(port=box.port))
        targets = load_targets(Path("notify.toml"))
        async with open_deliverer(targets) as deliverer:
            store = NoticeStore(database, owner="me", seconds=60.0)
            url = "https://pins.example.com"
            telling = Notifier(EventStore(database), store, targets, deliverer, url, report_dir=folder)
            await telling.run_once()
            both = [reporter(database, folder, owner=name, browser=browser) for name in "ab"]
            await asyncio.gather(*(each.write_due(SECOND) for each in both))
            assert await telling.run_once() == 2
            assert await telling.run_once() == 0

    assert await database.fetchval("SELECT count(*) FROM monthly_report WHERE attempts = 1 AND file IS NOT NULL") == 25
    assert len(files_in(folder)) == 50
    told = {to[0]: mail for mail, to in zip(box.mails, box.recipients, strict=True)}
    mail = told["one@example.com"]
    assert mail["Subject"] == "Report is ready: client 07"
    [carried] = mail.iter_attachments()
    assert (carried.get_filename(), carried.get_content_type()) == ("client 07 2025-09.pdf", "application/pdf")
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "The report of client 07 is ready: client 07 2025-09.pdf." in plain.get_content()
    assert "https://pins.example.com/client/report?name=client+07&month=2025-09" in plain.get_content()
    assert list(told["all@example.com"].iter_attachments()) == [], "so many are only named"


async def test_a_daemon_that_is_killed_in_the_middle_leaves_no_half_file_and_the_next_tells_once(
    collector: Program, database: Database, tmp_path: Path
) -> None:
    await register(database, "Acme")
    started = tmp_path / "started"
    browser = program(tmp_path / "bin" / "chromium", _HANGING_BROWSER.format(started=started))
    settings = {"ROLES": "reporter", "REPORT_DIR": "reports", "HTTP_PORT": "0"}
    path, os.environ["PATH"] = os.environ["PATH"], f"{Path(browser).parent}:{os.environ['PATH']}"
    try:
        async with collector.started("run", **settings) as daemon, asyncio.timeout(PATIENCE_SECONDS):
            while not started.exists():
                assert daemon.returncode is None, await daemon.communicate()
                await asyncio.sleep(0.01)
            daemon.send_signal(SIGKILL)
            await daemon.wait()
    finally:
        os.environ["PATH"] = path

    folder = tmp_path / "reports"
    assert [Path(each).suffix for each in files_in(folder)] == [".html"]
    next_one = reporter(database, folder, browser=program(tmp_path / "browser", _PRINTING_BROWSER))
    today = await ReportStore(database).today()
    await next_one.write_due(today)
    assert len(files_in(folder)) == 1, "its claim holds"
    await let_claims_run_out(database)
    for _ in range(2):
        await next_one.write_due(today)
        await EventStore(database).find(Limits(stale_seconds=1e9, loss_days=0))
    assert [Path(each).suffix for each in files_in(folder)] == [".html", ".pdf"]
    told = await database.fetch("SELECT detail FROM notice WHERE kind = 'report_ready'")
    assert [row["detail"] for row in told] == files_in(folder)[1:]


async def test_a_report_that_cannot_be_written_keeps_no_other_from_its_client(
    database: Database, tmp_path: Path
) -> None:
    await register(database, "Acme", "Birch")
    in_the_way = tmp_path / "2025-09" / "Acme 2025-09.html"
    in_the_way.mkdir(parents=True)
    writing = reporter(database, tmp_path, browser=program(tmp_path / "failing", "#!/bin/sh\nexit 1\n"))
    await writing.write_due(SECOND)
    rows = await database.fetch("SELECT client, file FROM monthly_report ORDER BY client")
    # Without its PDF, since that browser fails.
    assert [tuple(row) for row in rows] == [("Acme", None), ("Birch", "2025-09/Birch 2025-09.html")]
    in_the_way.rmdir()
    await let_claims_run_out(database)
    await writing.write_due(SECOND)
    assert in_the_way.is_file()
