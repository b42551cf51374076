"""Gives the tests real servers: one PostgreSQL for each worker, an emulated Ayrshare for each test."""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import aioresponses.core
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from collector.embedded import embedded
from collector.migrate import migrate
from collector.store.pool import Database, connected, open_database
from tests.support.ayrshare import Ayrshare, emulated
from tests.support.databases import BINDIR, other_database, stop_policies
from tests.support.profiles import ENCRYPTION_KEY
from tests.support.program import Program

# aioresponses 0.7.9 does not give ClientResponse the stream_writer that aiohttp 3.14 wants (its issue 289).
_construct = aiohttp.ClientResponse.__init__
aioresponses.core.ClientResponse = type(  # type: ignore[attr-defined,assignment]  # the shim itself
    "ClientResponse",
    (aiohttp.ClientResponse,),
    {
        "__init__": lambda self, *args, **kwargs: _construct(
            self, *args, **{"stream_writer": SimpleNamespace(output_size=0), **kwargs}
        )
    },
)

# The suite plays the same few examples each time; `make fuzz` many, and new ones. A busy machine is no failure.
settings.register_profile("few", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=list(HealthCheck))
settings.load_profile("few")

_TABLES = (
    "profile, client, pin, pin_attempt, pin_lane, pin_arrival, pin_upload, pin_result, pin_metric, "
    "native_pin, native_look, "
    "drop_episode, drop_dismissal, drop_verdict, drop_band, drop_sensitivity, fleet_drop, "
    "notice, notice_target, notice_message, notice_telling, monthly_report, "
    "daily_metric, daily_metric_revision, account_snapshot, poll_log, profile_state_change, lost_day, profile_import, "
    "daemon, leader, api_token, moved_to"
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own settings and .env out of the tests."""
    for name in [name for name in os.environ if name.startswith("COLLECTOR_")]:
        if name != "COLLECTOR_PG_BINDIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server for the tests of this worker; fixtures make databases of it."""
    async with embedded(tmp_path_factory.mktemp("server"), bindir=BINDIR) as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_dsn(server_dsn: str) -> str:
    """The database ``collector``, with every migration that its server supports."""
    async with connected(server_dsn) as connection:
        await connection.execute("CREATE DATABASE collector")
    dsn = other_database(server_dsn, "collector")
    async with connected(dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
    return dsn


@pytest.fixture
async def dsn(migrated_dsn: str) -> str:
    """A migrated database without rows."""
    async with connected(migrated_dsn) as connection:
        await connection.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY")
    return migrated_dsn


@pytest.fixture
def collector(dsn: str, tmp_path: Path) -> Program:
    """The program with the test's database, in a folder of its own."""
    return Program(tmp_path, DATABASE_URL=dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY)


@pytest.fixture
def calling(dsn: str, tmp_path: Path, ayrshare: Ayrshare) -> Program:
    """The same with an Ayrshare to call."""
    return Program(
        tmp_path,
        DATABASE_URL=dsn,
        ENCRYPTION_KEYS=ENCRYPTION_KEY,
        AYRSHARE_URL=ayrshare.url,
        AYRSHARE_API_KEY=ayrshare.config.api_key,
    )


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with open_database(dsn) as opened:
        yield opened


@pytest.fixture
async def empty_dsn(server_dsn: str) -> AsyncIterator[str]:
    """An empty database without the schema."""
    name = f"empty_{secrets.token_hex(4)}"
    async with connected(server_dsn) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    yield other_database(server_dsn, name)
    async with connected(server_dsn) as connection:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def has_timescaledb(server_dsn: str) -> bool:
    async with connected(server_dsn) as connection:
        return bool(
            await connection.fetchval("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')")
        )


@pytest.fixture
async def timescaledb(has_timescaledb: bool) -> None:
    """Skip the test where the server has no TimescaleDB."""
    if not has_timescaledb:
        pytest.skip("the server has no TimescaleDB; COLLECTOR_PG_BINDIR can name one that has")


@pytest.fixture
async def ayrshare() -> AsyncIterator[Ayrshare]:
    async with emulated() as running:
        yield running
