"""A real standby of the test's server, made by pg_basebackup."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from collector.embedded import embedded
from collector.embedded.binaries import find_binaries
from tests.support.databases import BINDIR, other_database


@asynccontextmanager
async def standby(dsn: str, folder: Path) -> AsyncIterator[str]:
    """Yield the address of the same database at a standby, which follows until the end."""
    cluster = folder / "postgres" / "cluster"
    cluster.parent.mkdir(parents=True, mode=0o700)
    binaries = await find_binaries(BINDIR, preferred_major=None)
    program = binaries.bindir / "pg_basebackup"
    copying = await asyncio.create_subprocess_exec(
        *(str(program), "-D", str(cluster), "-R", "-X", "stream", "-c", "fast", "-d", other_database(dsn, "postgres"))
    )
    assert await copying.wait() == 0
    async with embedded(folder, bindir=BINDIR) as standby_dsn:
        yield other_database(standby_dsn, "collector")
