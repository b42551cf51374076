import asyncio
from pathlib import Path

import pytest

from collector.errors import MigrationError, MigrationsPendingError
from collector.migrate import FOLDER, check, migrate, plan, read_migrations
from collector.store.pool import connected


def names_in(folder: Path) -> list[str]:
    return [migration.name for migration in read_migrations(folder)]


def write(folder: Path, **files: str) -> None:
    """Write migrations, and views under names that do not begin with four digits."""
    (folder / "views").mkdir(exist_ok=True)
    for name, sql in files.items():
        (folder / (f"{name}.sql" if name[:4].isdigit() else f"views/{name}.sql")).write_text(sql)


TABLE = {"0001_a": "CREATE TABLE a (x int)"}
VIEW = {"10_v": "CREATE VIEW v AS SELECT x FROM a;"}


def test_the_files_are_numbered_without_gaps_and_explain_themselves() -> None:
    migrations = read_migrations()
    assert [int(migration.name[:4]) for migration in migrations] == list(range(1, len(migrations) + 1))
    assert [m.name for m in migrations if m.requires_timescaledb] == [
        "0005_timescaledb.sql",
        "0014_pin_metric_timescaledb.sql",
    ]
    texts = {path: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.sql")}
    assert [path for path, sql in texts.items() if not sql.startswith("-- ")] == []
    assert [path for path, sql in texts.items() if max(map(len, sql.splitlines())) > 120] == []


def test_a_file_with_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "later.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"later\.sql is not named like 0001_name\.sql"):
        read_migrations(tmp_path)


async def test_an_empty_database_gets_the_whole_schema_once(empty_dsn: str) -> None:
    async with connected(empty_dsn) as connection:
        with pytest.raises(MigrationsPendingError, match=r"0001_profile\.sql.*collector migrate"):
            await check(connection)
        applied = await migrate(connection)
        assert (applied[0], applied[-1]) == ("0001_profile.sql", "views")
        assert await migrate(connection) == []
        await check(connection)
        found = await plan(connection)
        assert sorted([*found.applied, *(m.name for m in found.waiting)]) == [*names_in(FOLDER), "views"]
        recorded = await connection.fetch("SELECT name, sha256, applied_at FROM schema_migration ORDER BY name")
        assert [row["name"] for row in recorded] == [*applied, "works_since"]


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ("SET ROLE pg_monitor", "this user may not change the tables: permission denied for schema public"),
        ("CREATE SCHEMA own; SET search_path = own, public", "made in schema own, and have to be in public"),
        ("SET search_path = nowhere", "made in no schema"),
    ],
)
async def test_a_user_who_cannot_make_the_tables_where_they_belong_is_told(
    empty_dsn: str, session: str, words: str
) -> None:
    async with connected(empty_dsn) as connection:
        await connection.execute(session)
        with pytest.raises(MigrationError, match=words):
            await migrate(connection)
        assert await connection.fetchval("SELECT to_regclass('schema_migration') IS NULL")


async def test_starters_at_the_same_time_apply_everything_once(empty_dsn: str) -> None:
    async def start() -> list[str]:
        async with connected(empty_dsn) as connection:
            return await migrate(connection)

    applied = await asyncio.gather(*(start() for _ in range(4)))
    assert len([names for names in applied if names]) == 1


async def test_a_failing_migration_leaves_nothing_of_those_that_came_with_it(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW)
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        write(tmp_path, **{"0002_b": "CREATE TABLE b (x int)", "0003_c": "SELECT 1 / 0"})
        with pytest.raises(MigrationError, match=r"0003_c\.sql failed, and nothing was changed: division by zero"):
            await migrate(connection, folder=tmp_path)
        assert (await plan(connection, tmp_path)).applied == ("0001_a.sql", "views")
        assert await connection.fetchval("SELECT to_regclass('b') IS NULL")
        assert await connection.fetch("SELECT x FROM v") == []


async def test_a_changed_or_missing_applied_file_is_named(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW)
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        write(tmp_path, **{"0001_a": "CREATE TABLE a (x bigint)"})
        with pytest.raises(MigrationError, match=r"0001_a\.sql was changed after it was applied"):
            await migrate(connection, folder=tmp_path)
        (tmp_path / "0001_a.sql").unlink()
        with pytest.raises(MigrationError, match=r"0001_a\.sql, which this version of the program does not know"):
            await plan(connection, tmp_path)


async def test_changed_views_are_made_anew_and_those_without_a_file_go(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW, **{"20_w": "CREATE VIEW w AS SELECT x FROM v;"})
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        (tmp_path / "views" / "20_w.sql").unlink()
        write(tmp_path, **{"10_v": "CREATE FUNCTION f() RETURNS text RETURN 'y';\nCREATE VIEW v AS SELECT f() AS y;"})
        assert [migration.name for migration in (await plan(connection, tmp_path)).pending] == ["views"]
        assert await migrate(connection, folder=tmp_path) == ["views"]
        assert await connection.fetchval("SELECT y FROM v") == "y"
        assert await connection.fetchval("SELECT to_regclass('w') IS NULL")
        assert await migrate(connection, folder=tmp_path) == []


async def test_a_column_may_change_under_a_view(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW)
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        write(tmp_path, **{"0002_b": "ALTER TABLE a ALTER COLUMN x TYPE bigint"})
        assert await migrate(connection, folder=tmp_path) == ["0002_b.sql", "views"]
        assert await connection.fetchval("SELECT pg_typeof(max(x))::text FROM v") == "bigint"


async def test_views_that_others_built_on_ours_are_named_and_nothing_is_dropped(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW)
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        await connection.execute("CREATE VIEW mine AS SELECT x FROM v")
        write(tmp_path, **{"10_v": "CREATE VIEW v AS SELECT 1 AS y;"})
        with pytest.raises(MigrationError, match=r"view mine depends on view v; drop it, migrate"):
            await migrate(connection, folder=tmp_path)
        assert await connection.fetch("SELECT x FROM mine") == []
        await connection.execute("DROP VIEW mine")
        assert await migrate(connection, folder=tmp_path) == ["views"]


async def test_who_may_read_a_view_still_may_when_it_was_made_anew(empty_dsn: str, tmp_path: Path) -> None:
    write(tmp_path, **TABLE, **VIEW, **{"20_w": "CREATE VIEW w AS SELECT x FROM v;"})
    async with connected(empty_dsn) as connection:
        await migrate(connection, folder=tmp_path)
        await connection.execute("GRANT SELECT ON v, w TO pg_monitor; GRANT SELECT ON v TO PUBLIC")
        (tmp_path / "views" / "20_w.sql").unlink()
        write(tmp_path, **{"10_v": "CREATE VIEW v AS SELECT 1 AS y;"})
        await migrate(connection, folder=tmp_path)
        grants = await connection.fetchval("SELECT relacl::text FROM pg_class WHERE relname = 'v'")
    assert "pg_monitor=r/" in grants
    assert ",=r/" in grants


async def test_a_daemon_does_not_start_with_the_views_of_another_version(empty_dsn: str) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection)
        await connection.execute("UPDATE schema_migration SET sha256 = 'another' WHERE name = 'views'")
        with pytest.raises(MigrationsPendingError, match=r"lacks views of this version; run `collector migrate`"):
            await check(connection)
        assert await migrate(connection) == ["views"]
        await check(connection)


async def test_without_timescaledb_its_migration_waits(empty_dsn: str, *, has_timescaledb: bool) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection)
        waiting = [migration.name for migration in (await plan(connection)).waiting]
    of_timescaledb = ["0005_timescaledb.sql", "0014_pin_metric_timescaledb.sql"]
    assert waiting == ([] if has_timescaledb else of_timescaledb)


async def test_every_view_can_be_read(dsn: str) -> None:
    async with connected(dsn) as connection:
        views = await connection.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
        names = {row["viewname"] for row in views}
        assert {"settled_metric", "weekly_metric", "profile_status", "missing_day"} <= names
        for name in names:
            await connection.fetch(f'SELECT * FROM "{name}"')
