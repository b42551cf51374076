"""Who takes part, and how the benchmark runs one: a process of its own that is asked for passes."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.environments import python_of
from bench.peers.protocol import Job
from bench.polls import forget
from bench.support import empty
from collector.store.pool import Database

FRESH, UNCHANGED, RESTATED = "fresh", "unchanged", "with three restated days"
PHASES = (FRESH, UNCHANGED, RESTATED)

_ROOT = Path(__file__).parents[2]
_TABLE = """
    profile_id          bigint NOT NULL,
    day                 date NOT NULL,
    impression          bigint,
    engagement          bigint,
    engagement_rate     {rate},
    save                bigint,
    save_rate           {rate},
    pin_click           bigint,
    pin_click_rate      {rate},
    outbound_click      bigint,
    outbound_click_rate {rate},
    PRIMARY KEY (profile_id, day)
"""
_HYPERTABLE = """
SELECT create_hypertable('{table}', by_range('day', INTERVAL '90 days'), create_default_indexes => false)
"""
_COLUMNSTORE = """
ALTER TABLE {table} SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'profile_id', timescaledb.orderby = 'day DESC'
)
"""


class Contestant(NamedTuple):
    """One way to do the job. `rate` is the type of its table's rates, if the table is made for it beforehand."""

    name: str
    module: str
    environment: str | None = None
    table: str | None = None
    rate: str | None = None
    after_first_pass: tuple[str, ...] = ()
    phases: tuple[str, ...] = PHASES

    async def empty(self, database: Database) -> None:
        if self.module == "project":
            await forget(database)
        elif self.table:
            await empty(database, self.table)

    def creation(self, *, timescaledb: bool) -> tuple[str, ...]:
        """Return what makes its table like the project's."""
        if self.table is None or self.rate is None:
            return ()
        schema = self.table.partition(".")[0]
        plain = (f"CREATE SCHEMA {schema}", f"CREATE TABLE {self.table} ({_TABLE.format(rate=self.rate)})")
        hyper = (_HYPERTABLE.format(table=self.table), _COLUMNSTORE.format(table=self.table))
        return plain + hyper if timescaledb else plain


PROJECT = Contestant("this project", "project", table="public.daily_metric")
CONTESTANTS = (
    PROJECT,
    Contestant("bare aiohttp loop", "bare"),
    Contestant("`COPY` alone", "copying", table="copying.daily_metric", rate="double precision", phases=(FRESH,)),
    Contestant("naive script", "script", table="script.daily_metric", rate="double precision"),
    Contestant(
        "dlt",
        "dlt_pipeline",
        environment="dlt",
        table="dlt_pipeline.daily_metric",
        # dlt makes its table itself, and no key. It stays a plain one, because MERGE fails on columnstore hypertables.
        after_first_pass=(
            "CREATE UNIQUE INDEX IF NOT EXISTS daily_metric_key ON dlt_pipeline.daily_metric (profile_id, day)",
        ),
    ),
    Contestant(
        "Singer: tap and target-postgres",
        "singer_target",
        environment="singer",
        table="singer_target.daily_metric",
        rate="numeric",  # what the target makes of a JSON number; it refuses a column of another type
    ),
)


class Process:
    """A contestant's running process."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors

    async def read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the contestant ended early:\n{self._errors.read_text()[-5000:]}")
        message: dict[str, float] = json.loads(line)
        return message

    async def do_pass(self) -> dict[str, float]:
        """Return `seconds`, `cpu_seconds` and `peak_bytes`."""
        self.write("go\n")
        report = await self.read()
        await self.until_ready()
        return report

    async def until_ready(self) -> None:
        message = await self.read()
        assert message == {}, message

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())


def requirements_of(environment: str) -> Path:
    return Path(__file__).parent / f"{environment}.txt"


@asynccontextmanager
async def running(contestant: Contestant, job: Job) -> AsyncIterator[tuple[Process, float]]:
    """Yield a process that is ready for its first pass, and the seconds it took to become so."""
    python = python_of(requirements_of(contestant.environment)) if contestant.environment else sys.executable
    with tempfile.NamedTemporaryFile(prefix="bench-peers-") as errors:
        started = time.perf_counter()
        child = await asyncio.create_subprocess_exec(
            python, "-m", f"bench.peers.{contestant.module}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, cwd=_ROOT,
        )  # fmt: skip
        process = Process(child, Path(errors.name))
        try:
            process.write(json.dumps(job._asdict()) + "\n")
            await process.until_ready()
            yield process, time.perf_counter() - started
        finally:
            assert child.stdin is not None
            child.stdin.close()
            await child.wait()
