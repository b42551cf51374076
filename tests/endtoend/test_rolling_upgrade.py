"""Two versions side by side on the newer schema, as in a rolling upgrade.

The older one is the last release that is tagged; before there is one, this version stands for it. The newer one is this
version with one migration more, which adds what a release may add.
"""

import shutil
import subprocess
from pathlib import Path
from signal import SIGTERM

import aiohttp

from collector.store.pin import PinStore
from collector.store.pool import Database, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.paths import ROOT
from tests.support.profiles import ENCRYPTION_KEY, register
from tests.support.program import Program
from tests.support.publishing import count_of, pin, truth, until
from tools.preview.live import free_port

PARTS = ("collector", "migrations")
RUNNING = "SELECT count(*) = 2 FROM daemon WHERE stopped_at IS NULL"
ADDED = """-- What the next release may bring.
ALTER TABLE profile ADD COLUMN of_the_next text;
ALTER TABLE daily_metric ADD COLUMN of_the_next bigint;
ALTER TABLE pin ADD COLUMN of_the_next boolean NOT NULL DEFAULT false;
"""


def last_release(folder: Path) -> Path:
    """Write the programs of the last release into a folder, or those of this version where none is tagged."""
    folder.mkdir()
    # Where the tests are no checkout, there is no tag either.
    found = subprocess.run(
        ["git", "tag", "--list", "v*", "--sort=-v:refname"], check=False, cwd=ROOT, capture_output=True
    )
    if tag := next(iter(found.stdout.decode().split()), None):
        packed = subprocess.run(["git", "archive", tag, *PARTS], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x"], cwd=folder, input=packed.stdout, check=True)
    else:
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def next_release(folder: Path) -> Path:
    """Write this version with a migration more, and a view that has a column more, into a folder."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    number = int(max(path.name for path in (folder / "migrations").glob("*.sql"))[:4]) + 1
    (folder / "migrations" / f"{number:04d}_next.sql").write_text(ADDED)
    view = folder / "migrations" / "views" / "70_profile_status.sql"
    view.write_text(view.read_text().replace("    p.ref_id,\n", "    p.ref_id,\n    p.of_the_next,\n", 1))
    return folder


async def test_the_last_release_and_the_next_work_side_by_side_on_the_newer_schema(
    empty_dsn: str, ayrshare: Ayrshare, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": empty_dsn, "ENCRYPTION_KEYS": ENCRYPTION_KEY, "AYRSHARE_URL": ayrshare.url,
        "AYRSHARE_API_KEY": ayrshare.config.api_key, "POLL_INTERVAL": "1s", "MAX_REQUESTS_PER_SECOND": "1000",
    }  # fmt: skip
    old = Program(last_release(tmp_path / "old"), **settings)
    new = Program(next_release(tmp_path / "new"), **settings)
    assert (await old("migrate")).code == 0
    port = free_port()
    async with open_database(empty_dsn) as database, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        await register(database, ayrshare, 5)
        async with old.started("run", HTTP_PORT=str(port)) as first:
            await until(lambda: all_read(database), 60.0)
            migrated = await new("migrate")
            assert "_next.sql\napplying views\n2 applied\n" in migrated.out, migrated.err
            await until(lambda: all_read_anew(database), 60.0)
            await PinStore(database).enqueue(pin("client-001", "by the old one"))
            await until(lambda: count_of(database, "published", 1))
            async with session.get("/readyz") as response:
                assert response.status == 200, await response.text()
            async with new.started("run", HTTP_PORT="0") as second:
                await until(lambda: truth(database, RUNNING), 60.0)
                first.send_signal(SIGTERM)
                assert await first.wait() == 0
                await until(lambda: all_read_anew(database), 60.0)
                await PinStore(database).enqueue(pin("client-002", "by the new one"))
                await until(lambda: count_of(database, "published", 2))
                second.send_signal(SIGTERM)
                assert await second.wait() == 0
        again = await old("migrate")
        assert (again.code, "the schema is of a newer version" in again.out) == (0, True), again.err
        assert (await new("migrate", "--check")).code == 0, "the older one changed nothing"
        assert (await old("status")).code == 0
        await database.execute("UPDATE schema_migration SET sha256 = '9999_later.sql' WHERE name = 'works_since'")
        refused = await old("status")
        assert refused.code == 1
        assert "which this version of the program does not know" in refused.err


async def all_read(database: Database) -> bool:
    return await truth(database, "SELECT bool_and(last_success_at IS NOT NULL) FROM profile")


async def all_read_anew(database: Database) -> bool:
    """Tell whether every profile has been read since this was first asked, and whether it went well."""
    await database.execute("CREATE TABLE IF NOT EXISTS asked AS SELECT now() AS at")
    found = await truth(
        database,
        "SELECT bool_and(last_success_at > at AND last_outcome IN ('ok', 'unchanged')) FROM profile CROSS JOIN asked",
    )
    if found:
        await database.execute("DROP TABLE asked")
    return found
