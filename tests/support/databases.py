"""Makes connection strings of the test session's server."""

import os
import shutil
from pathlib import Path

import asyncpg

from collector.migrate import FOLDER, read_migrations

BINDIR = Path(os.environ["COLLECTOR_PG_BINDIR"]) if os.environ.get("COLLECTOR_PG_BINDIR") else None


async def stop_policies(connection: asyncpg.Connection) -> None:
    """Keep TimescaleDB's background jobs from running during a test."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"):
        await connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


def other_database(dsn: str, name: str) -> str:
    """Return ``dsn`` with another database."""
    base, _, options = dsn.partition("?")
    return f"{base.rpartition('/')[0]}/{name}?{options}"


def as_user(dsn: str, name: str) -> str:
    """Return ``dsn`` of the test server, which trusts everybody, with another user."""
    scheme, _, rest = dsn.partition("://")
    return f"{scheme}://{name}@{rest.partition('@')[2]}"


def plain_migrations(folder: Path) -> Path:
    """Copy the migrations into ``folder`` without those that require TimescaleDB."""
    copy = folder / "migrations"
    shutil.copytree(FOLDER, copy)
    for migration in read_migrations():
        if migration.requires_timescaledb:
            (copy / migration.name).unlink()
    return copy
