"""The same job for this project and for what one would use instead, on one server and one emulator.

Each contestant runs in a process of its own. In every round each of them makes a pass that does not count, and then
one with all days new, one with nothing changed, and one with the last three days of every profile restated; the order
changes from round to round. Linux only.
"""

import argparse
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import aiohttp
import uvloop

from bench.bare import bare
from bench.environments import python_of
from bench.peers.contestants import CONTESTANTS, FRESH, PHASES, RESTATED, Contestant, Process, requirements_of, running
from bench.peers.protocol import Job
from bench.peers.report import DOCUMENT, Figures, Round, machine, tables, write
from bench.peers.server import ServerCpu, postmaster_of, wal_position
from bench.support import API_KEY, bench_dsn, describe, emulator_process, identities, register
from collector.store.pool import Database, open_database

# Full-page images depend on when the last checkpoint was, also those that only log hint bits; and what autovacuum does,
# on the moment. So there is no checkpoint, and a VACUUM before each phase instead.
_SETTINGS = (
    "ALTER SYSTEM SET full_page_writes = off",
    "ALTER SYSTEM SET checkpoint_timeout = '1d'",
    "ALTER SYSTEM SET max_wal_size = '1TB'",
    "ALTER SYSTEM SET autovacuum = off",
    "SELECT pg_reload_conf()",
)
_RESTATED_DAYS = 3


class Bench(NamedTuple):
    """What all contestants share. `sums` are those of their tables by phase, which must be the same for all."""

    database: Database
    job: Job
    postmaster: int
    sums: dict[str, tuple[object, ...]]

    async def run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            await self.database.fetch(statement)

    async def restate(self, *, restated: bool) -> None:
        """Let the last days of every profile be larger than they were, or as they were."""
        faults = f"{self.job.url}/_emulator/faults"
        since = datetime.now(UTC).date() - timedelta(days=_RESTATED_DAYS)
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.delete(faults)
            if restated:
                await session.post(faults, json={"fault": "drop", "since": since.isoformat(), "factor": 1.5})
        await bare(
            self.job.url, self.job.api_key, self.job.keys, self.job.concurrency
        )  # the emulator makes its answers

    async def measured(self, process: Process) -> Figures:
        cpu, wal = ServerCpu(self.postmaster), await wal_position(self.database)
        report = await process.do_pass()
        server_cpu_seconds, written = cpu.seconds(), await wal_position(self.database) - wal
        polls = len(self.job.keys)
        return Figures(
            polls_per_second=polls / report["seconds"],
            wal_bytes=written / polls,
            client_cpu_seconds=1000 * report["cpu_seconds"] / polls,
            server_cpu_seconds=1000 * server_cpu_seconds / polls,
            peak_bytes=report["peak_bytes"],
        )

    async def check(self, contestant: Contestant, phase: str) -> None:
        """Assert that the contestant's table holds what the others' do."""
        if contestant.table is None:
            return
        sums = await self.database.fetch(
            f"SELECT count(*), sum(impression), sum(outbound_click), round(sum(save_rate)::numeric, 6) "
            f"FROM {contestant.table}"
        )
        found = tuple(sums[0].values())
        assert found == self.sums.setdefault(phase, found), (contestant.name, phase, found, self.sums)

    async def round_of(self, contestants: Sequence[Contestant]) -> dict[str, Round]:
        rounds: dict[str, Round] = {}
        await self.restate(restated=False)
        async with AsyncExitStack() as stack:
            processes: dict[str, Process] = {}
            for contestant in contestants:
                process, start_seconds = await stack.enter_async_context(running(contestant, self.job))
                processes[contestant.name], rounds[contestant.name] = process, Round(start_seconds, {})
                await process.do_pass()
                await self.run(contestant.after_first_pass)
                await contestant.empty(self.database)
            for phase in PHASES:
                await self.restate(restated=phase == RESTATED)
                if phase != FRESH:  # of empty tables the planner would learn that they are always empty
                    await self.database.fetch("VACUUM (ANALYZE)")
                for contestant in (each for each in contestants if phase in each.phases):
                    figures = await self.measured(processes[contestant.name])
                    await self.check(contestant, phase)
                    rounds[contestant.name].figures[phase] = figures
                    print(f"{phase:<25} {contestant.name:<32} {figures.polls_per_second:7.0f} polls/s", flush=True)
            for contestant in contestants:
                await contestant.empty(self.database)
        return rounds


async def main(profiles: int, days: int, rounds: int, concurrency: int, *, to_document: bool) -> None:
    for name in filter(None, (contestant.environment for contestant in CONTESTANTS)):
        python_of(requirements_of(name))
    people = identities(profiles)
    async with (
        emulator_process(profiles=profiles, days=days) as url,
        bench_dsn() as dsn,
        open_database(dsn) as database,
    ):
        timescaledb = await describe(database)
        job = Job(url, dsn, API_KEY.get_secret_value(), [key for _, key in people], concurrency)
        bench = Bench(database, job, await postmaster_of(database), {})
        await bench.run(_SETTINGS)
        await register(database, people)
        for contestant in CONTESTANTS:
            await bench.run(contestant.creation(timescaledb=timescaledb))
        results: dict[str, list[Round]] = {contestant.name: [] for contestant in CONTESTANTS}
        for number in range(rounds):
            first = number % len(CONTESTANTS)
            for name, result in (await bench.round_of((*CONTESTANTS[first:], *CONTESTANTS[:first]))).items():
                results[name].append(result)
        title = await machine(database, profiles=profiles, days=days, rounds=rounds, concurrency=concurrency)
    text = f"{title}\n\n{tables(results)}"
    print(text)
    if to_document:
        write(text, timescaledb=timescaledb)
        print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--profiles", type=int, default=500)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    uvloop.run(main(options.profiles, options.days, options.rounds, options.concurrency, to_document=options.write))
