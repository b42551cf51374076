"""Writes docs/schema.sql: the present schema as ``pg_dump`` prints it, from a database that the migrations made."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import uvloop

from collector.embedded import embedded
from collector.embedded.binaries import find_binaries
from collector.migrate import migrate
from collector.store.pool import connected

FILE = Path(__file__).parents[1] / "docs" / "schema.sql"
# With TimescaleDB these are continuous aggregates, or views that read them.
OTHER_WITH_TIMESCALEDB = frozenset({"week_sum", "fleet_day", "weekly_metric_aggregate", "fleet_day_aggregate"})

_HEAD = """\
-- The present schema, written by `make docs` from the migrations. Do not change this file by hand.
--
-- With TimescaleDB the tables of metrics are hypertables, and the views week_sum and fleet_day read the continuous
-- aggregates weekly_metric_aggregate and fleet_day_aggregate.
"""
_ENTRY = re.compile(r"^--\n-- Name: (.+); Type: (.+); Schema: .*\n--\n", re.MULTILINE)
_END = "\n--\n-- PostgreSQL database dump complete\n"


class Entry(NamedTuple):
    """One object of the schema: its name in ``pg_dump``, its kind, and the statement that makes it."""

    name: str
    kind: str
    sql: str


def entries(dump: str) -> list[Entry]:
    """Return the objects in a dump of the schema ``public``, without the names of schemas."""
    parts = _ENTRY.split(dump.partition(_END)[0].replace("public.", ""))[1:]
    found = [Entry(name, kind, sql.strip()) for name, kind, sql in zip(*(parts[i::3] for i in range(3)), strict=True)]
    return [entry for entry in found if entry.kind != "SCHEMA" and not entry.name.startswith("SCHEMA ")]


def text(found: list[Entry]) -> str:
    """Return the content of docs/schema.sql."""
    return "\n\n".join([_HEAD.rstrip(), *(entry.sql for entry in found)]) + "\n"


async def dumped(dsn: str, bindir: Path | None = None) -> list[Entry]:
    """Return the objects of a database's schema; ``bindir`` has the programs of its server."""
    binaries = await find_binaries(bindir, preferred_major=None)
    return entries(_pg_dump(binaries.bindir, dsn))


def _pg_dump(bindir: Path, dsn: str) -> str:
    options = ("--schema-only", "--schema=public", "--no-owner", "--no-privileges")
    return subprocess.run([bindir / "pg_dump", *options, dsn], capture_output=True, text=True, check=True).stdout


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="collector-schema-") as folder:
        async with embedded(Path(folder)) as dsn:
            async with connected(dsn) as connection:
                await migrate(connection)
            FILE.write_text(text(await dumped(dsn)), encoding="utf-8")


if __name__ == "__main__":
    uvloop.run(main())
