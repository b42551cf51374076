"""The role that Grafana reads with: what it may see, what it may not, and how it gets its password."""

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from collector.migrate import migrate
from collector.store.drop import DropStore
from collector.store.pool import connected, open_database
from collector.store.role import GRAFANA, scram_verifier, set_password
from tests.support.databases import as_user, plain_migrations
from tests.support.profiles import ENCRYPTION_KEY
from tests.support.program import Program

PASSWORD = SecretStr("correct horse battery staple")
STORED = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    async with connected(dsn) as owner, connected(as_user(dsn, GRAFANA)) as connection:
        await owner.execute(
            "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint) VALUES ('p', 'c', 'x', 'y')"
        )
        yield connection


@pytest.fixture
async def lowly(server_dsn: str, empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A user of an empty database who may make tables there, and no roles; the role is not there yet."""
    async with connected(server_dsn) as admin:
        await admin.execute(f"CREATE ROLE lowly LOGIN; ALTER ROLE {GRAFANA} RENAME TO elsewhere")
    async with connected(empty_dsn) as admin:
        await admin.execute("GRANT ALL ON SCHEMA public TO lowly")
    async with connected(as_user(empty_dsn, "lowly")) as connection:
        yield connection
    async with connected(empty_dsn) as admin:
        await admin.execute(f"DROP OWNED BY lowly CASCADE; DROP ROLE lowly; ALTER ROLE elsewhere RENAME TO {GRAFANA}")


@pytest.mark.parametrize(
    "column",
    [
        "profile.key_ciphertext",
        "profile.key_fingerprint",
        "profile.lease_owner",
        "pin.description",
        "pin.note",
        "api_token.sha256",
        "pin.media_urls",
        "pin_attempt.excerpt",
        "poll_log.excerpt",
    ],
)
async def test_it_cannot_read_what_no_dashboard_shows(reader: asyncpg.Connection, column: str) -> None:
    table, _, name = column.partition(".")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch(f"SELECT {name} FROM {table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch(f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE profile SET state = 'paused'",
        "DELETE FROM daily_metric",
        "INSERT INTO fleet_drop VALUES ('2026-01-01', '2026-01-01', 1, 1, true, '')",
        "SELECT enqueue_pin('p', 'ref', ARRAY['https://example.com/a.jpg'])",
        "SELECT wake_lane(1, now())",
        "SELECT grant_dashboards('grafana_reader')",
        "CREATE TABLE mine (x int)",
        "TRUNCATE pin",
    ],
)
async def test_it_cannot_write_even_where_it_asks_for_it(reader: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reader.execute("CREATE TABLE mine (x int)")
    await reader.execute("SET default_transaction_read_only = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM writer_lock FOR UPDATE",
        "SELECT FROM writer_lock FOR KEY SHARE",
        "LOCK TABLE writer_lock IN ACCESS SHARE MODE",
        "LOCK TABLE schema_migration IN ACCESS SHARE MODE",
        "LOCK TABLE profile IN ROW EXCLUSIVE MODE",
        "SELECT name FROM profile FOR SHARE",
    ],
)
async def test_it_cannot_take_what_writers_wait_for(reader: asyncpg.Connection, statement: str) -> None:
    await reader.execute("SET default_transaction_read_only = off")
    async with reader.transaction():
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(statement)


async def test_every_advisory_lock_in_its_hands_stops_no_writer(
    reader: asyncpg.Connection, dsn: str, tmp_path: Path
) -> None:
    async with connected(dsn) as owner:
        await owner.execute("DELETE FROM profile")
    await reader.execute("SELECT pg_advisory_lock(key) FROM unnest($1::bigint[]) AS key", [0x70696E74, 0, 1])
    for key in ("collector.registry", "collector.fleet_drop"):
        await reader.execute("SELECT pg_advisory_lock(hashtext($1)), pg_advisory_lock(hashtext($1), 0)", key)
    collector = Program(tmp_path, DATABASE_URL=dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY)

    migrated = await collector("migrate")
    added = await collector("profiles", "add", "acme", "--client", "acme", stdin="AAAA-BBBB-CCCC-DDDD")

    assert (migrated.code, added.code) == (0, 0), migrated.err + added.err
    async with connected(dsn) as connection, open_database(dsn) as database, DropStore(database).fleet():
        assert await connection.fetchval("SELECT count(*) FROM profile WHERE name = 'acme'") == 1


async def test_its_queries_end(reader: asyncpg.Connection) -> None:
    assert await reader.fetchval("SHOW statement_timeout") == "15s"


async def test_the_role_belongs_to_all_databases_of_a_server(migrated_dsn: str, empty_dsn: str) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection)
    for dsn in (migrated_dsn, empty_dsn):
        async with connected(as_user(dsn, GRAFANA)) as connection:
            assert await connection.fetch("SELECT * FROM client_day") == []


async def test_a_user_who_may_not_create_roles_is_told_what_to_do(
    lowly: asyncpg.Connection, server_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        assert await migrate(lowly, folder=plain_migrations(tmp_path))
        assert not await set_password(lowly, GRAFANA, PASSWORD)
    [warning, second] = [line for line in logs if line["log_level"] == "warning"]
    assert "may not create roles" in warning["event"]
    assert ("there is no such role" in second["event"], second["role"]) == (True, GRAFANA)
    advice = re.findall(r"CREATE ROLE \w+ LOGIN|SELECT grant_dashboards\('\w+'\)", warning["hint"])
    async with connected(server_dsn) as admin:
        await admin.execute(advice[0])
    await lowly.execute(advice[1])
    async with connected(as_user(empty_dsn, GRAFANA)) as reader:
        assert await reader.fetch("SELECT * FROM client_day") == []
    async with connected(empty_dsn) as admin:
        await admin.execute(f"DROP OWNED BY {GRAFANA}; DROP ROLE {GRAFANA}")


async def test_the_server_is_given_what_it_would_store_itself(dsn: str) -> None:
    async with connected(dsn) as connection:
        await connection.execute(f"ALTER ROLE {GRAFANA} PASSWORD '{PASSWORD.get_secret_value()}'")
        stored = await connection.fetchval(STORED, GRAFANA)
        salt = base64.b64decode(stored.split("$")[1].partition(":")[2])
        assert scram_verifier(PASSWORD, salt) == stored
        assert await set_password(connection, GRAFANA, PASSWORD)
        assert await connection.fetchval(STORED, GRAFANA) != stored, "every password has a salt of its own"


async def test_migrate_sets_the_password_and_says_so(dsn: str, tmp_path: Path) -> None:
    collector = Program(tmp_path, DATABASE_URL=dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY, GRAFANA_PASSWORD="a")
    ended = await collector("migrate")
    assert ended.code == 0
    assert ended.out.startswith("the password of grafana_reader is set\nthe schema is current\n")
