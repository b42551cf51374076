"""Real servers for the tests: one PostgreSQL a test session and worker, an emulated Ayrshare a test."""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import aioresponses.core
import asyncpg
import msgspec
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from pydantic import SecretStr

from collector.crypto import KeyRing, fingerprint
from collector.embedded import embedded
from collector.emulator import EmulatorConfig, Identity, profile_identity, serve
from collector.migrate import migrate
from collector.store.pool import Database, connected, open_database
from collector.store.profile import NewProfile, ProfileStore

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

BINDIR = Path(os.environ["COLLECTOR_PG_BINDIR"]) if os.environ.get("COLLECTOR_PG_BINDIR") else None
ENCRYPTION_KEY = Fernet.generate_key().decode()
KEYS = KeyRing([SecretStr(ENCRYPTION_KEY)])
_TABLES = (
    "profile, pin, pin_attempt, pin_lane, pin_arrival, drop_episode, drop_verdict, drop_sensitivity, fleet_drop, "
    "daily_metric, daily_metric_revision, account_snapshot, poll_log"
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
    """A server for this worker's tests; each database of it is somebody's own."""
    async with embedded(tmp_path_factory.mktemp("server"), bindir=BINDIR) as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_dsn(server_dsn: str) -> str:
    """The database ``collector``, with every migration that its server can have."""
    async with connected(server_dsn) as connection:
        await connection.execute("CREATE DATABASE collector")
    dsn = other_database(server_dsn, "collector")
    async with connected(dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
    return dsn


async def stop_policies(connection: asyncpg.Connection) -> None:
    """Keep TimescaleDB's background jobs from working beside a test, at a moment of their own."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"):
        await connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


@pytest.fixture
async def dsn(migrated_dsn: str) -> str:
    """A migrated database without a row in it."""
    async with connected(migrated_dsn) as connection:
        await connection.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY")
    return migrated_dsn


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with open_database(dsn) as opened:
        yield opened


@pytest.fixture
async def empty_dsn(server_dsn: str) -> AsyncIterator[str]:
    """A database with nothing in it, not even a schema."""
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
async def timescaledb(has_timescaledb: bool) -> None:  # noqa: FBT001 -- a fixture
    """Skip the test where the server has no TimescaleDB."""
    if not has_timescaledb:
        pytest.skip("the server has no TimescaleDB; COLLECTOR_PG_BINDIR can name one that has")


def other_database(dsn: str, name: str) -> str:
    """Return ``dsn`` with another database."""
    base, _, options = dsn.partition("?")
    return f"{base.rpartition('/')[0]}/{name}?{options}"


def as_user(dsn: str, name: str) -> str:
    """Return ``dsn`` of the test server, which trusts everybody, with another user."""
    scheme, _, rest = dsn.partition("://")
    return f"{scheme}://{name}@{rest.partition('@')[2]}"


class Ayrshare(msgspec.Struct):
    """An emulated Ayrshare, and how to make it misbehave."""

    url: str
    config: EmulatorConfig
    session: aiohttp.ClientSession

    def identity(self, index: int) -> Identity:
        return profile_identity(index, seed=self.config.seed, profiles=self.config.profiles)

    async def fault(self, profile: str, fault: str, **details: object) -> None:
        body = {"profile": profile, "endpoint": "/analytics/social", "fault": fault} | details
        async with self.session.post(f"{self.url}/_emulator/faults", json=body) as response:
            assert response.status < 300, await response.text()

    async def heal(self) -> None:
        async with self.session.delete(f"{self.url}/_emulator/faults") as response:
            assert response.status < 300

    async def pass_time(self, seconds: float) -> None:
        async with self.session.post(f"{self.url}/_emulator/clock", json={"offset_seconds": seconds}) as response:
            assert response.status < 300

    async def record(self) -> dict[str, dict[str, int]]:
        async with self.session.get(f"{self.url}/_emulator/record") as response:
            record: dict[str, dict[str, int]] = await response.json()
            return record


@pytest.fixture
async def ayrshare() -> AsyncIterator[Ayrshare]:
    """An emulator with 50 profiles of 30 days; what it serves is new at every request."""
    config = EmulatorConfig(profiles=50, days=30, cache_seconds=0.0)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        yield Ayrshare(url, config, session)


async def register(database: Database, ayrshare: Ayrshare, count: int) -> list[int]:
    """Register the emulator's first profiles under their titles and return their ids, in that order."""
    identities = [ayrshare.identity(index) for index in range(count)]
    await ProfileStore(database).put([new_profile(each.title, each.profile_key) for each in identities])
    rows = await database.fetch("SELECT id, name FROM profile")
    ids = {row["name"]: row["id"] for row in rows}
    return [ids[each.title] for each in identities]


def new_profile(name: str, key: str, *, client: str = "acme") -> NewProfile:
    secret = SecretStr(key)
    return NewProfile(
        name=name, client=client, key_ciphertext=KEYS.encrypt(secret), key_fingerprint=fingerprint(secret)
    )
