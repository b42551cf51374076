"""Backups, restoring and moving, with the program itself, between databases with and without TimescaleDB."""

import asyncio
import zipfile
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import msgspec
import pytest

from collector import __version__
from collector.embedded import embedded
from collector.migrate import migrate
from collector.models.backup import Contents
from collector.store.contents import contents, snapshot
from collector.store.pool import Database, connected, open_database
from tests.support.agency import fill_agency
from tests.support.program import Program

_MORE = """
DELETE FROM daemon;
INSERT INTO client (name, country) VALUES ('Casa Lumen', 'ES');
INSERT INTO pin_upload (file_name, data, time_zone, date_format, replaces, past, media)
VALUES (E'a\\\\b\\t"ü".csv', '\\x00ff', '', 'iso', false, false, '{}');
SELECT enqueue_pin('Casa Lumen', 'due', ARRAY['https://example.com/a.jpg'], E'two\\nlines \\\\N and a tab\\t',
    NULL, NULL, NULL, '{}', NULL, NULL, NULL, now());
SELECT enqueue_pin('Casa Lumen', 'later', ARRAY['https://example.com/a.jpg'], 'later', NULL, NULL,
    NULL, '{}', NULL, NULL, NULL, now() + interval '9 days');
"""
_ROWS_OF_DAYS = "SELECT count(*) FROM daily_metric"


@pytest.fixture
async def agency(database: Database) -> Database:
    """An agency with rows in every table that matters, and texts that a careless copy would break."""
    await fill_agency(database)
    async with database.transaction() as connection:
        await connection.execute(_MORE)
    return database


async def described(dsn: str) -> Contents:
    async with connected(dsn) as connection, snapshot(connection):
        return await contents(connection, version=__version__)


def without_pins(found: Contents) -> list[object]:
    return [table for table in found.tables if table.name not in {"pin", "pin_attempt"}]


async def backed_up(collector: Program, folder: Path) -> Path:
    file = folder / "agency.backup"
    ended = await collector("backup", str(file))
    assert ended.code == 0, ended.err
    assert file.stat().st_mode & 0o077 == 0
    return file


@pytest.mark.usefixtures("agency")
async def test_a_restored_database_has_every_row_and_goes_on_numbering(
    collector: Program, dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    before = await described(dsn)
    assert {table.name for table in before.tables if table.rows} >= {"daily_metric", "profile", "pin", "pin_upload"}
    file = await backed_up(collector, tmp_path)
    ended = await collector("restore", str(file), DATABASE_URL=empty_dsn)
    assert (ended.code, "counts and digests agree" in ended.out) == (0, True), ended.err
    assert "due since, and unknown now: 1 pin;" in ended.out
    assert "revoked or erased" in ended.out
    after = await described(empty_dsn)
    assert without_pins(after) == without_pins(before)
    assert after.sequences == before.sequences
    async with open_database(empty_dsn) as restored:
        await restored.execute(
            "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint) VALUES ('new', 'new', '', '')"
        )
        text = await restored.fetchval("SELECT description FROM pin WHERE client_ref = 'due'")
        states = dict(await restored.fetch("SELECT client_ref, state FROM pin WHERE client_ref IN ('due', 'later')"))
        attempts = await restored.fetch(
            "SELECT a.outcome, a.owner FROM pin_attempt a JOIN pin p ON p.id = a.pin_id WHERE p.client_ref = 'due'"
        )
        # The triggers are back: what is queued now wakes its lane.
        sql = "SELECT count(*) FROM pin_arrival"
        arrived = await restored.fetchval(sql)
        await restored.execute("SELECT enqueue_pin('new', 'r', ARRAY['https://example.com/a.jpg'], 'words')")
        assert await restored.fetchval(sql) == arrived + 1
    # What may have been published since is looked for.
    assert states == {"due": "unknown", "later": "queued"}
    assert [tuple(each) for each in attempts] == [("unknown", "restore")]
    assert text == "two\nlines \\N and a tab\t"


@pytest.mark.usefixtures("timescaledb")
async def test_the_embedded_database_goes_to_timescaledb(empty_dsn: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with embedded(folder, create=True) as plain_dsn:
        async with connected(plain_dsn) as connection:
            await migrate(connection)
        async with open_database(plain_dsn) as plain:
            await fill_agency(plain)
            await plain.execute("DELETE FROM daemon")
        before = await described(plain_dsn)
    program = Program(tmp_path, DATA_DIR=str(folder), PG_BINDIR="")
    ended = await program("move", "--to", empty_dsn)
    assert ended.code == 0, ended.err
    assert f"COLLECTOR_ENCRYPTION_KEYS to what is in {folder}/encryption_key" in ended.out
    assert (await described(empty_dsn)).tables == before.tables
    async with connected(empty_dsn) as connection:
        assert await connection.fetchval("SELECT count(*) FROM timescaledb_information.hypertables") >= 4
    assert (await program("status")).code == 2


@pytest.mark.usefixtures("agency")
async def test_nobody_works_in_a_database_that_was_moved(collector: Program, dsn: str, empty_dsn: str) -> None:
    before = await described(dsn)
    ended = await collector("move", "--to", empty_dsn)
    assert ended.code == 0, ended.err
    assert (await described(empty_dsn)).tables == before.tables
    refused = await collector("run", AYRSHARE_API_KEY="key")
    assert (refused.code, "was moved to the database empty_" in refused.err) == (2, True), refused.err
    assert (await collector("status", DATABASE_URL=empty_dsn)).code == 0
    # Again, as after a kill at the very end: all is there, and nothing is copied.
    assert (await collector("move", "--to", empty_dsn)).code == 0
    async with open_database(empty_dsn) as moved:
        await moved.execute("UPDATE profile SET tags = '{new}' WHERE name = 'Casa Lumen'")
    other = await collector("move", "--to", empty_dsn)
    assert (other.code, "not the same rows: profile" in other.err) == (1, True), other.err
    assert (await collector("status")).code == 2
    assert (await collector("move", "--undo")).code == 0
    assert (await collector("status")).code == 0


async def test_a_database_in_which_a_daemon_works_is_not_moved(
    agency: Database, collector: Program, empty_dsn: str
) -> None:
    await agency.execute("INSERT INTO daemon (owner, version, roles) VALUES ('here:1', '1', '{poller}')")
    ended = await collector("move", "--to", empty_dsn)
    assert (ended.code, "to be moved, by here:1: stop" in ended.err) == (1, True)
    assert (await collector("status")).code == 0
    async with connected(empty_dsn) as connection:
        assert await connection.fetchval("SELECT to_regclass('profile') IS NULL")


@pytest.mark.usefixtures("agency")
@pytest.mark.parametrize("command", ["restore", "move"])
async def test_what_was_killed_in_the_middle_left_nothing_and_works_the_next_time(
    collector: Program, dsn: str, empty_dsn: str, tmp_path: Path, command: str
) -> None:
    file = await backed_up(collector, tmp_path)
    arguments = ("restore", str(file)) if command == "restore" else ("move", "--to", empty_dsn)
    settings = {"DATABASE_URL": empty_dsn} if command == "restore" else {}
    async with open_database(empty_dsn) as target:
        async with collector.started(*arguments, **settings) as process, asyncio.timeout(30):
            # Somebody fills the table of days.
            while not await target.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%')"
            ):
                assert process.returncode is None
                await asyncio.sleep(0)
            process.send_signal(SIGKILL)
            await process.wait()
        async with asyncio.timeout(30):
            while await target.fetchval("SELECT to_regclass('profile') IS NOT NULL"):
                await asyncio.sleep(0.05)
    before = await described(dsn)
    ended = await collector(*arguments, **settings)
    assert ended.code == 0, ended.err
    assert without_pins(await described(empty_dsn)) == without_pins(before)


@pytest.mark.usefixtures("agency")
async def test_a_damaged_foreign_or_newer_file_changes_nothing(
    collector: Program, empty_dsn: str, tmp_path: Path
) -> None:
    file = await backed_up(collector, tmp_path)
    whole = file.read_bytes()
    half, foreign, damaged, newer, short = (
        tmp_path / name for name in ("half", "foreign", "damaged", "newer", "short")
    )
    half.write_bytes(whole[: len(whole) // 2])
    foreign.write_text("-- PostgreSQL database dump")
    with zipfile.ZipFile(file) as archive:
        found = msgspec.json.decode(archive.read("contents.json"), type=Contents)
    with zipfile.ZipFile(newer, "w") as archive:
        more = msgspec.structs.replace(found, migrations={**found.migrations, "9999_more.sql": ""}, version="9.0")
        archive.writestr("contents.json", msgspec.json.encode(more))
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(short, "w") as fewer, zipfile.ZipFile(damaged, "w") as copy:
        for name in archive.namelist():
            text = archive.read(name)
            copy.writestr(name, text)
            fewer.writestr(name, text.partition(b"\n")[2] if name == "daily_metric.copy" else text)
        # Another day, which the table would take.
        line = archive.read("daily_metric.copy").partition(b"\n")[0]
    damaged.write_bytes(damaged.read_bytes().replace(line, line.replace(b"-", b"/", 1)))
    for wrong, words in (
        (half, "no whole backup"),
        (foreign, "no whole backup"),
        (damaged, "Bad CRC-32"),
        (newer, "9.0"),
        (short, "arrived; nothing was changed"),
    ):
        ended = await collector("restore", str(wrong), DATABASE_URL=empty_dsn)
        assert (ended.code, words in ended.err) == (1, True), (wrong, ended.err)
        assert "Traceback" not in ended.err
        async with connected(empty_dsn) as connection:
            assert await connection.fetchval("SELECT to_regclass('profile') IS NULL"), wrong
    refused = await collector("restore", str(file))
    assert (refused.code, "it has to be empty" in refused.err) == (1, True)


@pytest.mark.parametrize(("number", "code"), [(SIGKILL, -SIGKILL), (SIGTERM, 143), (SIGINT, 130)])
async def test_a_backup_that_was_ended_leaves_no_file_and_is_not_called_done(
    agency: Database, collector: Program, tmp_path: Path, number: Signals, code: int
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    async with collector.started("backup", str(folder / "a")) as process, asyncio.timeout(30):
        while not await agency.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%whole::text%' AND pid <> pg_backend_pid())"
        ):
            assert process.returncode is None
            await asyncio.sleep(0)
        process.send_signal(number)
        assert await process.wait() == code
    assert list(folder.iterdir()) == []
