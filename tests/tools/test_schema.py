"""docs/schema.sql is what the migrations make."""

import asyncpg
import pytest

from collector.store.pool import connected
from tests.support.databases import BINDIR
from tools.schema import FILE, OTHER_WITH_TIMESCALEDB, Entry, dumped, text


async def has_extension(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"))


async def test_the_document_is_the_schema_that_the_migrations_make(migrated_dsn: str) -> None:
    async with connected(migrated_dsn) as connection:
        if not await connection.fetchval("SELECT current_setting('server_version_num')::integer / 10000 = 18"):
            pytest.skip("docs/schema.sql is written with PostgreSQL 18, which words some things in its own way")
        timescaledb = await has_extension(connection)
    found = await dumped(migrated_dsn, BINDIR)
    document = FILE.read_text(encoding="utf-8")
    if timescaledb:
        missing = [each.name for each in found if not is_other(each) and f"\n{each.sql}\n" not in document]
        assert missing == []
        assert {each.name for each in found if is_other(each)} == OTHER_WITH_TIMESCALEDB
        assert document.count("\nCREATE ") == sum(each.sql.startswith("CREATE ") for each in found) - 2
    else:
        assert document == text(found), "run `make docs`"


def is_other(entry: Entry) -> bool:
    return entry.kind == "VIEW" and entry.name in OTHER_WITH_TIMESCALEDB
