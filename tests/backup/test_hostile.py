"""What a backup or a move must refuse: files made by hand, the wrong database, addresses and disks that fail."""

import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector import __version__
from collector.backup.archive import open_archive, write_archive
from collector.backup.move import move
from collector.backup.restore import restore
from collector.errors import CollectorError
from collector.migrate import migrate
from collector.models.backup import Contents, TableContents
from collector.store.contents import contents, snapshot
from collector.store.moved import Moved, mark_moved, moved_to
from collector.store.pool import connected
from tests.support.program import Program

Change = Callable[[Contents], dict[str, Any]]


@pytest.fixture
async def file(dsn: str, tmp_path: Path) -> Path:
    """A backup of a database without rows."""
    path = tmp_path / "empty.backup"
    async with connected(dsn) as connection, snapshot(connection):
        with path.open("wb") as opened:
            found = await contents(connection, version=__version__)
            await write_archive(connection, found, opened, lambda _rows: None)
    return path


@contextmanager
def rewritten(file: Path, change: Change, **added: str) -> Iterator[Path]:
    """Yield a copy with other contents, and more tables than it had."""
    path = file.with_name("by-hand")
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(path, "w") as copy:
        found = msgspec.json.decode(archive.read("contents.json"), type=Contents)
        copy.writestr("contents.json", msgspec.json.encode(msgspec.structs.replace(found, **change(found))))
        for name in set(archive.namelist()) - {"contents.json"}:
            copy.writestr(name, archive.read(name))
        for name, text in added.items():
            copy.writestr(f"{name}.copy", text)
    yield path


async def refusal(file: Path, dsn: str) -> str:
    """Return what is said of a backup that must not be restored."""
    async with connected(dsn) as connection:
        with pytest.raises(CollectorError) as refused, file.open("rb") as opened, open_archive(opened) as archive:
            await restore(connection, archive, lambda _rows: None)
    return str(refused.value)


def more(table: str) -> Change:
    return lambda found: {"tables": [*found.tables, TableContents(table, ["description"], 0, "0")]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (more("pg_description"), "pg_description.description"),
        (more('x"; DROP TABLE profile; --'), "DROP TABLE"),
        (more("schema_migration"), "schema_migration.description"),
        (lambda found: {"tables": [each for each in found.tables if each.name != "notice"]}, "notice.key"),
        (lambda found: {"sequences": found.sequences[1:]}, "sequence of "),
        (lambda _found: {"migrations": {}}, "no whole backup"),
    ],
    ids=["catalog", "sql", "left-out", "table-lost", "sequence-lost", "no-migrations"],
)
async def test_a_file_made_by_hand_reaches_the_tables_of_its_schema_and_no_others(
    file: Path, empty_dsn: str, change: Change, words: str
) -> None:
    with rewritten(file, change, pg_description="") as path:
        assert words in await refusal(path, empty_dsn)
    async with connected(empty_dsn) as connection:
        assert await connection.fetchval("SELECT to_regclass('profile') IS NULL")


def locked(file: Path) -> Path:
    """Return a copy whose contents say that they are encrypted."""
    whole = bytearray(file.read_bytes())
    # The flag that says so, in the list at the end.
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path = file.with_name("locked")
    path.write_bytes(whole)
    return path


async def test_an_entry_that_is_locked_or_has_no_end_is_not_read(file: Path, empty_dsn: str) -> None:
    bomb = file.with_name("bomb")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contents.json", b" " * 50_000_000)
    assert "is encrypted" in await refusal(locked(file), empty_dsn)
    assert "is too large" in await refusal(bomb, empty_dsn)


async def test_a_backup_is_not_put_below_a_newer_schema(file: Path, empty_dsn: str) -> None:
    async with connected(empty_dsn) as connection:
        await migrate(connection)
    with rewritten(
        file, lambda found: {"migrations": {k: v for k, v in found.migrations.items() if k < "0015"}}
    ) as path:
        assert "has a newer schema than the backup" in await refusal(path, empty_dsn)


async def test_what_went_elsewhere_is_moved_nowhere_else(dsn: str, empty_dsn: str, tmp_path: Path) -> None:
    async def said(source: str, target: str) -> str:
        async with connected(source) as one, connected(target) as other:
            with pytest.raises(CollectorError) as refused:
                await move(one, other, "here", tmp_path, lambda _steps: lambda _rows: None)
        return str(refused.value)

    async def mark(address: str) -> Moved | None:
        async with connected(address) as connection:
            return await moved_to(connection)

    async with connected(dsn) as connection:
        await connection.execute(
            "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint) VALUES ('a', 'a', '', '')"
        )
    # Its rows are those of the other database, since it is the other.
    assert "is the database that is to be moved" in await said(dsn, dsn)
    assert await mark(dsn) is None
    async with connected(dsn) as connection:
        await mark_moved(connection, "there")
    assert "the data went to there already" in await said(dsn, empty_dsn)
    before = await mark(dsn)
    assert before is not None
    assert before.place == "there"
    async with connected(empty_dsn) as connection:
        await migrate(connection)
    assert "was itself moved to there" in await said(empty_dsn, dsn)
    assert await mark(empty_dsn) is None


@pytest.mark.parametrize(
    "address", ["postgresql://u:SEC/RET@127.0.0.1/x", "host=127.0.0.1 password=SECRET", "postgresql://u:SEC@RET:x/x"]
)
async def test_an_address_that_cannot_be_read_shows_nothing_of_its_password(collector: Program, address: str) -> None:
    ended = await collector("move", "--to", address)
    assert (ended.code, ended.err.startswith("error: --to ")) == (2, True), ended.err
    assert "SEC" not in ended.err + ended.out
    assert "RET" not in ended.err + ended.out


async def test_a_backup_that_comes_through_a_pipe_is_wanted_as_a_file(collector: Program, file: Path) -> None:
    with file.open("rb") as opened:
        ended = await collector("restore", "-", stdin=opened.read())
    assert (ended.code, "cannot be read from a pipe; write it to a file" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize("command", ["backup", "move"])
async def test_a_full_disk_is_not_taken_for_the_database(
    collector: Program, dsn: str, empty_dsn: str, tmp_path: Path, command: str
) -> None:
    async with connected(dsn) as connection:
        await connection.execute(
            "INSERT INTO client (name, country) SELECT md5(n::text), 'DE' FROM generate_series(1, 9999) n"
        )
    folder = tmp_path / "folder"
    folder.mkdir()
    arguments = ("backup", str(folder / "a")) if command == "backup" else ("move", "--to", empty_dsn)
    async with collector.started(*arguments) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        _, said = await process.communicate()
    assert process.returncode == 1
    assert b"cannot be written: File too large" in said
    assert b"Traceback" not in said
    assert list(folder.iterdir()) == []
    assert (await collector("status")).code == 0
