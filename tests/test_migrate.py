import asyncio
from pathlib import Path

import asyncpg
import pytest

from collector.errors import MigrationError, MigrationsPendingError
from collector.migrate import FOLDER, check, migrate, plan, read_migrations
from collector.store.pool import connected


def names_in(folder: Path) -> list[str]:
    return [migration.name for migration in read_migrations(folder)]


def write(folder: Path, **files: str) -> None:
    for name, sql in files.items():
        (folder / f"{name}.sql").write_text(sql)


def test_the_files_are_numbered_without_gaps_and_explain_themselves() -> None:
    migrations = read_migrations()
    assert [int(migration.name[:4]) for migration in migrations] == list(range(1, len(migrations) + 1))
    assert all(migration.sql.startswith("-- ") for migration in migrations)
    assert [m.name for m in migrations if m.requires_timescaledb] == ["0004_timescaledb.sql", "0008_fleet_day.sql"]


def test_a_file_with_another_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, later="SELECT 1")
    with pytest.raises(MigrationError, match=r"later\.sql is not named like 0001_name\.sql"):
        read_migrations(tmp_path)


async def test_an_empty_database_gets_the_whole_schema_once(empty_dsn: str) -> None:
    async with connected(empty_dsn) as connection:
        with pytest.raises(MigrationsPendingError, match=r"0001_profile\.sql.*collector migrate"):
            await check(connection)
        applied = await migrate(connection)
        assert applied[:3] == ["0001_profile.sql", "0002_metric.sql", "0003_view.sql"]
        assert await migrate(connection) == []
        await check(connection)
        found = await plan(connection)
        assert sorted([*found.applied, *(m.name for m in found.waiting)]) == names_in(FOLDER)
        recorded = await connection.fetch("SELECT name, sha256, applied_at FROM schema_migration ORDER BY name")
        assert [row["name"] for row in recorded] == applied


async def test_starters_at_the_same_time_apply_everything_once(empty_dsn: str) -> None:
    async def start() -> list[str]:
        async with connected(empty_dsn) as connection:
            return await migrate(connection)

    applied = await asyncio.gather(*(start() for _ in range(4)))
    assert len([names for names in applied if names]) == 1


async def test_a_failing_migration_leaves_nothing_and_keeps_those_before_it(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x int)", "0002_b": "CREATE TABLE b (x int); SELECT 1 / 0"})
    async with connected(empty_dsn) as connection:
        with pytest.raises(MigrationError, match=r"0002_b\.sql failed, and nothing of it was kept: division by zero"):
            await migrate(connection, migrations=read_migrations(tmp_path))
        assert (await plan(connection, read_migrations(tmp_path))).applied == ("0001_a.sql",)
        assert await connection.fetchval("SELECT to_regclass('b') IS NULL")


async def test_a_changed_or_missing_applied_file_is_named(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x int)"})
    async with connected(empty_dsn) as connection:
        await migrate(connection, migrations=read_migrations(tmp_path))
        write(tmp_path, **{"0001_a": "CREATE TABLE a (x bigint)"})
        with pytest.raises(MigrationError, match=r"0001_a\.sql was changed after it was applied"):
            await migrate(connection, migrations=read_migrations(tmp_path))
        (tmp_path / "0001_a.sql").unlink()
        with pytest.raises(MigrationError, match=r"0001_a\.sql, which this version of the program does not know"):
            await check_with(connection, tmp_path)


async def check_with(connection: asyncpg.Connection, folder: Path) -> None:
    await plan(connection, read_migrations(folder))


async def test_without_timescaledb_its_migration_waits(empty_dsn: str, *, has_timescaledb: bool) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection)
        waiting = [migration.name for migration in (await plan(connection)).waiting]
    assert waiting == ([] if has_timescaledb else ["0004_timescaledb.sql", "0008_fleet_day.sql"])


async def test_every_view_can_be_read(dsn: str) -> None:
    async with connected(dsn) as connection:
        views = await connection.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
        names = {row["viewname"] for row in views}
        assert {"settled_metric", "weekly_metric", "profile_status", "missing_day"} <= names
        for name in names:
            await connection.fetch(f'SELECT * FROM "{name}"')
