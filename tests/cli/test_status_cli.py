"""``collector status`` and the wrong folder: what somebody is told who thinks that data is gone."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL, SIGTERM

import msgspec
import pytest

from collector.cli.status import read_status, show_status
from collector.config import load_settings
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY, registered
from tests.support.program import PATIENCE_SECONDS, Program


def folders(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def make_cluster(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster").mkdir(parents=True)


@pytest.mark.parametrize(
    "command",
    [
        "status", "status --json", "profiles list", "profiles show a", "profiles pause a", "profiles resume a",
        "profiles remove --yes a", "profiles edit a --client b", "profiles rename a b", "profiles rotate-key a",
        "profiles import --dry-run -", "pins list", "pins show 1", "alerts list", "alerts backtest", "migrate --check",
        "poll", "poll a",
    ],
)  # fmt: skip
async def test_a_command_that_only_reads_makes_no_database(command: str, tmp_path: Path) -> None:
    collector = Program(tmp_path, DATA_DIR="colector-data", AYRSHARE_API_KEY="k", AYRSHARE_URL="http://127.0.0.1:1")

    table = "name,client,profile_key\na,b,AAAA-BBBB-CCCC-DDDD\n"
    refused = await collector(*command.split(), stdin=table if "import" in command else "AAAA-BBBB-CCCC-DDDD")

    assert refused.code == 2
    assert f"there is no database in {tmp_path}/colector-data: the folder does not exist" in refused.err
    assert "`collector run` and `collector profiles add` make a new one" in refused.err
    assert "no profiles" not in refused.out
    assert folders(tmp_path) == []


async def test_it_says_what_is_in_the_folder_and_which_one_has_a_database(tmp_path: Path) -> None:
    make_cluster(tmp_path / "collector-data")
    (tmp_path / "photos").mkdir()
    for name in "abcdefg":
        (tmp_path / "photos" / name).touch()

    refused = await Program(tmp_path, DATA_DIR="photos")("status")

    assert f"{tmp_path}/photos: it holds a, b, c, d, e and 2 more" in refused.err
    assert f"; there is one in {tmp_path}/collector-data. Name its folder" in refused.err
    assert len(folders(tmp_path / "photos")) == 7


@pytest.fixture
def collector(dsn: str, ayrshare: Ayrshare, tmp_path: Path) -> Program:
    return Program(
        tmp_path, DATABASE_URL=dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY, AYRSHARE_API_KEY=ayrshare.config.api_key,
        AYRSHARE_URL=ayrshare.url, HTTP_PORT="0",
    )  # fmt: skip


async def reported(database: Database) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await database.fetchval("SELECT EXISTS (SELECT FROM daemon)"):
            await asyncio.sleep(0.05)


async def test_status_says_whether_a_daemon_runs_and_since_when(collector: Program, database: Database) -> None:
    before = await collector("status")
    assert "no daemon runs; `collector run` starts one. None ever has" in before.out
    assert "the database collector at " in before.out

    async with collector.started("run", ROLES="exporter") as daemon:
        await reported(database)
        during = await collector("status", "--json")
        daemon.send_signal(SIGTERM)
        await daemon.wait()
        [process] = msgspec.json.decode(during.out)["daemons"]
        assert process["roles"] == ["exporter"]
        assert str(daemon.pid) in process["owner"]
        assert datetime.fromisoformat(process["started_at"]).tzinfo is not None
    after = await collector("status")
    assert f"no daemon runs; `collector run` starts one. The last, {process['owner']}, was stopped " in after.out


async def test_status_says_that_a_daemon_was_killed_and_what_is_overdue(collector: Program, database: Database) -> None:
    await registered(database, {"acme": "AAAA-BBBB-CCCC-DDDD"})
    await database.execute("UPDATE profile SET next_poll_at = now() - interval '2 hours'")
    await database.execute(
        "INSERT INTO pin_result (profile_id, pin_id, next_at) SELECT id, 1, now() - interval '3 hours' FROM profile"
    )
    async with collector.started("run", ROLES="detector") as daemon:
        await reported(database)
        during = await collector("status")
        daemon.send_signal(SIGKILL)
        await daemon.wait()
    await database.execute("UPDATE daemon SET seen_at = now() - interval '5 minutes'")
    after = await collector("status")

    assert "running: " in during.out
    assert "overdue: 1 profile to read, the first for 2 h; no daemon has the role poller" in during.out
    assert "the results of 1 published pin, the first for 3 h; no daemon has the role tracker" in during.out
    assert "was heard of 5 min ago, and was not told to stop" in after.out
    assert "overdue: 1 profile to read" in after.out


@pytest.mark.parametrize(("minutes", "direction"), [(-5, "behind"), (5, "ahead of"), (0.5, None)])
async def test_status_says_that_the_clocks_disagree(
    database: Database,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    minutes: float,
    direction: str | None,
) -> None:
    assert await database.fetchval("SELECT true")
    monkeypatch.setattr("collector.store.fleet.machine_time", lambda: datetime.now(UTC) + timedelta(minutes=minutes))

    show_status(await read_status(load_settings(database_url=dsn)))

    told = [line for line in capsys.readouterr().out.splitlines() if "clock" in line]
    what = (
        rf"this machine's clock is (299|300|301) s {direction} the database's, and no day is settled: set both by NTP"
    )
    assert len(told) == (direction is not None)
    assert all(re.fullmatch(what, line) for line in told)


async def test_a_name_that_looks_like_an_option_is_refused_clearly(collector: Program) -> None:
    why = "the name begins with -, so commands would take it for an option; choose another"
    added = await collector("profiles", "add", "--client", "acme", "--", "-acme", stdin="AAAA-BBBB-CCCC-DDDD")
    table = "name,client,profile_key\n-acme,acme,AAAA-BBBB-CCCC-DDDD\n"
    imported = await collector("profiles", "import", "-", stdin=table)

    assert (added.code, imported.code) == (1, 1)
    assert why in added.err
    assert f"line 2: {why}" in imported.err
