"""The daemon and its commands work as a role that owns nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from collector.console.words import LOOPS
from collector.migrate import migrate
from collector.store.pool import Database, connected, open_database
from collector.store.profile import ProfileStore
from collector.store.removal import RemovalStore
from collector.store.retention import expire
from collector.store.role import DAEMON
from tests.support.ayrshare import Ayrshare
from tests.support.databases import as_user, stop_policies
from tests.support.profiles import new_profile, register
from tests.support.program import Program

DEADLINE = 60.0
NOTIFY = '[[target]]\nname = "hook"\nkind = "webhook"\nurl = { file = "hook.url" }\n'


@pytest.fixture
def lowly_dsn(dsn: str) -> str:
    return as_user(dsn, DAEMON)


@pytest.fixture
async def lowly(lowly_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    async with connected(lowly_dsn) as connection:
        yield connection


@pytest.fixture
def program(calling: Program, lowly_dsn: str) -> Program:
    """The program as the daemon's role."""
    return calling.with_settings(DATABASE_URL=lowly_dsn)


async def test_every_role_of_the_daemon_does_its_work(
    program: Program, database: Database, lowly_dsn: str, ayrshare: Ayrshare, tmp_path: Path
) -> None:
    (tmp_path / "notify.toml").write_text(NOTIFY, encoding="utf-8")
    (tmp_path / "hook.url").write_text("http://127.0.0.1:9/", encoding="utf-8")
    await register(database, ayrshare, 5)
    name = ayrshare.identity(0).title
    queued = await program("pins", "add", name, "--client-ref", "a", "--media-url", "https://images.example.com/a.jpg")
    assert queued.code == 0, queued.err
    settings = {"HTTP_PORT": "0", "LOG_FORMAT": "json", "RETENTION_DAYS": "91", "NOTIFY_FILE": "notify.toml"}
    settings |= {"REPORT_DIR": str(tmp_path), "PIN_LANE_GAP": "0s", "NATIVE_PINS": "true"}
    settings |= {"DATABASE_READ_URL": lowly_dsn}
    async with program.started("run", **settings) as process, asyncio.timeout(DEADLINE):
        assert process.stderr is not None
        told: list[str] = []
        address = ""
        while not address:
            line = await process.stderr.readline()
            told.append(line.decode())
            assert line, told
            address = line.decode().partition('"address": "')[2].partition('"')[0]
        reading = asyncio.create_task(process.stderr.read())
        await until_done(database)
        page = await until_every_loop_came_round(address)
        process.terminate()
        log = "".join(told) + (await reading).decode()
    assert "permission denied" not in log
    assert "42501" not in log
    assert [line for line in page.splitlines() if line.startswith("collector_loop_failures_total{")
            and not line.endswith(" 0.0")] == []  # fmt: skip


async def until_done(database: Database) -> None:
    """Wait until all profiles were polled and judged, and the pin is live and followed."""
    done = """
    SELECT (SELECT count(*) FROM profile WHERE last_success_at IS NOT NULL) = 5
       AND (SELECT count(*) FROM drop_verdict) = 5
       AND (SELECT count(*) FROM pin WHERE state = 'published') = 1
       AND (SELECT count(*) FROM pin_result) = 1
    """
    while not await database.fetchval(done):
        await asyncio.sleep(0.1)


async def until_every_loop_came_round(address: str) -> str:
    """Wait until all loops that people are told of have done their work once; return the page of the process."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{address}/metrics") as response:
                page = await response.text()
            start = "collector_loop_last_success_timestamp_seconds{loop="
            done = {line.split('"')[1] for line in page.splitlines() if line.startswith(start)}
            assert done <= LOOPS.keys(), "people are told what each loop does"
            if done == LOOPS.keys():
                return page
            await asyncio.sleep(0.1)


async def test_what_an_operator_does_works_too(
    program: Program, lowly_dsn: str, ayrshare: Ayrshare, database: Database, tmp_path: Path
) -> None:
    await register(database, ayrshare, 3)
    names = [ayrshare.identity(index).title for index in range(3)]
    (tmp_path / "days.csv").write_text(f"profile,day,impressions\n{names[0]},2025-01-02,12\n", encoding="utf-8")
    for command in (
        ("poll", "--all"),
        ("profiles", "edit", names[0], "--client", "other"),
        ("tokens", "add", "me"),
        ("import", "daily", "days.csv"),
        ("backup", "out.backup"),
        ("profiles", "remove", *names, "--erase", "--yes"),
    ):
        ended = await program(*command)
        assert ended.code == 0, (command, ended.err)
    async with open_database(lowly_dsn) as opened:
        assert await ProfileStore(opened).all() == []


@pytest.fixture
async def owned_dsn(server_dsn: str, empty_dsn: str) -> AsyncIterator[str]:
    """A migrated database whose owner is no administrator, so somebody else made the extension and the roles."""
    async with connected(server_dsn) as admin:
        name = empty_dsn.partition("?")[0].rpartition("/")[2]
        await admin.execute(f"CREATE ROLE humble LOGIN; ALTER DATABASE {name} OWNER TO humble")
    async with connected(empty_dsn) as admin:
        await admin.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        await stop_policies(admin)
    async with connected(as_user(empty_dsn, "humble")) as owner:
        await migrate(owner)
    yield empty_dsn
    async with connected(empty_dsn) as admin:
        await admin.execute("REASSIGN OWNED BY humble TO CURRENT_USER; DROP OWNED BY humble CASCADE; DROP ROLE humble")


@pytest.mark.usefixtures("timescaledb", "dsn")
async def test_chunks_in_the_columnstore_are_restated_erased_and_dropped(owned_dsn: str) -> None:
    add = """
    INSERT INTO daily_metric (profile_id, day, impression, data_status, revision, first_seen_at, updated_at)
    SELECT $1, day::date, 1, 'final', 1, now(), now()
    FROM generate_series('2024-01-01'::date, '2025-01-01', interval '1 day') AS day
    """
    async with (
        open_database(as_user(owned_dsn, DAEMON)) as database,
        connected(as_user(owned_dsn, "humble")) as owner,
    ):
        await ProfileStore(database).put([new_profile("a", "AAAA-BBBB")])
        [profile] = await ProfileStore(database).all()
        await database.execute(add, profile.id)
        await owner.execute("SELECT compress_chunk(chunk) FROM show_chunks('daily_metric') AS chunk")
        await owner.execute("CALL refresh_continuous_aggregate('weekly_metric_aggregate', NULL, NULL)")
        restated = "UPDATE daily_metric SET impression = 3 WHERE profile_id = $1 AND day = '2024-02-03'"
        assert await database.execute(restated, profile.id) == 1
        removal = RemovalStore(database)
        assert (await removal.counts([profile.id]))["weekly_metric_aggregate"] > 0
        await removal.remove([profile.id])
        assert set((await removal.counts([profile.id])).values()) == {0}
        assert await expire(database, retention_days=91) > 0


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "ALTER TABLE profile ADD COLUMN mine int",
        "DROP VIEW profile_day",
        "TRUNCATE pin",
        "CREATE TRIGGER mine AFTER INSERT ON pin EXECUTE FUNCTION follow_pin()",
        "UPDATE daily_metric_revision SET impression = 0",
        "UPDATE poll_log SET excerpt = ''",
        "DELETE FROM schema_migration",
        "INSERT INTO moved_to (place) VALUES ('elsewhere')",
        "DELETE FROM writer_lock",
        "SELECT grant_dashboards('grafana_reader')",
        "SELECT grant_daemon('collector_daemon')",
        "SELECT rolpassword FROM pg_authid",
        "CREATE ROLE mine",
        "COPY profile TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
async def test_it_may_not(lowly: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await lowly.execute(statement)


async def test_grafana_drops_nothing(dsn: str) -> None:
    async with connected(as_user(dsn, "grafana_reader")) as reader:
        await reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("SELECT drop_old_chunks(91)")


async def test_a_migration_by_it_says_who_has_to(program: Program) -> None:
    ended = await program("migrate")
    assert ended.code == 1
    assert "this user may not change the tables" in ended.err


async def test_migrate_sets_its_password(dsn: str, tmp_path: Path) -> None:
    ended = await Program(tmp_path, DATABASE_URL=dsn, DAEMON_PASSWORD="a")("migrate")
    assert ended.out.startswith("the password of collector_daemon is set\nthe schema is current\n")
