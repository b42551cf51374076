"""Gives the benchmarks an emulator in its own process, a database of their own, and registered profiles."""

import asyncio
import os
import platform
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from collector.app.storage import open_dsn
from collector.config import load_settings
from collector.crypto import KeyRing, fingerprint
from collector.emulator import EmulatorConfig, profile_identity
from collector.migrate import migrate
from collector.store.pool import Database, connected, open_database
from collector.store.profile import ProfileStore
from collector.store.profile_plan import ProfileChange

API_KEY = SecretStr(EmulatorConfig().api_key)
ENCRYPTION_KEY = urlsafe_b64encode(bytes(32)).decode()  # the same in every process of a benchmark
KEYS = KeyRing([SecretStr(ENCRYPTION_KEY)])


@asynccontextmanager
async def emulator_process(*, profiles: int, days: int) -> AsyncIterator[str]:
    """Yield the address of an emulator that has a core of its own to run on and no rate limit."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.emulator", str(profiles), str(days)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def bench_dsn() -> AsyncIterator[str]:
    """Yield the address of an empty database with the schema, in a folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="collector-bench-") as folder:
        bindir = os.environ.get("COLLECTOR_PG_BINDIR")
        settings = load_settings(database_url=None, data_dir=Path(folder), pg_bindir=Path(bindir) if bindir else None)
        async with open_dsn(settings, create=True) as dsn:
            async with connected(dsn) as connection:
                await migrate(connection)
            yield dsn


@asynccontextmanager
async def bench_database() -> AsyncIterator[Database]:
    async with bench_dsn() as dsn, open_database(dsn) as database:
        await describe(database)
        yield database


async def describe(database: Database) -> bool:
    """Print the machine and the server, and return whether it has TimescaleDB."""
    version = await database.fetchval("SELECT current_setting('server_version')")
    timescaledb = await database.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    print(f"PostgreSQL {version}, TimescaleDB {timescaledb or 'no'}, Python {platform.python_version()}, "
          f"{os.cpu_count()} cores")  # fmt: skip
    return timescaledb is not None


def identities(count: int) -> list[tuple[str, str]]:
    """Return (name, profile key) of the emulator's profiles."""
    found = (profile_identity(index, seed=1, profiles=count) for index in range(count))
    return [(identity.title, identity.profile_key) for identity in found]


async def register(database: Database, profiles: Sequence[tuple[str, str]]) -> None:
    await ProfileStore(database).put(
        [
            ProfileChange(
                name=name,
                client=f"brand-{index // 3}",
                key_ciphertext=KEYS.encrypt(SecretStr(key)),
                key_fingerprint=fingerprint(SecretStr(key)),
            )
            for index, (name, key) in enumerate(profiles)
        ]
    )


async def empty(database: Database, *tables: str) -> None:
    """Empty tables, but keep the chunks of hypertables: to make them again would count in the next measurement."""
    for table in tables:
        chunks = await database.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass", table
        )
        await database.fetch(f"TRUNCATE {', '.join(chunk['name'] for chunk in chunks) or table}")
